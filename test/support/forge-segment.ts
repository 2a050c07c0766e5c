/**
 * Changes bytes of a segment file and makes every checksum above them valid again: of the section, the table of contents, the footer,
 * the manifests that name the file, and CURRENT. What is wrong then is the content alone.
 */
import { readdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { CURRENT_FILE, parseFileName } from '../../src/format/file-names.ts';
import { currentFor, decodeCurrent, encodeCurrent } from '../../src/manifest/current.ts';
import { decodeManifest, encodeManifest } from '../../src/manifest/manifest.ts';
import { checksumHex, crc32 } from '../../src/util/crc32.ts';

const FOOTER = 64;
const ENTRY = 32;

/** `change` gets a section by its tag, to be written to in place. The file gets a new inode, so that an open one is not changed. */
export function forgeSegment(path: string, change: (section: (tag: number) => Buffer) => void): void {
  const bytes = readFileSync(path);
  const footer = bytes.length - FOOTER;
  const toc = bytes.readUInt32LE(footer);
  const sections = Array.from({ length: bytes.readUInt32LE(footer + 16) }, (_, i) => {
    const at = toc + i * ENTRY;
    const offset = bytes.readUInt32LE(at + 8);
    return { at, tag: bytes.readUInt32LE(at), data: bytes.subarray(offset, offset + bytes.readUInt32LE(at + 16)) };
  });
  change((tag) => {
    const found = sections.find((section) => section.tag === tag);
    if (found === undefined) throw new Error(`no section ${tag}`);
    return found.data;
  });
  for (const { at, data } of sections) bytes.writeUInt32LE(crc32(data), at + 24);
  bytes.writeUInt32LE(crc32(bytes.subarray(toc, footer)), footer + 20);
  bytes.writeUInt32LE(crc32(bytes.subarray(0, footer)), footer + 24);
  bytes.writeUInt32LE(crc32(bytes.subarray(footer, footer + 52)), footer + 52);
  replace(path, bytes);
}

/** The manifests of a directory name the segment as it is now; `counts` are those that they give for it. */
export function vouchForSegment(dir: string, file: string, counts: { readonly vectors?: number } = {}): void {
  const bytes = readFileSync(join(dir, file));
  const checksum = checksumHex(bytes.readUInt32LE(bytes.length - FOOTER + 24));
  const current = decodeCurrent(readFileSync(join(dir, CURRENT_FILE)), CURRENT_FILE);
  for (const name of readdirSync(dir).filter((one) => parseFileName(one)?.kind === 'manifest')) {
    const manifest = decodeManifest(readFileSync(join(dir, name)), name);
    const encoded = encodeManifest({ ...manifest, segments: manifest.segments.map((entry) => (entry.file === file ? { ...entry, ...counts, checksum } : entry)) });
    replace(join(dir, name), encoded);
    if (name === current.manifest) replace(join(dir, CURRENT_FILE), encodeCurrent(currentFor(manifest.generation, manifest.epoch, encoded)));
  }
}

function replace(path: string, bytes: Uint8Array): void {
  writeFileSync(`${path}.new`, bytes, { mode: 0o600 });
  renameSync(`${path}.new`, path);
}
