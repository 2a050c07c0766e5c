/**
 * Words that say nothing about code when they stand alone in a query. Compared with their case: `For` or `IF` in a query is
 * more likely a name than a preposition. Only queries drop stop words; indexed text keeps them.
 */

const PROSE =
  'a an and are as at be been being by can could do does did doing done during each else etc for from get gets given had has ' +
  'have having here how i if in into is it its itself just like may might more most must need needs new no nor not now of off ' +
  'on once one only onto or other our out over own per same should since so some such than that the their them then there ' +
  'these they this those through to too under until up use used uses using via was we were what when where whether which ' +
  'while who whose why will with within without would you your';
/** What every question about code contains. */
const CODE_TALK = 'implementation implement implements implemented code function functions method methods class classes works work';

const STOP_WORDS: ReadonlySet<string> = new Set(`${PROSE} ${CODE_TALK}`.split(' '));

/** True for a stop word as written in the query. */
export function isStopWord(word: string): boolean {
  return STOP_WORDS.has(word);
}
