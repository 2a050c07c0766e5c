/**
 * Which language a file is in: by name, extension, first line. Owns the language ids that documents, filters and queries use.
 */
import type { GrammarId } from './syntax/grammars.ts';

export type LanguageClass =
  /** Programming languages. */
  | 'code'
  /** Prose and mark-up. */
  | 'prose'
  /** Data and configuration: smaller size cap, since large ones are dumps. */
  | 'data';

export interface Language {
  readonly id: string;
  readonly class: LanguageClass;
  /** null: cut by headings (markdown) or indentation (all others). */
  readonly grammar: GrammarId | null;
}

interface Row {
  readonly grammar?: GrammarId;
  readonly extensions?: string;
  readonly names?: string;
  readonly shebangs?: string;
}

const CODE: Readonly<Record<string, Row>> = {
  typescript: { grammar: 'typescript', extensions: 'ts mts cts', shebangs: 'deno ts-node tsx bun' },
  tsx: { grammar: 'tsx', extensions: 'tsx' },
  javascript: { grammar: 'javascript', extensions: 'js mjs cjs jsx es6', names: 'jakefile', shebangs: 'node nodejs' },
  python: { grammar: 'python', extensions: 'py pyi pyw pyx bzl star', names: 'sconstruct sconscript wscript', shebangs: 'python' },
  go: { grammar: 'go', extensions: 'go' },
  rust: { grammar: 'rust', extensions: 'rs' },
  java: { grammar: 'java', extensions: 'java' },
  c: { grammar: 'c', extensions: 'c' },
  cpp: { grammar: 'cpp', extensions: 'cc cpp cxx c++ hpp hh hxx h++ ipp tpp inl ino cu cuh' },
  csharp: { grammar: 'c_sharp', extensions: 'cs csx' },
  ruby: { grammar: 'ruby', extensions: 'rb rake gemspec ru podspec', names: 'rakefile gemfile podfile vagrantfile brewfile guardfile capfile fastfile', shebangs: 'ruby' },
  php: { grammar: 'php', extensions: 'php php5 phtml', shebangs: 'php' },
  kotlin: { grammar: 'kotlin', extensions: 'kt kts' },
  swift: { grammar: 'swift', extensions: 'swift', shebangs: 'swift' },
  scala: { grammar: 'scala', extensions: 'scala sc sbt' },
  bash: { grammar: 'bash', extensions: 'sh bash zsh ksh bats ebuild', names: 'bashrc bash_profile profile zshrc pkgbuild', shebangs: 'sh bash zsh ksh dash' },
  lua: { grammar: 'lua', extensions: 'lua', shebangs: 'lua luajit' },
  elixir: { grammar: 'elixir', extensions: 'ex exs', shebangs: 'elixir' },
  haskell: { grammar: 'haskell', extensions: 'hs', shebangs: 'runhaskell' },
  zig: { grammar: 'zig', extensions: 'zig zon' },
  ada: { extensions: 'adb ads' }, agda: { extensions: 'agda' }, assembly: { extensions: 's asm nasm' }, awk: { extensions: 'awk', shebangs: 'awk gawk' },
  astro: { extensions: 'astro' }, batch: { extensions: 'bat cmd' }, clojure: { extensions: 'clj cljs cljc edn' }, cmake: { extensions: 'cmake', names: 'cmakelists.txt' },
  cobol: { extensions: 'cob cbl cobol' }, crystal: { extensions: 'cr' }, css: { extensions: 'css scss sass less styl' }, cython: { extensions: 'pxd pxi' },
  d: { extensions: 'd' }, dart: { extensions: 'dart' }, dockerfile: { extensions: 'dockerfile', names: 'dockerfile containerfile' }, elm: { extensions: 'elm' },
  erlang: { extensions: 'erl hrl', shebangs: 'escript' }, fish: { extensions: 'fish', shebangs: 'fish' }, fortran: { extensions: 'f f90 f95 f03 f08' },
  fsharp: { extensions: 'fs fsi fsx' }, gdscript: { extensions: 'gd' }, gleam: { extensions: 'gleam' }, glsl: { extensions: 'glsl vert frag comp hlsl wgsl metal' },
  graphql: { extensions: 'graphql gql' }, groovy: { extensions: 'groovy gradle', names: 'jenkinsfile' }, hcl: { extensions: 'tf tfvars hcl' },
  julia: { extensions: 'jl', shebangs: 'julia' }, just: { extensions: 'just', names: 'justfile' }, lean: { extensions: 'lean' }, lisp: { extensions: 'lisp cl el scm ss rkt', shebangs: 'guile racket' },
  make: { extensions: 'mk mak', names: 'makefile gnumakefile', shebangs: 'make' }, matlab: { extensions: 'm matlab' }, meson: { names: 'meson.build meson_options.txt' },
  nim: { extensions: 'nim nims' }, nix: { extensions: 'nix' }, objectivec: { extensions: 'mm' }, ocaml: { extensions: 'ml mli mll mly' }, odin: { extensions: 'odin' },
  pascal: { extensions: 'pas pp dpr' }, perl: { extensions: 'pl pm t', shebangs: 'perl' }, powershell: { extensions: 'ps1 psm1 psd1', shebangs: 'pwsh' },
  prisma: { extensions: 'prisma' }, prolog: { extensions: 'pro prolog' }, proto: { extensions: 'proto' }, purescript: { extensions: 'purs' }, qml: { extensions: 'qml' },
  r: { extensions: 'r rmd', shebangs: 'rscript' }, solidity: { extensions: 'sol' }, sql: { extensions: 'sql psql' }, starlark: { names: 'build build.bazel workspace' },
  svelte: { extensions: 'svelte' }, tcl: { extensions: 'tcl', shebangs: 'tclsh wish' }, thrift: { extensions: 'thrift' }, v: { extensions: 'v vsh' },
  verilog: { extensions: 'sv svh' }, vhdl: { extensions: 'vhd vhdl' }, vim: { extensions: 'vim', names: 'vimrc' }, vue: { extensions: 'vue' }, wat: { extensions: 'wat wast' },
};

