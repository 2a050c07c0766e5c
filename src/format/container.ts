/**
 * The sectioned container: framing of every segment file. Layout in FORMAT.md.
 * Owns header, alignment, table of contents, checksums and footer; knows nothing of what the sections mean.
 * A container is written once, front to back, and never modified after its footer (invariant 2).
 */
import type { EnvFile } from '../env/env.ts';
import { ByteReader, ByteWriter } from '../util/bytes.ts';
import { crc32 } from '../util/crc32.ts';
import { CairnError } from '../util/errors.ts';
import {
  CONTAINER_END_MAGIC,
  CONTAINER_FOOTER_BYTES,
  CONTAINER_HEADER_BYTES,
  CONTAINER_LAYOUT,
  CONTAINER_MAGIC,
  MAX_SECTIONS,
  MIN_READABLE_CONTAINER,
  SECTION_FLAG_OPTIONAL,
  TOC_ENTRY_BYTES,
} from './constants.ts';

/** One entry of the table of contents; offset and length in bytes of the file. */
export interface SectionInfo {
  readonly tag: number;
  readonly optional: boolean;
  readonly offset: number;
  readonly length: number;
  readonly crc: number;
}

export interface ContainerHeader {
  readonly layout: number;
  readonly kind: number;
  /** Version of the section contents, owned by the kind. */
  readonly content: number;
  /** Sixteen lower-case hex digits: the segment id. A file under another segment's name is found out by it. */
  readonly id: string;
}

export interface ContainerFooter {
  readonly fileLength: number;
  /** crc32 of everything before the footer: the whole-file checksum of the manifest. */
  readonly fileCrc: number;
  readonly tocOffset: number;
  readonly tocCrc: number;
  readonly sectionCount: number;
}

/** Damage of a container: names file and offset. */
export function containerError(path: string, offset: number, what: string, code: 'CORRUPT' | 'TRUNCATED' | 'NEWER_FORMAT' = 'CORRUPT'): CairnError {
  const hint = code === 'NEWER_FORMAT' ? 'Written by a newer cairn; use that version or rebuild the index.' : undefined;
  return new CairnError(code, `${path}: ${what} at offset ${offset}`, { path, offset, hint });
}

/** header: magic 8 · layout u32 · minReader u32 · kind u32 · content u32 · id 8 · zeros · crc32 of the first 60 bytes */
export function encodeHeader(header: ContainerHeader): Buffer {
  const writer = new ByteWriter()
    .bytes(Buffer.from(CONTAINER_MAGIC, 'latin1'))
    .u32(header.layout)
    .u32(MIN_READABLE_CONTAINER)
    .u32(header.kind)
    .u32(header.content)
    .bytes(idBytes(header.id));
  writer.zeros(CONTAINER_HEADER_BYTES - 4 - writer.length);
  return writer.u32(crc32(writer.view())).finish();
}

export function decodeHeader(bytes: Buffer, path: string): ContainerHeader {
  if (bytes.length < CONTAINER_HEADER_BYTES) throw containerError(path, bytes.length, 'the header is cut off', 'TRUNCATED');
  if (bytes.toString('latin1', 0, 8) !== CONTAINER_MAGIC) throw containerError(path, 0, 'not a cairn container');
  const reader = new ByteReader(bytes, { path }).seek(8);
  const layout = reader.u32();
  const minReader = reader.u32();
  const header = { layout, kind: reader.u32(), content: reader.u32(), id: reader.bytes(8).toString('hex') };
  if (reader.seek(CONTAINER_HEADER_BYTES - 4).u32() !== crc32(bytes.subarray(0, CONTAINER_HEADER_BYTES - 4))) throw containerError(path, 0, 'the header fails its checksum');
  if (minReader > CONTAINER_LAYOUT) throw containerError(path, 8, `container layout ${layout} needs a reader of layout ${minReader}`, 'NEWER_FORMAT');
  if (layout < MIN_READABLE_CONTAINER) throw new CairnError('UNSUPPORTED', `${path}: container layout ${layout} is too old`, { path, offset: 8 });
  return header;
}

