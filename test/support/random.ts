/** Seeded randomness of tests: CAIRN_SEED repeats a run. */

/** mulberry32: numbers in [0, 1). */
export function seededRandom(seed: number): () => number {
  let state = seed | 0;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 0x1_0000_0000;
  };
}

/** Without CAIRN_SEED every run does the same: what fails then is the change, and other seeds are tried on purpose. */
const DEFAULT_SEED = 1;

/** From CAIRN_SEED, else `fallback`. Print it in the title or the message of what uses it. */
export function testSeed(fallback = DEFAULT_SEED): number {
  const given = Number(process.env['CAIRN_SEED']);
  return Number.isSafeInteger(given) && process.env['CAIRN_SEED'] !== undefined ? given : fallback;
}