const PROSE: Readonly<Record<string, Row>> = {
  markdown: { extensions: 'md markdown mdx mkd', names: 'readme changelog' },
  restructuredtext: { extensions: 'rst' }, asciidoc: { extensions: 'adoc asciidoc' }, latex: { extensions: 'tex sty cls' }, org: { extensions: 'org' }, typst: { extensions: 'typ' },
  html: { extensions: 'html htm xhtml' }, template: { extensions: 'erb eex heex leex hbs liquid jinja jinja2 j2 tmpl gotmpl njk twig ejs pug haml slim cshtml razor' },
};

const DATA: Readonly<Record<string, Row>> = {
  json: { extensions: 'json json5 jsonc jsonl ndjson webmanifest geojson ipynb' }, yaml: { extensions: 'yaml yml' }, toml: { extensions: 'toml' },
  xml: { extensions: 'xml xsd xsl xslt svg plist csproj fsproj vbproj props targets resx storyboard xib' }, ini: { extensions: 'ini cfg conf properties editorconfig', names: 'gitconfig gitattributes gitmodules' },
  csv: { extensions: 'csv tsv' }, diff: { extensions: 'diff patch' }, log: { extensions: 'log' },
};

/** Anything else that is text. */
const TEXT: Language = { id: 'text', class: 'prose', grammar: null };

interface Tables {
  readonly extensions: ReadonlyMap<string, Language>;
  readonly names: ReadonlyMap<string, Language>;
  readonly shebangs: ReadonlyMap<string, Language>;
  readonly ids: ReadonlyMap<string, Language>;
}

const TABLES: Tables = (() => {
  const extensions = new Map<string, Language>();
  const names = new Map<string, Language>();
  const shebangs = new Map<string, Language>();
  const ids = new Map<string, Language>([['text', TEXT]]);
  const words = (list: string | undefined): string[] => (list === undefined ? [] : list.split(' '));
  for (const [rows, kind] of [[CODE, 'code'], [PROSE, 'prose'], [DATA, 'data']] as const) {
    for (const [id, row] of Object.entries(rows)) {
      const language: Language = { id, class: kind, grammar: row.grammar ?? null };
      ids.set(id, language);
      for (const extension of words(row.extensions)) extensions.set(extension, language);
      for (const name of words(row.names)) names.set(name, language);
      for (const shebang of words(row.shebangs)) shebangs.set(shebang, language);
    }
  }
  return { extensions, names, shebangs, ids };
})();

