/**
 * Light English stemmer for terms of code and prose. Owns the suffix table; applied to indexed text and to queries alike,
 * so a change of any rule changes stored terms and needs a new TOKENIZER_VERSION.
 * It is meant to join "parser", "parsing", "parsed", not to find dictionary roots.
 */

/** [suffix, replacement, letters that must remain in front]; the first that fits is applied. */
const SUFFIXES: readonly (readonly [string, string, number])[] = [
  ['ization', 'ize', 3], ['isation', 'ize', 3], ['ational', 'ate', 3], ['fulness', 'ful', 3], ['iveness', 'ive', 3],
  ['ation', 'ate', 4], ['ition', 'ite', 4], ['ction', 'ct', 3], ['ption', 'pt', 3], ['sion', 's', 4], ['tion', 't', 3],
  ['ment', '', 4], ['ness', '', 4], ['able', '', 4], ['ible', '', 4], ['ance', '', 4], ['ence', '', 4],
  ['ator', 'ate', 3], ['izer', 'ize', 3], ['ier', 'y', 3], ['ing', '', 3], ['ers', '', 3], ['er', '', 4], ['or', '', 5],
  ['ied', 'y', 3], ['ed', '', 3], ['ly', '', 4], ['ity', '', 4], ['al', '', 5], ['ive', '', 4],
];

/** Final doubled consonants that are undone ("stopp" → "stop"); ll and zz stay, as in "pull" and "buzz". */
const UNDOUBLED = 'bdfgkmnprt';

/** Stem of one lower-case word; words of three letters or fewer, or with anything but a–z, come back unchanged. */
export function stem(word: string): string {
  if (word.length <= 3 || !isPlainWord(word)) return word;
  let root = undouble(stripSuffix(stripPlural(word)));
  if (root.length > 3 && root.endsWith('e')) root = root.slice(0, -1);
  if (root.length > 3 && root.endsWith('i')) root = `${root.slice(0, -1)}y`;
  return root;
}

function isPlainWord(word: string): boolean {
  for (let i = 0; i < word.length; i++) {
    const code = word.charCodeAt(i);
    if (code < 97 || code > 122) return false;
  }
  return true;
}

function stripPlural(word: string): string {
  if (!word.endsWith('s')) return word;
  if (word.endsWith('sses')) return word.slice(0, -2);
  if (word.endsWith('ies') && word.length > 4) return `${word.slice(0, -3)}y`;
  if (word.endsWith('ss') || word.endsWith('us') || word.endsWith('is')) return word;
  return word.slice(0, -1);
}

function stripSuffix(word: string): string {
  for (const [suffix, replacement, kept] of SUFFIXES) {
    if (word.length - suffix.length >= kept && word.endsWith(suffix)) return word.slice(0, word.length - suffix.length) + replacement;
  }
  return word;
}

function undouble(word: string): string {
  const last = word.charAt(word.length - 1);
  return last === word.charAt(word.length - 2) && UNDOUBLED.includes(last) ? word.slice(0, -1) : word;
}
