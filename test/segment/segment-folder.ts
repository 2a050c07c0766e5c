/** A temporary folder of segment files for tests. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Env, EnvFile } from '../../src/env/env.ts';
import { nodeEnv } from '../../src/env/node-env.ts';
import { writeSegment, type SegmentInput, type SegmentSpec, type SegmentSummary } from '../../src/segment/index.ts';
import { asLsn, asSegmentId } from '../../src/util/ids.ts';

export interface SegmentFolder {
  readonly env: Env;
  path(name: string): string;
  read(name: string): Buffer;
  put(name: string, bytes: Uint8Array): void;
  /** Writes `docs`; `idName` makes the id, by default the file's own name. */
  write(name: string, docs: Iterable<SegmentInput> | AsyncIterable<SegmentInput>, dimension: number, idName?: string): Promise<SegmentSummary>;
  create<T>(name: string, fill: (file: EnvFile) => Promise<T>): Promise<T>;
  remove(): void;
}

/** The same name gives the same id and spec. */
export function specOf(name: string, dimension: number): SegmentSpec {
  return {
    id: asSegmentId(Buffer.from(name.padEnd(8, '.')).toString('hex').slice(0, 16)), dimension,
    contentVersions: { chunker: 2, tokenizer: 5 }, minLsn: asLsn(3), maxLsn: asLsn(9), createdAt: '2026-01-02T03:04:05.678Z',
  };
}

export function segmentFolder(): SegmentFolder {
  const env = nodeEnv();
  const root = mkdtempSync(join(tmpdir(), 'cairn-segment-'));
  const path = (name: string): string => join(root, `${name}.cairn`);
  const create = async <T>(name: string, fill: (file: EnvFile) => Promise<T>): Promise<T> => {
    const file = await env.open(path(name), 'create');
    try {
      return await fill(file);
    } finally {
      await file.close();
    }
  };
  return {
    env, path, create,
    read: (name) => readFileSync(path(name)),
    put: (name, bytes) => writeFileSync(path(name), bytes),
    write: (name, docs, dimension, idName = name) => create(name, (file) => writeSegment(file, specOf(idName, dimension), docs)),
    remove: () => rmSync(root, { recursive: true }),
  };
}
