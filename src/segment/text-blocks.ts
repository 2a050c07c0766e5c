/**
 * Chunk texts in compressed blocks. Neighbouring chunks share a block (a file's chunks compress 3.8 times together, 2.4 alone)
 * and each block carries its own checksum, so that one can be read without the section.
 */
import { zstdCompressSync, zstdDecompressSync } from 'node:zlib';
import type { ContainerReader } from '../format/container-reader.ts';
import type { ContainerWriter, SectionSink } from '../format/container-writer.ts';
import type { SectionInfo } from '../format/container.ts';
import { GrowableU32 } from '../format/growable-u32.ts';
import { RecordWriter } from '../format/record-writer.ts';
import { crc32 } from '../util/crc32.ts';
import { CairnError } from '../util/errors.ts';
import type { BlockCache } from './block-cache.ts';
import { ColumnReader, writeColumns } from './columns.ts';
import { CODEC_RAW, CODEC_ZSTD, TAG } from './layout.ts';

/** A block is closed when it holds this many chunks, or when the next text would make it larger than this. */
const BLOCK_CHUNKS = 32;
const BLOCK_BYTES = 32 * 1024;
/** No block is larger than one text of the largest allowed size and a started block. */
const MAX_BLOCK_BYTES = 17 * 1024 * 1024;

export class TextBlockWriter {
  readonly #sink: SectionSink;
  readonly #raw = new RecordWriter(BLOCK_BYTES + 4096);
  #chunksInBlock = 0;
  #chunks = 0;
  /** Position of each text in its block. */
  readonly #textStarts = new GrowableU32();
  readonly #firstChunks = new GrowableU32();
  readonly #offsets: bigint[] = [];
  readonly #storedBytes = new GrowableU32();
  readonly #rawBytes = new GrowableU32();
  readonly #checksums = new GrowableU32();
  readonly #codecs: number[] = [];

  private constructor(sink: SectionSink) {
    this.#sink = sink;
  }

  static async open(container: ContainerWriter): Promise<TextBlockWriter> {
    return new TextBlockWriter(await container.section(TAG.texts));
  }

  get blockCount(): number {
    return this.#codecs.length;
  }

  get textStarts(): Uint32Array {
    return this.#textStarts.toArray();
  }

