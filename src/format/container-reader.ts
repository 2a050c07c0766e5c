/**
 * Reads a container: opens by header, footer and table of contents only, verifies a section when it is loaded, and the whole
 * file on request. Never trusts a length or an offset that was not checked against the file.
 */
import type { EnvFile } from '../env/env.ts';
import { requireNotCancelled } from '../util/cancel.ts';
import { crc32 } from '../util/crc32.ts';
import { CairnError } from '../util/errors.ts';
import { CONTAINER_FOOTER_BYTES, CONTAINER_HEADER_BYTES, TOC_ENTRY_BYTES } from './constants.ts';
import { containerError, decodeFooter, decodeHeader, decodeToc, readExactly, type ContainerFooter, type ContainerHeader, type SectionInfo } from './container.ts';

const PIECE_BYTES = 1024 * 1024;

/** Which file it must be; a mismatch is CORRUPT (a file under a wrong name, or swapped). */
export interface ContainerIdentity {
  readonly kind: number;
  readonly id?: string;
  /** From the manifest. */
  readonly bytes?: number;
  readonly checksum?: number;
}

export interface ContainerExpectation extends ContainerIdentity {
  /** Highest content version that the caller understands. */
  readonly maxContent: number;
  /** Sections that the caller understands; an unknown one that is not optional is refused with NEWER_FORMAT. */
  readonly knownTags: ReadonlySet<number>;
}

export class ContainerReader {
  readonly header: ContainerHeader;
  readonly footer: ContainerFooter;
  readonly sections: readonly SectionInfo[];
  readonly #file: EnvFile;
  readonly #byTag: ReadonlyMap<number, SectionInfo>;

  private constructor(file: EnvFile, header: ContainerHeader, footer: ContainerFooter, sections: readonly SectionInfo[]) {
    this.#file = file;
    this.header = header;
    this.footer = footer;
    this.sections = sections;
    this.#byTag = new Map(sections.map((section) => [section.tag, section]));
  }

  /** Four small reads. The reader does not own the file: the caller closes it. */
  static async open(file: EnvFile, expected: ContainerExpectation): Promise<ContainerReader> {
    const reader = await ContainerReader.inspect(file, expected);
    const { content } = reader.header;
    if (content > expected.maxContent) throw containerError(file.path, 20, `content version ${content} is newer than ${expected.maxContent}`, 'NEWER_FORMAT');
    for (const section of reader.sections) {
      if (!section.optional && !expected.knownTags.has(section.tag)) throw containerError(file.path, section.offset, `section ${section.tag} is unknown`, 'NEWER_FORMAT');
    }
    return reader;
  }

  /** The same without asking whether the contents are understood: for checks, backups and dumps. */
  static async inspect(file: EnvFile, expected: ContainerIdentity): Promise<ContainerReader> {
    const { path } = file;
    const size = await file.size();
    if (expected.bytes !== undefined && size !== expected.bytes) {
      throw containerError(path, Math.min(size, expected.bytes), `${expected.bytes} bytes expected, ${size} found,`, size < expected.bytes ? 'TRUNCATED' : 'CORRUPT');
    }
    const header = decodeHeader(await file.read(0, CONTAINER_HEADER_BYTES), path);
    if (header.kind !== expected.kind) throw containerError(path, 16, `a container of kind ${header.kind} stands in the place of kind ${expected.kind}`);
    if (expected.id !== undefined && header.id !== expected.id) throw containerError(path, 24, `the file says it is ${header.id}, ${expected.id} expected,`);
    const footerAt = Math.max(0, size - CONTAINER_FOOTER_BYTES);
    const footer = decodeFooter(await file.read(footerAt, CONTAINER_FOOTER_BYTES), size, path);
    if (expected.checksum !== undefined && footer.fileCrc !== expected.checksum) throw containerError(path, footerAt, 'the file is not the one that the manifest names: its checksum differs');
    const toc = await readExactly(file, footer.tocOffset, footer.sectionCount * TOC_ENTRY_BYTES);
    if (crc32(toc) !== footer.tocCrc) throw containerError(path, footer.tocOffset, 'the table of contents fails its checksum');
    return new ContainerReader(file, header, footer, decodeToc(toc, footer, path));
  }

