/**
 * LEB128 variable-length unsigned integers up to 2^53 - 1, and the zigzag mapping for signed ones.
 * Raw functions over a byte array for encoders with their own buffers; bounds-checked decoding is in bytes.ts.
 */

/** Most bytes that a number below 2^53 takes. */
export const MAX_VARINT_BYTES = 8;

/** Bytes that `value` takes. */
export function varintLength(value: number): number {
  let length = 1;
  let rest = value;
  while (rest >= 0x80) {
    rest = Math.floor(rest / 0x80);
    length++;
  }
  return length;
}

/** Writes a non-negative safe integer; the caller has made room. Returns the position behind it. */
export function writeVarint(target: Uint8Array, position: number, value: number): number {
  let rest = value;
  let at = position;
  // Bit operations work on 32 bits: the upper part of a large number is peeled off by division first.
  while (rest > 0x7fffffff) {
    target[at++] = (rest % 0x80) | 0x80;
    rest = Math.floor(rest / 0x80);
  }
  while (rest >= 0x80) {
    target[at++] = (rest & 0x7f) | 0x80;
    rest >>>= 7;
  }
  target[at++] = rest;
  return at;
}

/** 0, -1, 1, -2, … as 0, 1, 2, 3, …; for safe integers of at most 52 bits. */
export function zigzag(value: number): number {
  return value >= 0 ? value * 2 : -value * 2 - 1;
}

export function unzigzag(value: number): number {
  return value % 2 === 0 ? value / 2 : -(value + 1) / 2;
}
