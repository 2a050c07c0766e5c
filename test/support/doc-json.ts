/** DocRecords as JSON and back, exactly: for expected contents beside checked-in fixtures. */
import type { DocRecord } from '../../src/format/doc.ts';

const TAGS = { map: 'Map', bytes: 'Uint8Array', floats: 'Float32Array', big: 'bigint' } as const;

export function docsToJson(docs: readonly DocRecord[]): string {
  return `${JSON.stringify(docs, (_, value: unknown) => {
    if (value instanceof Map) return { [TAGS.map]: [...value] };
    if (value instanceof Float32Array) return { [TAGS.floats]: Buffer.from(value.buffer, value.byteOffset, value.byteLength).toString('hex') };
    if (value instanceof Uint8Array) return { [TAGS.bytes]: Buffer.from(value).toString('hex') };
    return typeof value === 'bigint' ? { [TAGS.big]: String(value) } : value;
  }, 1)}\n`;
}

export function docsFromJson(text: string): DocRecord[] {
  return JSON.parse(text, (_, value: unknown) => {
    if (typeof value !== 'object' || value === null) return value;
    const [[tag, inner] = []] = Object.entries(value) as [string, unknown][];
    if (tag === TAGS.map) return new Map(inner as [string, number][]);
    if (tag === TAGS.big) return BigInt(inner as string);
    if (tag === TAGS.bytes) return Uint8Array.from(Buffer.from(inner as string, 'hex'));
    if (tag === TAGS.floats) return new Float32Array(Uint8Array.from(Buffer.from(inner as string, 'hex')).buffer);
    return value;
  }) as DocRecord[];
}
