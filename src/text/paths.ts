/**
 * What a path says about a file: its parts, its terms, and whether it is likely a side file.
 * Paths are relative to the source root, with '/' separators.
 */
import { identifierParts } from './split.ts';
import { stem } from './stemmer.ts';
import { addTerms, textTerms, textWords } from './tokenizer.ts';

/** Directories above this many say where a project lies, not what a file is. */
const DIRECTORIES_USED = 3;
const STEM_WEIGHT = 2;

export interface PathParts {
  /** Base name without its last extension (`index.d` of `index.d.ts`, `.bashrc` of `.bashrc`). */
  readonly stem: string;
  readonly directories: readonly string[];
}

export function pathParts(path: string): PathParts {
  const directories = path.split('/');
  const base = directories.pop() as string;
  const dot = base.lastIndexOf('.');
  return { stem: dot > 0 ? base.slice(0, dot) : base, directories };
}

/** DocRecord.pathTerms: terms of the stem count 2, those of the last three directories 1. */
export function pathTerms(path: string): Map<string, number> {
  const { stem: name, directories } = pathParts(path);
  const terms = new Map<string, number>();
  for (const term of textTerms(name)) terms.set(term, (terms.get(term) ?? 0) + STEM_WEIGHT);
  for (const directory of directories.slice(-DIRECTORIES_USED)) addTerms(terms, directory);
  return terms;
}

/** A name as file stems are compared: lower case, without `_`, `-` and `.`. */
export function normalizedStem(name: string): string {
  return name.toLowerCase().replace(/[_\-.]/g, '');
}

/** DocRecord.pairs: distinct "a b" of adjacent stemmed parts inside one definition name, or inside the file stem. */
export function adjacentPairs(names: Iterable<string>, fileStem: string): string[] {
  const pairs = new Set<string>();
  for (const name of names) addPairs(pairs, name);
  addPairs(pairs, fileStem);
  return [...pairs];
}

function addPairs(pairs: Set<string>, name: string): void {
  const parts = textWords(name).flatMap((word) => identifierParts(word)).map(stem);
  for (let i = 0; i + 1 < parts.length; i++) pairs.add(`${parts[i]} ${parts[i + 1]}`);
}

/** Kinds of side files; each lowers the score of a file that nobody asked for. */
export type SideKind = 'test' | 'example' | 'barrel' | 'typings' | 'windows' | 'changelog';

export interface SideFile {
  readonly kind: SideKind;
  readonly factor: number;
}

const TEST_DIRECTORY = /(^|\/)(tests?|__tests__|specs?|testing)\//;
const TEST_FILE = /(^|\/)(test_[^/]+|[^/]+[._-](test|spec)|[^/]*[a-z](Tests?|Spec|Suite))\.\w+$/;
const SIDE_DIRECTORY = /(^|\/)(compat|_compat|legacy|examples?|_examples?|bench|benches|benchmarks?|docs?_src|single_include)\//;
/** The variant for another system than those that cairn runs on; its twin for this one is meant unless the query names the system. */
const WINDOWS = /(^|\/)(win|win32|windows)\/|[a-z0-9][._-](win32|windows)\.\w+$/i;
/** They name everything that ever changed, and say of nothing how it works. */
const CHANGELOG = /(^|\/)(change[-_]?log|changes|history|news|release[-_]?notes)(\.(md|markdown|rst|txt|adoc))?$/i;
const BARRELS: ReadonlySet<string> = new Set(['__init__.py', 'package-info.java']);

/** What makes `path` a side file; empty for ordinary files. */
export function sideKinds(path: string): SideFile[] {
  const found: SideFile[] = [];
  if (TEST_DIRECTORY.test(path) || TEST_FILE.test(path)) found.push({ kind: 'test', factor: 0.3 });
  if (SIDE_DIRECTORY.test(path)) found.push({ kind: 'example', factor: 0.3 });
  if (BARRELS.has(path.slice(path.lastIndexOf('/') + 1))) found.push({ kind: 'barrel', factor: 0.5 });
  if (path.endsWith('.d.ts')) found.push({ kind: 'typings', factor: 0.7 });
  if (CHANGELOG.test(path)) found.push({ kind: 'changelog', factor: 0.5 });
  if (WINDOWS.test(path)) found.push({ kind: 'windows', factor: 0.8 });
  return found;
}

/** Factor on the score of a file, 0..1; `lifted` kinds are those that the query or a filter asks for. */
export function pathPenalty(path: string, lifted: ReadonlySet<SideKind> = NONE): number {
  return sidePenalty(sideKinds(path), lifted);
}

/** The same where it is known already what makes the file a side file. */
export function sidePenalty(sides: readonly SideFile[], lifted: ReadonlySet<SideKind>): number {
  let factor = 1;
  for (const side of sides) if (!lifted.has(side.kind)) factor *= side.factor;
  return factor;
}

const NONE: ReadonlySet<SideKind> = new Set();
