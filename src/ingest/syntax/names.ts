/** How names are written in sources and how they are stored. Owns the separators of qualified names. */

/** Separators inside a name as it is written in a definition; languages without an entry have plain names. */
const SEPARATORS: Readonly<Record<string, RegExp>> = {
  cpp: /::/, c: /::/, ruby: /::/, csharp: /\./, elixir: /\./, lua: /[.:]/, php: /\\/, typescript: /\./, tsx: /\./,
};

const MAX_NAME = 256;

/** White space collapsed, quotes and the colon of a Ruby symbol gone; '' if it is no sensible name. */
export function cleanName(text: string): string {
  if (text.length > MAX_NAME * 4) return '';
  const name = text.replace(/\s+/g, ' ').trim().replace(/^:(?=\w)/, '').replace(/^(["'`])(.*)\1$/, '$2');
  return name.length > MAX_NAME ? '' : name;
}

/** `A::B::c` → prefix 'A.B', last 'c'. Template arguments are dropped. */
export function splitName(name: string, language: string): { prefix: string | null; last: string } {
  const separator = SEPARATORS[language];
  if (separator === undefined || name.startsWith('[') || /\boperator\b|\s/.test(name)) return splitOperator(name, language);
  const parts = withoutArguments(name).split(separator).filter((part) => part !== '');
  const last = parts.pop() ?? '';
  return { prefix: parts.length === 0 ? null : parts.join('.'), last };
}

/** `Foo::operator==` of C++; any other name with blanks is taken whole. */
function splitOperator(name: string, language: string): { prefix: string | null; last: string } {
  const at = language === 'cpp' ? name.lastIndexOf('::operator') : -1;
  if (at === -1) return { prefix: null, last: name };
  return { prefix: withoutArguments(name.slice(0, at)).replaceAll('::', '.'), last: name.slice(at + 2) };
}

/** Owners that name the file itself rather than a type. */
const FILE_OWNERS: ReadonlySet<string> = new Set(['exports', 'module.exports', 'this', 'self', 'module']);

/** The object or receiver in front of a name; null where it says nothing (`exports.f = …`). */
export function ownerName(text: string): string | null {
  const name = cleanName(text);
  return name === '' || FILE_OWNERS.has(name) || !/^[\w$.]+$/.test(name) ? null : name.replace(/\.prototype$/, '');
}

/** Last part of a type or callee without arguments: `std::vector<T>` → 'vector', `a.b.C` → 'C', `&'a mut Foo` → 'Foo'. */
export function typeName(text: string): string {
  const name = text.length > MAX_NAME * 4 ? text.slice(0, MAX_NAME) : text;
  const bare = withoutArguments(name.replace(/^[\s&*@(]+/, '').replace(/^('\w+\s+)?(mut|dyn|const|ref)\s+/, ''));
  const parts = bare.split(/::|[.\\/:]/).map((part) => part.trim()).filter((part) => part !== '');
  const last = parts[parts.length - 1] ?? '';
  return /^[\p{L}\p{N}_$#]/u.test(last) ? (/^[\p{L}\p{N}_$#?!'-]+/u.exec(last)?.[0] ?? '') : last.slice(0, MAX_NAME);
}

/** Cuts at the first bracket of arguments, when there is a name before it. */
function withoutArguments(name: string): string {
  const at = name.search(/[<([]/);
  if (at <= 0) return name;
  // `A<T>::b`: what follows the arguments still counts.
  const rest = name[at] === '<' ? /^<[^]*>(::.*)$/.exec(name.slice(at))?.[1] : undefined;
  return name.slice(0, at).trim() + (rest ?? '');
}

/** Module specifier without quotes, brackets and the keyword. */
export function cleanImport(text: string): string {
  const specifier = text.replace(/\s+/g, ' ').trim().replace(/^import /, '').replace(/^(["'`])(.*)\1$/, '$2').replace(/^<(.*)>$/, '$1');
  return specifier.trim();
}
