/**
 * Writes one container front to back into a new file: header at creation, sections streamed one after the other, table of
 * contents and footer in `finish()`. A container that was not finished has no footer and is refused by every reader, so no
 * caller can forget a part. Never syncs: that belongs to whoever creates the file (env/atomic-file.ts).
 */
import type { EnvFile } from '../env/env.ts';
import { crc32 } from '../util/crc32.ts';
import { CairnError } from '../util/errors.ts';
import { CONTAINER_FOOTER_BYTES, CONTAINER_LAYOUT, MAX_SECTIONS, SECTION_ALIGNMENT } from './constants.ts';
import { encodeFooter, encodeHeader, encodeToc, type SectionInfo } from './container.ts';

/** Small writes are gathered, so that a section written row by row costs few system calls. */
const BUFFER_BYTES = 64 * 1024;
const PADDING = Buffer.alloc(SECTION_ALIGNMENT);

export interface ContainerSpec {
  readonly kind: number;
  readonly content: number;
  /** Sixteen lower-case hex digits. */
  readonly id: string;
}

/** What the manifest records of a finished file. */
export interface FinishedContainer {
  readonly bytes: number;
  /** crc32 of everything before the footer. */
  readonly checksum: number;
}

/** An open section; bytes go in order. Only one is open at a time. */
export interface SectionSink {
  /** Bytes written to the section so far. */
  length(): number;
  write(bytes: Uint8Array): Promise<void>;
  end(): Promise<void>;
}

export class ContainerWriter {
  readonly #file: EnvFile;
  readonly #sections: SectionInfo[] = [];
  readonly #buffer = Buffer.allocUnsafe(BUFFER_BYTES);
  #buffered = 0;
  #flushed = 0;
  #fileCrc = 0;
  #open: OpenSection | null = null;
  #state: 'writing' | 'finished' | 'failed' = 'writing';

  private constructor(file: EnvFile) {
    this.#file = file;
  }

  /** `file` is new and empty. */
  static async create(file: EnvFile, spec: ContainerSpec): Promise<ContainerWriter> {
    const writer = new ContainerWriter(file);
    await writer.#append(encodeHeader({ layout: CONTAINER_LAYOUT, ...spec }));
    return writer;
  }

  /** Bytes written so far. */
  get bytes(): number {
    return this.#flushed + this.#buffered;
  }

  /** Opens a section; `optional` ones may be skipped by a reader that does not know the tag. */
  async section(tag: number, options: { readonly optional?: boolean } = {}): Promise<SectionSink> {
    this.#requireIdle();
    if (this.#sections.length >= MAX_SECTIONS) throw new CairnError('INVALID_ARGUMENT', `more than ${MAX_SECTIONS} sections in ${this.#file.path}`);
    if (!Number.isInteger(tag) || tag < 1 || tag > 0xffff_ffff) throw new CairnError('INVALID_ARGUMENT', `section tag ${tag} is not a 32-bit number`);
    if (this.#sections.some((section) => section.tag === tag)) throw new CairnError('INVALID_ARGUMENT', `section ${tag} is written twice`);
    await this.#pad();
    const open: OpenSection = { tag, optional: options.optional ?? false, offset: this.bytes, crc: 0 };
    this.#open = open;
    return {
      length: () => (this.#open === open ? this.bytes - open.offset : 0),
      write: (bytes) => this.#writeSection(open, bytes),
      end: async () => this.#endSection(open),
    };
  }

  /** A section whose bytes are at hand; any typed array view is fine. */
  async add(tag: number, bytes: ArrayBufferView, options: { readonly optional?: boolean } = {}): Promise<void> {
    const sink = await this.section(tag, options);
    await sink.write(new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength));
    await sink.end();
  }

  /** Table of contents and footer. The file still has to be synced. */
  async finish(): Promise<FinishedContainer> {
    this.#requireIdle();
    await this.#pad();
    const tocOffset = this.bytes;
    const toc = encodeToc(this.#sections);
    await this.#append(toc);
    const checksum = this.#fileCrc;
    const bytes = this.bytes + CONTAINER_FOOTER_BYTES;
    await this.#append(encodeFooter({ tocOffset, fileLength: bytes, sectionCount: this.#sections.length, tocCrc: crc32(toc), fileCrc: checksum }));
    await this.#flush();
    this.#state = 'finished';
    return { bytes, checksum };
  }

  async #writeSection(open: OpenSection, bytes: Uint8Array): Promise<void> {
    if (this.#open !== open) throw new CairnError('INTERNAL', `section ${open.tag} is closed`);
    open.crc = crc32(bytes, open.crc);
    await this.#append(bytes);
  }

  #endSection(open: OpenSection): void {
    if (this.#open !== open) throw new CairnError('INTERNAL', `section ${open.tag} is closed`);
    this.#sections.push({ ...open, length: this.bytes - open.offset });
    this.#open = null;
  }

  #requireIdle(): void {
    if (this.#state !== 'writing') throw new CairnError('INTERNAL', `container ${this.#file.path} is ${this.#state}`);
    if (this.#open !== null) throw new CairnError('INTERNAL', `section ${this.#open.tag} is still open`);
  }

  #pad(): Promise<void> {
    const gap = (SECTION_ALIGNMENT - (this.bytes % SECTION_ALIGNMENT)) % SECTION_ALIGNMENT;
    return this.#append(PADDING.subarray(0, gap));
  }

  async #append(bytes: Uint8Array): Promise<void> {
    if (this.#state !== 'writing') throw new CairnError('INTERNAL', `container ${this.#file.path} is ${this.#state}`);
    this.#fileCrc = crc32(bytes, this.#fileCrc);
    if (this.#buffered + bytes.length > BUFFER_BYTES) await this.#flush();
    if (bytes.length > BUFFER_BYTES) {
      await this.#writeFile(bytes);
      return;
    }
    this.#buffer.set(bytes, this.#buffered);
    this.#buffered += bytes.length;
  }

  async #flush(): Promise<void> {
    if (this.#buffered === 0) return;
    await this.#writeFile(this.#buffer.subarray(0, this.#buffered));
    this.#buffered = 0;
  }

  /** Sticky: after one failed write the bytes in the file are unknown, so nothing more is written and `finish` refuses. */
  async #writeFile(bytes: Uint8Array): Promise<void> {
    try {
      await this.#file.write(bytes, this.#flushed);
      this.#flushed += bytes.length;
    } catch (error) {
      this.#state = 'failed';
      throw error;
    }
  }
}

interface OpenSection {
  readonly tag: number;
  readonly optional: boolean;
  readonly offset: number;
  crc: number;
}
