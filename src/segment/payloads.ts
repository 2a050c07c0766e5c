/** Opaque payloads of docs: on disk behind each other, with position and checksum of each in memory. No sections without payloads. */
import type { ContainerReader } from '../format/container-reader.ts';
import type { ContainerWriter } from '../format/container-writer.ts';
import type { SectionInfo } from '../format/container.ts';
import { crc32 } from '../util/crc32.ts';
import { CairnError } from '../util/errors.ts';
import { ColumnReader, writeColumns } from './columns.ts';
import { TAG } from './layout.ts';
import { DOC_LIMITS } from '../format/doc-layout.ts';

export interface StoredPayload {
  readonly length: number;
  readonly checksum: number;
}

export class PayloadWriter {
  readonly #ends: bigint[] = [];
  readonly #checksums: number[] = [];
  readonly #pieces: Uint8Array[] = [];
  #end = 0n;
  count = 0;

  /** One call per doc, of this or of `note`. */
  add(payload: Uint8Array | null): void {
    if (payload !== null) this.#pieces.push(payload);
    this.note(payload && { length: payload.length, checksum: crc32(payload) });
  }

  /** A payload whose bytes the caller gives to `write`. */
  note(payload: StoredPayload | null): void {
    if (payload !== null) {
      this.#end += BigInt(payload.length);
      this.count += 1;
    }
    this.#ends.push(this.#end);
    this.#checksums.push(payload?.checksum ?? 0);
  }

  async write(container: ContainerWriter, pieces: Iterable<Uint8Array> = this.#pieces): Promise<void> {
    if (this.count === 0) return;
    const sink = await container.section(TAG.payloads);
    for (const piece of pieces) await sink.write(piece);
    await sink.end();
    await writeColumns(await container.section(TAG.payloadIndex), [BigUint64Array.from(this.#ends), Uint32Array.from(this.#checksums)]);
  }
}

export class Payloads {
  readonly #container: ContainerReader;
  readonly #section: SectionInfo;
  readonly #ends: BigUint64Array;
  readonly #checksums: Uint32Array;

  constructor(container: ContainerReader, index: Buffer, docs: number) {
    this.#container = container;
    this.#section = container.section(TAG.payloads);
    const columns = new ColumnReader(index, container.path, container.section(TAG.payloadIndex).offset);
    this.#ends = columns.u64(docs);
    this.#checksums = columns.u32(docs);
    columns.end();
    let last = 0n;
    for (const end of this.#ends) {
      if (end < last || end - last > BigInt(DOC_LIMITS.payloadBytes)) throw columns.corrupt('impossible payload positions', 0);
      last = end;
    }
    if (last !== BigInt(this.#section.length)) throw columns.corrupt('payload positions do not end with the section', 0);
  }

  stored(doc: number): StoredPayload {
    return { length: Number(this.#ends[doc]) - (doc === 0 ? 0 : Number(this.#ends[doc - 1])), checksum: this.#checksums[doc] as number };
  }

  /** CORRUPT with path and offset when it fails its checksum. */
  read(doc: number): Uint8Array {
    const start = doc === 0 ? 0 : Number(this.#ends[doc - 1]);
    const payload = new Uint8Array(Number(this.#ends[doc]) - start);
    this.#container.readSync(this.#section, start, payload);
    if (crc32(payload) !== this.#checksums[doc]) {
      const { path } = this.#container;
      const offset = this.#section.offset + start;
      throw new CairnError('CORRUPT', `${path}: a payload fails its checksum at offset ${offset}`, { path, offset });
    }
    return payload;
  }
}
