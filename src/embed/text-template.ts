/**
 * How a chunk becomes the text that is embedded. A template has the fields {dir3} {dir2} {dir1} (the last three folders
 * in path order), {stem} (file name without its last extension) and {text}, which ends it; blanks beside a folder that does not exist go.
 */
export const CODE_TEMPLATE = '{dir3} {dir2} {dir1} {stem} {stem}\n{text}';

const FIELD = /\{(\w+)\}/g;
const KNOWN = new Set(['dir1', 'dir2', 'dir3', 'stem', 'text']);

/** The first thing in `template` that cairn does not understand, or null. */
export function checkTemplate(template: string): string | null {
  for (const [field, name] of template.matchAll(FIELD)) if (!KNOWN.has(name as string)) return field;
  return template.split('{text}').length === 2 && template.endsWith('{text}') ? null : 'a template that does not end in {text}';
}

/** The text in front of the chunk, with its final line feed if the template has one. `path` has '/' separators. */
export function textPrefix(template: string, path: string): string {
  const directories = path.split('/');
  const base = directories.pop() ?? '';
  const dot = base.lastIndexOf('.');
  const fields: Record<string, string> = {
    stem: dot > 0 ? base.slice(0, dot) : base,
    dir1: directories.at(-1) ?? '',
    dir2: directories.at(-2) ?? '',
    dir3: directories.at(-3) ?? '',
  };
  return template.replace(/\{text\}$/, '').replace(/\{(\w+)\}( ?)/g, (_, name: string, blank: string) => {
    const value = fields[name] ?? '';
    return value === '' ? '' : value + blank;
  });
}
