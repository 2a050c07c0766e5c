/**
 * The one order of keys and terms: that of their UTF-8 bytes. JavaScript's own string order differs from it where surrogate
 * pairs meet U+E000..U+FFFF.
 */

/** Negative, zero or positive, as the UTF-8 bytes of two well-formed strings compare. */
export function compareUtf8(a: string, b: string): number {
  const length = Math.min(a.length, b.length);
  for (let i = 0; i < length; i++) {
    const x = a.charCodeAt(i);
    const y = b.charCodeAt(i);
    if (x !== y) return rank(x) - rank(y);
  }
  return a.length - b.length;
}

/** Surrogates stand for code points above U+FFFF: they move behind U+E000..U+FFFF. */
function rank(unit: number): number {
  if (unit < 0xd800) return unit;
  return unit >= 0xe000 ? unit - 0x800 : unit + 0x2000;
}

/** Compares bytes [start, end) of `table` with `key`. */
export function compareBytes(table: Uint8Array, start: number, end: number, key: Uint8Array): number {
  const length = Math.min(end - start, key.length);
  for (let i = 0; i < length; i++) {
    const difference = (table[start + i] as number) - (key[i] as number);
    if (difference !== 0) return difference;
  }
  return end - start - key.length;
}
