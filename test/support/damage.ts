/** Ways to damage a file of an index on purpose. */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ContainerReader } from '../../src/format/container-reader.ts';
import { KIND_SEGMENT } from '../../src/format/constants.ts';
import { nodeEnv } from '../../src/env/node-env.ts';

/** In place: a reader that has the file open sees it. */
export function flipByte(path: string, offset: number): void {
  const bytes = readFileSync(path);
  const at = offset < 0 ? bytes.length + offset : offset;
  bytes[at] = (bytes[at] as number) ^ 0x40;
  writeFileSync(path, bytes, { flag: 'r+' });
}

/** Segment files of an index directory, by size, largest first. */
export function segmentFiles(dir: string): string[] {
  return readdirSync(dir).filter((name) => name.endsWith('.cairn')).map((name) => ({ name, size: readFileSync(join(dir, name)).length })).sort((a, b) => b.size - a.size).map(({ name }) => name);
}

/** Offset of a section that is read on demand (texts are tag 7, vectors tag 32). */
export async function sectionOffset(path: string, tag: number): Promise<number> {
  const file = await nodeEnv().open(path, 'read');
  try {
    return (await ContainerReader.inspect(file, { kind: KIND_SEGMENT })).section(tag).offset;
  } finally {
    await file.close();
  }
}

/** The manifest with the largest generation. */
export function newestManifest(dir: string): string {
  return readdirSync(dir).filter((name) => /^manifest-\d+$/.test(name)).sort((a, b) => Number(b.slice(9)) - Number(a.slice(9)))[0] as string;
}