/** Ids of the languages that are parsed by a grammar. */
export const PARSED_LANGUAGES: readonly string[] = [...TABLES.ids.values()].filter((language) => language.grammar !== null).map(({ id }) => id);

/** All language ids. */
export const LANGUAGE_IDS: readonly string[] = [...TABLES.ids.keys()];

/** Names in use that are neither an id nor an extension of ours. */
const COMMON_NAMES: Readonly<Record<string, string>> = { 'c#': 'csharp', 'f#': 'fsharp', golang: 'go', shell: 'bash', 'objective-c': 'objectivec' };

/** Id of the language that a user calls `name`: an id, an extension (ts, rs, c++) or a common name; null if there is none. */
export function languageNamed(name: string): string | null {
  const wanted = name.toLowerCase().replace(/^\./, '');
  if (TABLES.ids.has(wanted)) return wanted;
  if (Object.hasOwn(COMMON_NAMES, wanted)) return COMMON_NAMES[wanted] ?? null;
  return TABLES.extensions.get(wanted)?.id ?? null;
}

/** Language of the file at `path` (relative, '/' separators) from its name; null when only the content can tell. */
export function languageOfPath(path: string): Language | null {
  const base = path.slice(path.lastIndexOf('/') + 1).toLowerCase();
  const bare = base.startsWith('.') ? base.slice(1) : base;
  const named = TABLES.names.get(bare);
  if (named !== undefined) return named;
  const dot = bare.lastIndexOf('.');
  const extension = dot === -1 ? '' : bare.slice(dot + 1);
  if (extension === 'h') return null;
  return TABLES.extensions.get(extension) ?? (dot > 0 ? (TABLES.names.get(bare.slice(0, dot)) ?? null) : null);
}

/** Language from name and content; never fails: what nothing recognises is 'text'. */
export function detectLanguage(path: string, text: string): Language {
  const byPath = languageOfPath(path);
  if (byPath?.id === 'matlab') return looksLikeObjectiveC(text) ? language('objectivec') : byPath;
  if (byPath !== null) return byPath;
  if (/\.h$/i.test(path)) return headerLanguage(text);
  return shebangLanguage(text) ?? TEXT;
}

function language(id: string): Language {
  return TABLES.ids.get(id) ?? TEXT;
}

const SHEBANG = /^#!\s*(?:\S*\/)?(?:env\s+(?:-\S+\s+)*)?(?:\S*\/)?([A-Za-z][\w-]*?)[\d.]*(?:\s|$)/;

function shebangLanguage(text: string): Language | null {
  if (!text.startsWith('#!')) return null;
  const name = SHEBANG.exec(text.slice(0, 256))?.[1]?.toLowerCase();
  return (name === undefined ? undefined : TABLES.shebangs.get(name)) ?? null;
}

/** What C does not have at the start of a line. `extern "C"` alone is C written for both. */
const CPP_MARK = /^\s*(?:class\s+\w[^;]*[{:]|namespace\s+\w*\s*(?:\w|::)*\s*\{|template\s*<|using\s+(?:namespace\s|\w+\s*=)|(?:public|private|protected)\s*:|constexpr\s|#include\s*<(?:string|vector|map|memory|iostream|functional|utility|type_traits|cstd\w+|algorithm)>)|\bstd::\w/m;

function headerLanguage(text: string): Language {
  const head = text.slice(0, 65_536);
  if (looksLikeObjectiveC(head)) return language('objectivec');
  return language(CPP_MARK.test(head) ? 'cpp' : 'c');
}

function looksLikeObjectiveC(text: string): boolean {
  return /^\s*(?:@(?:interface|protocol|implementation|import)\b|#import\s)/m.test(text.slice(0, 65_536));
}
