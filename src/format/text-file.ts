/**
 * Framing of the small text files (manifest, CURRENT): one header line, then readable JSON.
 *   <word> <layout> <bytes of the JSON> <crc32, 8 hex digits>\n<JSON>\n
 * The checksum covers word, layout, length and JSON, so a damaged version number is damage and not "a newer format".
 */
import { checksumHex, crc32 } from '../util/crc32.ts';
import { CairnError, type ErrorCode } from '../util/errors.ts';
import { MIN_READABLE_TEXT, TEXT_LAYOUT } from './constants.ts';

const HEADER = /^([a-z-]{1,32}) ([0-9]{1,6}) ([0-9]{1,12}) ([0-9a-f]{8})\n/;
const MAX_HEADER_BYTES = 80;

export function encodeTextFile(word: string, value: unknown, layout: number = TEXT_LAYOUT): Buffer {
  const json = JSON.stringify(value, null, 1);
  const start = `${word} ${layout} ${Buffer.byteLength(json)}`;
  return Buffer.from(`${start} ${checksum(start, json)}\n${json}\n`);
}

function checksum(start: string, json: string | Uint8Array): string {
  return checksumHex(crc32(Buffer.from(json), crc32(Buffer.from(start))));
}

/** The parsed JSON; its fields are still to be checked. */
export function decodeTextFile(word: string, bytes: Uint8Array, path: string): unknown {
  const damage = (what: string, offset: number, code: ErrorCode = 'CORRUPT') => new CairnError(code, `${path}: ${what} at offset ${offset}`, { path, offset });
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (buffer.length === 0) throw damage('the file is empty', 0, 'TRUNCATED');
  const header = HEADER.exec(buffer.toString('latin1', 0, MAX_HEADER_BYTES));
  if (header === null || header[1] !== word) throw damage(`the header line of a ${word} file is missing`, 0);
  const at = header[0].length;
  const end = at + Number(header[3]);
  if (buffer.length < end + 1) throw damage(`${end + 1 - buffer.length} bytes are missing`, buffer.length, 'TRUNCATED');
  const json = buffer.subarray(at, end);
  if (buffer.length > end + 1 || buffer[end] !== 0x0a || checksum(`${word} ${header[2]} ${header[3]}`, json) !== header[4]) throw damage('the file fails its checksum', at);
  const layout = Number(header[2]);
  if (layout > TEXT_LAYOUT) throw damage(`layout ${layout} of a ${word} file is newer than ${TEXT_LAYOUT}`, word.length + 1, 'NEWER_FORMAT');
  if (layout < MIN_READABLE_TEXT) throw damage(`layout ${layout} of a ${word} file is too old`, word.length + 1, 'UNSUPPORTED');
  try {
    return JSON.parse(json.toString('utf8'));
  } catch (cause) {
    throw new CairnError('CORRUPT', `${path}: the content is no JSON`, { path, offset: at, cause });
  }
}