/** entry: tag u32 · flags u32 · offset u64 · length u64 · crc32 u32 · zero u32 */
export function encodeToc(sections: readonly SectionInfo[]): Buffer {
  const writer = new ByteWriter(sections.length * TOC_ENTRY_BYTES);
  for (const s of sections) writer.u32(s.tag).u32(s.optional ? SECTION_FLAG_OPTIONAL : 0).u64(s.offset).u64(s.length).u32(s.crc).u32(0);
  return writer.finish();
}

export function decodeToc(bytes: Buffer, footer: ContainerFooter, path: string): SectionInfo[] {
  const reader = new ByteReader(bytes, { path, base: footer.tocOffset });
  const sections: SectionInfo[] = [];
  let end = CONTAINER_HEADER_BYTES;
  for (let i = 0; i < footer.sectionCount; i++) {
    const at = reader.position;
    const tag = reader.u32();
    const optional = (reader.u32() & SECTION_FLAG_OPTIONAL) !== 0;
    const section = { tag, optional, offset: reader.u64(), length: reader.u64(), crc: reader.u32() };
    reader.u32();
    if (section.offset < end || section.offset + section.length > footer.tocOffset) throw reader.fail(`section ${tag} lies outside of its place`, 'CORRUPT', at);
    if (sections.some((other) => other.tag === tag)) throw reader.fail(`section ${tag} is there twice`, 'CORRUPT', at);
    end = section.offset + section.length;
    sections.push(section);
  }
  return sections;
}

/** footer: tocOffset u64 · fileLength u64 · sectionCount u32 · tocCrc u32 · fileCrc u32 · zeros · crc32 of the first 52 bytes · end magic 8 */
export function encodeFooter(footer: ContainerFooter): Buffer {
  const writer = new ByteWriter().u64(footer.tocOffset).u64(footer.fileLength).u32(footer.sectionCount).u32(footer.tocCrc).u32(footer.fileCrc);
  writer.zeros(CONTAINER_FOOTER_BYTES - 12 - writer.length);
  return writer.u32(crc32(writer.view())).bytes(Buffer.from(CONTAINER_END_MAGIC, 'latin1')).finish();
}

/** `fileLength` is the length found on disk. */
export function decodeFooter(bytes: Buffer, fileLength: number, path: string): ContainerFooter {
  const at = fileLength - CONTAINER_FOOTER_BYTES;
  if (at < CONTAINER_HEADER_BYTES || bytes.length < CONTAINER_FOOTER_BYTES) throw containerError(path, fileLength, `a container of ${fileLength} bytes is cut off`, 'TRUNCATED');
  if (bytes.toString('latin1', CONTAINER_FOOTER_BYTES - 8) !== CONTAINER_END_MAGIC) throw containerError(path, at, 'the footer is missing: the file is cut off or overwritten', 'TRUNCATED');
  const reader = new ByteReader(bytes, { path, base: at });
  const footer = { tocOffset: reader.u64(), fileLength: reader.u64(), sectionCount: reader.u32(), tocCrc: reader.u32(), fileCrc: reader.u32() };
  if (reader.seek(CONTAINER_FOOTER_BYTES - 12).u32() !== crc32(bytes.subarray(0, CONTAINER_FOOTER_BYTES - 12))) throw containerError(path, at, 'the footer fails its checksum');
  if (footer.fileLength !== fileLength) throw containerError(path, at, `the footer speaks of ${footer.fileLength} bytes, the file has ${fileLength},`, 'TRUNCATED');
  const tocEnd = footer.tocOffset + footer.sectionCount * TOC_ENTRY_BYTES;
  if (footer.sectionCount > MAX_SECTIONS || footer.tocOffset < CONTAINER_HEADER_BYTES || tocEnd !== at) throw containerError(path, at, 'the table of contents lies outside of its place');
  return footer;
}

/** Reads exactly `length` bytes; TRUNCATED when the file ends before. */
export async function readExactly(file: EnvFile, offset: number, length: number): Promise<Buffer> {
  const bytes = await file.read(offset, length);
  if (bytes.length !== length) throw containerError(file.path, offset + bytes.length, `${length - bytes.length} bytes are missing`, 'TRUNCATED');
  return bytes;
}

function idBytes(id: string): Buffer {
  if (!/^[0-9a-f]{16}$/.test(id)) throw new CairnError('INVALID_ARGUMENT', `container id '${id}' is not sixteen hex digits`);
  return Buffer.from(id, 'hex');
}
