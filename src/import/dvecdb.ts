/**
 * A d-vecDB collection: metadata.json and vectors.bin, a preallocated file of bincode records, little-endian:
 *   u64 16, 16 bytes of a UUID, u64 n, n x f32, u8 tag (0 = no metadata)
 * A first u64 of 0 is the padding behind the data. Tag 1 is followed by metadata that cannot be read without its types, so what
 * comes behind it cannot be found: reading ends there, and the report says where. index.bin never holds anything useful.
 */
import { dirname, join } from 'node:path';
import type { Env, EnvFile } from '../env/env.ts';
import { DOC_LIMITS } from '../format/doc-layout.ts';
import { JsonFields } from '../format/json-fields.ts';
import type { VectorRecord } from '../format/vector-record.ts';
import type { IndexMetadata, Metric } from '../index/types.ts';
import { CairnError, isCairnError } from '../util/errors.ts';
import { ByteSource, floatsOf } from './byte-source.ts';
import { foreignError, readJsonFile, requireDimension, type ForeignPlan, type ForeignRequest, type ForeignSource } from './foreign.ts';
import type { ReportBuilder } from './report.ts';

const VECTOR_FILE = 'vectors.bin';
const METADATA_FILE = 'metadata.json';
const MAX_METADATA_BYTES = 1 << 20;
/** Length, UUID, number of values. */
const HEAD_BYTES = 32;
const METRICS: Readonly<Record<string, Metric>> = { Cosine: 'cosine', Euclidean: 'euclidean', DotProduct: 'dot' };

export async function openDvecdb(env: Env, request: ForeignRequest, report: ReportBuilder): Promise<ForeignSource> {
  const { path } = request;
  const plan = (await readMetadata(env, join(path, METADATA_FILE), report)) ?? fromRequest(request);
  if (request.dimension !== undefined && request.dimension !== plan.dimension) throw foreignError('DIMENSION_MISMATCH', path, `${METADATA_FILE} says dimension ${plan.dimension}, not ${request.dimension}`);
  if (request.metric !== undefined && request.metric !== plan.metric) throw foreignError('INVALID_ARGUMENT', path, `${METADATA_FILE} says ${plan.metric}, not ${request.metric}`);
  for (const wal of [join(path, 'wal'), join(dirname(path), 'wal')]) {
    const stat = await env.stat(wal);
    if (stat?.kind === 'file' && stat.size > 0) report.warn('UNSUPPORTED', `${wal} holds ${stat.size} bytes that are not read: its entries have no checksum`, { found: stat.size });
  }
  const file = await env.open(join(path, VECTOR_FILE), 'read');
  try {
    return new DvecdbSource(file, await ByteSource.of(file), plan, report);
  } catch (error) {
    await file.close();
    throw error;
  }
}

type VectorPlan = ForeignPlan & { readonly kind: 'vector' };

/** null when there is no file. */
async function readMetadata(env: Env, path: string, report: ReportBuilder): Promise<VectorPlan | null> {
  let value: Readonly<Record<string, unknown>>;
  try {
    value = await readJsonFile(env, path, MAX_METADATA_BYTES);
  } catch (error) {
    if (!isCairnError(error, 'NOT_FOUND')) throw error;
    report.warn('NOT_FOUND', `there is no ${METADATA_FILE}: name, dimension and metric are those that were given`);
    return null;
  }
  const fields = new JsonFields(value, path);
  const dimension = fields.count('dimension');
  requireDimension(dimension, path);
  const wanted = fields.string('distance_metric');
  const metric = Object.hasOwn(METRICS, wanted) ? METRICS[wanted] : undefined;
  if (metric === undefined) throw foreignError('UNSUPPORTED', path, `distance_metric ${JSON.stringify(wanted)} has no counterpart here; known are ${Object.keys(METRICS).join(', ')}`);
  const type = fields.oneOf('vector_type', ['Float32', 'Float16', 'Int8']);
  if (type !== 'Float32') report.warn('UNSUPPORTED', `vector_type ${type} is not kept: the records hold f32 values, and those are taken as they are`);
  return { kind: 'vector', name: fields.string('name'), dimension, metric, embedder: null, indexConfig: fields.optional('index_config', (name) => configOf(fields.object(name))) };
}

function configOf(fields: JsonFields): IndexMetadata['indexConfig'] {
  return { max_connections: fields.count('max_connections'), ef_construction: fields.count('ef_construction'), ef_search: fields.count('ef_search'), max_layer: fields.count('max_layer') };
}

