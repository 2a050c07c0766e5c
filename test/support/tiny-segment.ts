/** Containers that pass for segments where a test is about manifests and not about what is inside. */
import { createFileDurable } from '../../src/env/atomic-file.ts';
import type { Env } from '../../src/env/env.ts';
import { KIND_SEGMENT } from '../../src/format/constants.ts';
import { ContainerReader } from '../../src/format/container-reader.ts';
import { ContainerWriter } from '../../src/format/container-writer.ts';
import { segmentFile } from '../../src/format/file-names.ts';
import type { ManifestDraft, SegmentEntry } from '../../src/manifest/manifest.ts';
import { checksumHex } from '../../src/util/crc32.ts';
import { asLsn, asSegmentId } from '../../src/util/ids.ts';
import { join } from 'node:path';

export const TINY_TAG = 1;

/** A file of one section with `content`, durable on return. `n` becomes its id. */
export async function tinySegment(env: Env, dir: string, n: number, content: string, lsns: readonly [number, number] = [1, 1]): Promise<SegmentEntry> {
  const id = asSegmentId(n.toString(16).padStart(16, '0'));
  const file = segmentFile(id);
  const { bytes, checksum } = await createFileDurable(env, dir, file, async (open) => {
    const writer = await ContainerWriter.create(open, { kind: KIND_SEGMENT, content: 1, id });
    await writer.add(TINY_TAG, Buffer.from(content));
    return writer.finish();
  });
  return {
    id,
    file,
    bytes,
    checksum: checksumHex(checksum),
    docs: 10,
    chunks: 10,
    symbols: 0,
    edges: 0,
    vectors: 10,
    minLsn: asLsn(lsns[0]),
    maxLsn: asLsn(lsns[1]),
    createdAt: '2024-01-01T00:00:00.000Z',
    tombstones: null,
  };
}

/** The content given to `tinySegment`, fully verified. */
export async function readTiny(env: Env, dir: string, entry: SegmentEntry): Promise<string> {
  const file = await env.open(join(dir, entry.file), 'read');
  try {
    const reader = await ContainerReader.open(file, { kind: KIND_SEGMENT, id: entry.id, bytes: entry.bytes, maxContent: 1, knownTags: new Set([TINY_TAG]) });
    await reader.verifyAll();
    return (await reader.load(TINY_TAG)).toString();
  } finally {
    await file.close();
  }
}

export function draft(segments: readonly SegmentEntry[], change: Partial<ManifestDraft> = {}): ManifestDraft {
  return {
    flushedLsn: asLsn(Math.max(0, ...segments.map((segment) => segment.maxLsn))),
    segments,
    dropped: [],
    contentVersions: { chunker: 1, tokenizer: 1 },
    embedder: null,
    cause: 'test',
    emptiedBy: null,
    ...change,
  };
}
