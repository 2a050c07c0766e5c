/**
 * The project's own name in a question about the project: "how does tokio schedule tasks" asks nothing of the word `tokio`, yet
 * the file of that name would answer first. Owns what counts as such a name.
 */
import { isStopWord } from './stop-words.ts';
import { textTerms, textWords } from './tokenizer.ts';

/** Folders are often called so; the word then means what it says. */
const ORDINARY: ReadonlySet<string> = new Set(
  ('api app application apps backend base bin build cli client code common core database demo dev docs engine example examples frontend home include ' +
  'lib libs library main master mobile module modules package packages project projects repo repos repository scripts sdk server service services ' +
  'site source sources src test tests tmp tool tools trunk ui util utils vendor web website work workspace').split(' '),
);

/** Terms that name the project whose source root and work tree are folders of these names. A name of several words (`bash-it`) has none: each word alone says more. */
export function projectTerms(folders: readonly string[]): string[] {
  const names = new Set(folders.map((folder) => folder.toLowerCase()).filter((name) => !ORDINARY.has(name) && !isStopWord(name)));
  return [...names].filter((name) => textWords(name).length === 1 && textWords(name)[0] === name).flatMap((name) => textTerms(name).slice(0, 1));
}