  get path(): string {
    return this.#file.path;
  }

  /** null when the container has no such section. */
  find(tag: number): SectionInfo | null {
    return this.#byTag.get(tag) ?? null;
  }

  /** CORRUPT when the section is missing. */
  section(tag: number): SectionInfo {
    const section = this.#byTag.get(tag);
    if (section === undefined) throw containerError(this.path, this.footer.tocOffset, `section ${tag} is missing`);
    return section;
  }

  /** The whole section, verified, in memory of its own whose start is aligned for every typed array. */
  async load(tag: number): Promise<Buffer> {
    const target = Buffer.allocUnsafeSlow(this.section(tag).length);
    await this.loadInto(tag, target);
    return target;
  }

  /** The same at once, for who cannot wait. */
  loadSync(tag: number): Buffer {
    const section = this.section(tag);
    const target = Buffer.allocUnsafeSlow(section.length);
    this.readSync(section, 0, target);
    if (crc32(target) !== section.crc) throw this.#damaged(section);
    return target;
  }

  /** The same into memory of the caller (a WebAssembly memory, a SharedArrayBuffer); `target` has exactly the section's length. */
  async loadInto(tag: number, target: Uint8Array): Promise<void> {
    const section = this.section(tag);
    if (target.length !== section.length) throw new CairnError('INVALID_ARGUMENT', `section ${tag} has ${section.length} bytes, the target ${target.length}`);
    let at = 0;
    await this.#check(section, (piece) => {
      target.set(piece, at);
      at += piece.length;
    });
  }

  /** Reads through the section and checks it, keeping nothing. */
  async verifySection(tag: number): Promise<void> {
    await this.#check(this.section(tag), () => undefined);
  }

  /**
   * Fills `target` from inside a section, synchronously and unverified: for rows that carry a checksum of their own.
   * TRUNCATED when the file ends before.
   */
  readSync(section: SectionInfo, offset: number, target: Uint8Array): void {
    if (offset < 0 || offset + target.length > section.length) throw containerError(this.path, section.offset + offset, `a read of ${target.length} bytes leaves section ${section.tag}`);
    const count = this.#file.readSync(target, section.offset + offset);
    if (count !== target.length) throw containerError(this.path, section.offset + offset + count, `${target.length - count} bytes are missing`, 'TRUNCATED');
  }

  /** Every byte of the file against its checksums; names the damaged section. Returns the bytes checked. */
  async verifyAll(signal?: AbortSignal): Promise<number> {
    for (const section of this.sections) await this.#check(section, () => requireNotCancelled(signal, 'the check'));
    const end = this.footer.fileLength - CONTAINER_FOOTER_BYTES;
    let crc = 0;
    for (let at = 0; at < end; at += PIECE_BYTES) {
      requireNotCancelled(signal, 'the check');
      crc = crc32(await readExactly(this.#file, at, Math.min(PIECE_BYTES, end - at)), crc);
    }
    if (crc !== this.footer.fileCrc) throw containerError(this.path, 0, 'the file fails its checksum outside of its sections');
    return this.footer.fileLength;
  }

  async #check(section: SectionInfo, use: (piece: Buffer) => void): Promise<void> {
    let crc = 0;
    for (let at = 0; at < section.length; at += PIECE_BYTES) {
      const piece = await readExactly(this.#file, section.offset + at, Math.min(PIECE_BYTES, section.length - at));
      crc = crc32(piece, crc);
      use(piece);
    }
    if (crc !== section.crc) throw this.#damaged(section);
  }

  #damaged(section: SectionInfo): CairnError {
    return containerError(this.path, section.offset, `section ${section.tag} fails its checksum`);
  }
}