  async add(text: Uint8Array): Promise<void> {
    const isFull = this.#chunksInBlock === BLOCK_CHUNKS || (this.#chunksInBlock > 0 && this.#raw.length + text.length > BLOCK_BYTES);
    if (isFull) await this.#close();
    if (this.#chunksInBlock === 0) this.#firstChunks.push(this.#chunks);
    this.#textStarts.push(this.#raw.length);
    this.#raw.bytes(text);
    this.#chunksInBlock += 1;
    this.#chunks += 1;
  }

  async end(): Promise<void> {
    if (this.#chunksInBlock > 0) await this.#close();
    await this.#sink.end();
  }

  async writeIndex(container: ContainerWriter): Promise<void> {
    await writeColumns(await container.section(TAG.textBlocks), [
      BigUint64Array.from(this.#offsets),
      this.#firstChunks.toArray(),
      this.#storedBytes.toArray(),
      this.#rawBytes.toArray(),
      this.#checksums.toArray(),
      Uint8Array.from(this.#codecs),
    ]);
  }

  async #close(): Promise<void> {
    const raw = this.#raw.view();
    const packed = zstdCompressSync(raw);
    const stored = packed.length < raw.length ? packed : raw;
    this.#offsets.push(BigInt(this.#sink.length()));
    this.#storedBytes.push(stored.length);
    this.#rawBytes.push(raw.length);
    this.#checksums.push(crc32(stored));
    this.#codecs.push(stored === packed ? CODEC_ZSTD : CODEC_RAW);
    await this.#sink.write(stored);
    this.#raw.clear();
    this.#chunksInBlock = 0;
  }
}

/** What is read is unpacked or copied before the next block is read, so one buffer serves all: memory outside the heap is what most full collections come from. */
const stage = Buffer.allocUnsafeSlow(BLOCK_BYTES);

function readBuffer(bytes: number): Buffer {
  return bytes <= stage.length ? stage.subarray(0, bytes) : Buffer.allocUnsafe(bytes);
}

/** Reads texts of an open segment; blocks go through the cache. */
export class TextBlocks {
  readonly #container: ContainerReader;
  readonly #section: SectionInfo;
  readonly #cache: BlockCache;
  readonly #textStarts: Uint32Array;
  readonly #offsets: BigUint64Array;
  readonly #firstChunks: Uint32Array;
  readonly #storedBytes: Uint32Array;
  readonly #rawBytes: Uint32Array;
  readonly #checksums: Uint32Array;
  readonly #codecs: Uint8Array;

  constructor(container: ContainerReader, index: Buffer, blocks: number, textStarts: Uint32Array, cache: BlockCache) {
    this.#container = container;
    this.#section = container.section(TAG.texts);
    this.#cache = cache;
    this.#textStarts = textStarts;
    const columns = new ColumnReader(index, container.path, container.section(TAG.textBlocks).offset);
    this.#offsets = columns.u64(blocks);
    this.#firstChunks = columns.u32(blocks);
    this.#storedBytes = columns.u32(blocks);
    this.#rawBytes = columns.u32(blocks);
    this.#checksums = columns.u32(blocks);
    this.#codecs = columns.codes(blocks, CODEC_ZSTD + 1);
    columns.end();
    this.#checkIndex(columns);
  }

  get blockCount(): number {
    return this.#codecs.length;
  }

  /** UTF-8 of a text, a view of the cached block. */
  bytes(chunk: number): Buffer {
    const block = this.#blockOf(chunk);
    const raw = this.block(block);
    const isLast = chunk + 1 === this.#textStarts.length || chunk + 1 === this.#firstChunks[block + 1];
    return raw.subarray(this.#textStarts[chunk], isLast ? raw.length : this.#textStarts[chunk + 1]);
  }

  /** CORRUPT with path and offset when the block fails its checksum. */
  block(block: number): Buffer {
    return this.#cache.get(this, block, () => this.#read(block));
  }

  /** Reads the block from the disk, past the cache. */
  verifyBlock(block: number): void {
    this.#read(block);
  }

  /** Gives back what the cache holds for this segment. */
  close(): void {
    this.#cache.drop(this);
  }

  #read(block: number): Buffer {
    const offset = Number(this.#offsets[block]);
    const stored = readBuffer(this.#storedBytes[block] as number);
    this.#container.readSync(this.#section, offset, stored);
    if (crc32(stored) !== this.#checksums[block]) throw this.#corrupt(offset, 'a text block fails its checksum');
    const rawBytes = this.#rawBytes[block] as number;
    const raw = this.#codecs[block] === CODEC_RAW ? Buffer.from(stored) : this.#decompress(stored, rawBytes, offset);
    if (raw.length !== rawBytes) throw this.#corrupt(offset, `a text block has ${raw.length} bytes, not ${rawBytes}`);
    return raw;
  }

  #decompress(stored: Buffer, rawBytes: number, offset: number): Buffer {
    try {
      // One buffer with room to spare: else the output comes in pieces that are put together afterwards.
      return zstdDecompressSync(stored, { maxOutputLength: Math.max(1, rawBytes), chunkSize: Math.max(64, rawBytes + 1) });
    } catch {
      throw this.#corrupt(offset, 'a text block cannot be decompressed');
    }
  }

  /** So that `bytes` cannot leave a block and no block can ask for more memory than a text can need. */
  #checkIndex(columns: ColumnReader): void {
    const chunks = this.#textStarts.length;
    const blocks = this.blockCount;
    if ((blocks === 0) !== (chunks === 0)) throw columns.corrupt(`${blocks} text blocks for ${chunks} chunks`, 0);
    for (let block = 0; block < blocks; block++) {
      const first = this.#firstChunks[block] as number;
      const next = block + 1 < blocks ? (this.#firstChunks[block + 1] as number) : chunks;
      const raw = this.#rawBytes[block] as number;
      const inSection = Number(this.#offsets[block]) + (this.#storedBytes[block] as number) <= this.#section.length;
      if (first >= next || (block === 0 && first !== 0) || next > chunks || !inSection || raw > MAX_BLOCK_BYTES) throw columns.corrupt(`impossible text block ${block}`, 0);
      for (let chunk = first; chunk < next; chunk++) {
        const start = this.#textStarts[chunk] as number;
        const end = chunk + 1 < next ? (this.#textStarts[chunk + 1] as number) : raw;
        if (start > end) throw columns.corrupt(`text of chunk ${chunk} leaves its block`, 0);
      }
    }
  }

  #blockOf(chunk: number): number {
    let low = 0;
    let high = this.blockCount - 1;
    while (low < high) {
      const middle = (low + high + 1) >>> 1;
      if ((this.#firstChunks[middle] as number) <= chunk) low = middle;
      else high = middle - 1;
    }
    return low;
  }

  #corrupt(offset: number, what: string): CairnError {
    const { path } = this.#container;
    const at = this.#section.offset + offset;
    return new CairnError('CORRUPT', `${path}: ${what} at offset ${at}`, { path, offset: at });
  }
}
