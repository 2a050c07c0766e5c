/**
 * CRC-32 (IEEE 802.3, as in zlib and PNG), the checksum of every file of cairn. Runs at 2.7-5 GB/s in node:zlib,
 * so whole files can be checked when they are read.
 */
import { crc32 as zlibCrc32 } from 'node:zlib';

/** Checksum of `bytes`, continuing from `seed` (the checksum of what came before, or a salt). Unsigned 32 bits. */
export function crc32(bytes: Uint8Array, seed = 0): number {
  return zlibCrc32(bytes, seed);
}

/** Eight lower-case hex digits, as written in the manifest and shown to the user. */
export function checksumHex(checksum: number): string {
  return checksum.toString(16).padStart(8, '0');
}