function fromRequest({ path, name, dimension, metric }: ForeignRequest): VectorPlan {
  const missing = [...(name === undefined ? ['--name'] : []), ...(dimension === undefined ? ['--dimension'] : []), ...(metric === undefined ? ['--metric'] : [])];
  if (name === undefined || dimension === undefined || metric === undefined) {
    throw new CairnError('INVALID_ARGUMENT', `${path} has no ${METADATA_FILE}`, { path, hint: `Give what it would say: ${missing.join(', ')}.` });
  }
  requireDimension(dimension, path);
  return { kind: 'vector', name, dimension, metric, embedder: null, indexConfig: null };
}

class DvecdbSource implements ForeignSource {
  readonly plan: VectorPlan;
  readonly totalBytes: number;
  readonly #file: EnvFile;
  readonly #source: ByteSource;
  readonly #report: ReportBuilder;

  constructor(file: EnvFile, source: ByteSource, plan: VectorPlan, report: ReportBuilder) {
    this.#file = file;
    this.#source = source;
    this.plan = plan;
    this.totalBytes = source.size;
    this.#report = report;
  }

  async *items(): AsyncGenerator<{ readonly item: VectorRecord; readonly doneBytes: number }> {
    for (let position = 0; ; position++) {
      const start = this.#source.position;
      const record = await this.#next(`record ${position} at offset ${start}`);
      if (record === 'end') return;
      if (record.vector !== null) yield { item: { id: record.id, vector: record.vector, payload: null }, doneBytes: this.#source.position };
      if (record.hasMetadata) {
        this.#report.refuse('metadata that cannot be read without its types; what stands behind it is not reached', `record ${position} at offset ${start}; ${this.#source.left} bytes behind it`);
        return;
      }
    }
  }

  close(): Promise<void> {
    return this.#file.close();
  }

  /** `vector` is null for a record that was refused and could be stepped over. */
  async #next(where: string): Promise<'end' | { readonly id: string; readonly vector: Float32Array | null; readonly hasMetadata: boolean }> {
    if (this.#source.left === 0) return 'end';
    const length = await this.#source.take(8);
    if (length === null) return this.#unreadable('bytes at the end that are no record', where);
    const idBytes = length.readBigUInt64LE(0);
    if (idBytes === 0n) return this.#padding(where);
    if (idBytes !== 16n) return this.#unreadable('record that does not begin with a UUID; what stands behind it is not reached', `${where}: length ${idBytes}`);
    const head = await this.#source.take(HEAD_BYTES - 8);
    if (head === null) return this.#unreadable('record cut off at the end of the file', where);
    const id = uuid(head);
    const n = head.readBigUInt64LE(16);
    const vectorBytes = n > BigInt(DOC_LIMITS.dimension) ? null : Number(n) * 4;
    if (vectorBytes === null) return this.#unreadable('record of an impossible dimension; what stands behind it is not reached', `${where}: ${n} values`);
    const body = await this.#source.take(vectorBytes + 1);
    if (body === null) return this.#unreadable('record cut off at the end of the file', where);
    const tag = body[vectorBytes] as number;
    if (tag > 1) return this.#unreadable('record with an impossible tag; what stands behind it is not reached', `${where}: tag ${tag}`);
    const fits = Number(n) === this.plan.dimension;
    if (!fits) this.#report.refuse(`record of another dimension than ${this.plan.dimension}`, `${where} (${id}): ${n} values`);
    if (tag === 1) return { id, vector: null, hasMetadata: true };
    return { id, vector: fits ? floatsOf(body, 0, Number(n)) : null, hasMetadata: false };
  }

  /** Padding is zeros to the end of the file; anything else was not reached and is said. */
  async #padding(where: string): Promise<'end'> {
    while (this.#source.left > 0) {
      const at = this.#source.position;
      const bytes = await this.#source.takeSome();
      if (bytes.length === 0) break;
      const first = bytes.findIndex((byte) => byte !== 0);
      if (first < 0) continue;
      this.#report.refuse('bytes behind the padding', `offset ${at + first}, behind ${where}`);
      break;
    }
    return 'end';
  }

  #unreadable(reason: string, where: string): 'end' {
    this.#report.refuse(reason, where);
    return 'end';
  }
}

function uuid(bytes: Buffer): string {
  const hex = bytes.toString('hex', 0, 16);
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20, 32)].join('-');
}
