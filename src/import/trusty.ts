/**
 * A trusty-search chunk snapshot: one JSON object {version: 1, chunks: [...], entities: [...]} of any size. Two passes:
 *  1. The whole file is read and every chunk checked; where each one stands is remembered by file. Only now it is known that the
 *     snapshot is whole, so nothing was written before.
 *  2. File by file, the chunks are read again at their places and become one document.
 * Vectors are in another file that cannot be trusted alone; they are made anew. Entities are not imported: nothing here uses them.
 */
import type { Env, EnvFile } from '../env/env.ts';
import type { DocRecord } from '../format/doc.ts';
import { CairnError } from '../util/errors.ts';
import { ByteSource } from './byte-source.ts';
import type { ForeignPlan, ForeignRequest, ForeignSource } from './foreign.ts';
import { readJsonObject, type JsonItem } from './json-stream.ts';
import type { ReportBuilder } from './report.ts';
import { readChunk, type TrustyChunk } from './trusty-chunk.ts';
import { documentOf } from './trusty-doc.ts';

const LIMITS = { maxValueBytes: 32 * 1024 * 1024, maxDepth: 32 };
/** Of one document, well below the largest record. */
const MAX_FILE_BYTES = 24 * 1024 * 1024;
const MAX_FILE_CHUNKS = 100_000;

interface Place {
  readonly offset: number;
  readonly length: number;
}

export async function openTrusty(env: Env, request: ForeignRequest, report: ReportBuilder): Promise<ForeignSource> {
  const file = await env.open(request.path, 'read');
  try {
    const survey = new Survey(file.path, report);
    for await (const item of readJsonObject(await ByteSource.of(file), file.path, LIMITS)) survey.see(item);
    return new TrustySource(file, survey.finish(), await file.size());
  } catch (error) {
    await file.close();
    throw error;
  }
}

/** The first pass. */
class Survey {
  readonly #path: string;
  readonly #report: ReportBuilder;
  readonly #files = new Map<string, Place[]>();
  readonly #fileBytes = new Map<string, number>();
  readonly #ids = new Set<string>();
  readonly #parents = new Set<string>();
  #version: unknown = undefined;
  #hasChunks = false;
  #entities = 0;

  constructor(path: string, report: ReportBuilder) {
    this.#path = path;
    this.#report = report;
  }

  see(item: JsonItem): void {
    if (item.key === 'version' && item.index === null) this.#version = item.value;
    else if (item.key === 'chunks' && item.index !== null) this.#chunk(item);
    else if (item.key === 'entities' && item.index !== null) this.#entities++;
    else if (item.key === 'chunks') throw this.#wrong('chunks is no list', item.offset);
  }

  finish(): Map<string, Place[]> {
    if (typeof this.#version === 'number' && this.#version > 1) throw new CairnError('NEWER_FORMAT', `${this.#path}: version ${this.#version}, only version 1 is known`, { path: this.#path });
    if (this.#version !== 1) throw this.#wrong('it has no version 1', 0);
    if (!this.#hasChunks) this.#report.warn('NOT_FOUND', 'the snapshot has no chunks');
    if (this.#entities > 0) this.#report.warn('UNSUPPORTED', `entities of ${this.#entities} files are not imported: nothing here uses them`, { found: this.#entities });
    const lost = [...this.#parents].filter((id) => !this.#ids.has(id));
    if (lost.length > 0) this.#report.warn('COUNT_MISMATCH', `${lost.length} parents are named and not there, for example ${JSON.stringify(lost[0])}: their children stand alone`, { found: lost.length });
    return this.#files;
  }

  #chunk({ index, offset, length, problem, value }: JsonItem): void {
    this.#hasChunks = true;
    const chunk = problem === null ? readChunk(value) : `chunk that is ${problem}`;
    const where = `chunk ${index} at offset ${offset}`;
    if (typeof chunk === 'string') return this.#report.refuse(chunk, typeof value === 'object' && value !== null && 'id' in value ? `${where}: ${String(value.id)}` : where);
    if (this.#ids.has(chunk.id)) return this.#report.refuse('chunk with the id of another', `${where}: ${chunk.id}`);
    const places = this.#files.get(chunk.file) ?? [];
    const bytes = (this.#fileBytes.get(chunk.file) ?? 0) + length;
    if (bytes > MAX_FILE_BYTES || places.length >= MAX_FILE_CHUNKS) return this.#report.refuse('chunk of a file that is too large for one document', `${where}: ${chunk.file}`);
    this.#ids.add(chunk.id);
    if (chunk.parentId !== null) this.#parents.add(chunk.parentId);
    places.push({ offset, length });
    this.#files.set(chunk.file, places);
    this.#fileBytes.set(chunk.file, bytes);
  }

  #wrong(what: string, offset: number): CairnError {
    return new CairnError('CORRUPT', `${this.#path}: ${what}`, { path: this.#path, offset, hint: 'It is no trusty-search chunk snapshot; nothing was imported.' });
  }
}

class TrustySource implements ForeignSource {
  readonly plan: ForeignPlan = { kind: 'code', name: null };
  readonly totalBytes: number;
  readonly #file: EnvFile;
  readonly #places: ReadonlyMap<string, readonly Place[]>;

  constructor(file: EnvFile, places: ReadonlyMap<string, readonly Place[]>, totalBytes: number) {
    this.#file = file;
    this.#places = places;
    this.totalBytes = totalBytes;
  }

  async *items(): AsyncGenerator<{ readonly item: DocRecord; readonly doneBytes: number }> {
    let doneBytes = 0;
    for (const [file, places] of this.#places) {
      const chunks: TrustyChunk[] = [];
      for (const { offset, length } of places) {
        chunks.push(await this.#read(offset, length));
        doneBytes += length;
      }
      yield { item: documentOf(file, chunks), doneBytes };
    }
  }

  close(): Promise<void> {
    return this.#file.close();
  }

  /** It was right in the first pass: if it is not now, somebody writes to the file. */
  async #read(offset: number, length: number): Promise<TrustyChunk> {
    try {
      const chunk = readChunk(JSON.parse((await this.#file.read(offset, length)).toString('utf8')));
      if (typeof chunk !== 'string') return chunk;
    } catch (error) {
      if (!(error instanceof SyntaxError)) throw error;
    }
    throw new CairnError('CORRUPT', `${this.#file.path} changed while it was read`, { path: this.#file.path, offset, hint: 'Nothing was imported; try again when it is not written to.' });
  }
}
