/** vectors/*: records that clients put into a vector index themselves. One snapshot per request; batches are all or nothing. */
import { encodeVectorRecord, nearest, recordId, recordKey, type PartView, type Snapshot } from '../../src/api.ts';
import { CairnError } from '../errors.ts';
import { inSlices } from '../owner/file-table.ts';
import type * as Wire from '../protocol/types.ts';
import { field, params } from '../rpc/schema.ts';
import type { MethodGroup } from '../rpc/table.ts';
import { answerMeta } from './convert.ts';
import { withSnapshot } from './search.ts';
import type { IndexOwner, Services } from './services.ts';

type VectorMethod = 'vectors/put' | 'vectors/get' | 'vectors/delete' | 'vectors/search' | 'vectors/scan';

const MAX_BATCH = 10_000;
const MAX_DIMENSION = 16_384;
const DEFAULT_LIMIT = 10;
const DEFAULT_PAGE = 100;
/** An answer must fit into a frame with room to spare. */
const MAX_ANSWER_BYTES = 16 * 1024 * 1024;

const INDEX = { index: field.indexName() };
const OUTPUT = { vectors: field.oneOf(['numbers', 'base64', 'none']).optional() };
const IDS = { ids: field.list(field.recordId(), MAX_BATCH) };
const PREFIX = { prefix: field.text(4_096).optional() };

export function vectorMethods({ owners }: Services): MethodGroup<VectorMethod> {
  const open = async (index: string, signal: AbortSignal): Promise<IndexOwner> => requireVectors(await owners.resolve({ index }, signal));
  return {
    'vectors/put': {
      lane: 'write',
      summary: 'Puts records into a vector index, as one batch; a record replaces the one with the same id.',
      params: params({ ...INDEX, records: field.list(field.object({ id: field.recordId(), vector: field.vector(MAX_DIMENSION), payload: field.json().optional() }), MAX_BATCH) }),
      handler: async ({ index, records }, { signal }) => put(await open(index, signal), records),
    },
    'vectors/get': {
      lane: 'read',
      summary: 'Records by id, with their vectors as stored.',
      params: params({ ...INDEX, ...IDS, ...OUTPUT }),
      handler: async ({ index, ids, vectors = 'numbers' }, { signal }) => {
        const owner = await open(index, signal);
        return withSnapshot(owner, async (snapshot) => get(owner, snapshot, ids, vectors));
      },
    },
    'vectors/delete': {
      lane: 'write',
      summary: 'Deletes records by id, as one batch.',
      params: params({ ...INDEX, ...IDS }),
      handler: async ({ index, ids }, { signal }) => remove(await open(index, signal), ids),
    },
    'vectors/search': {
      lane: 'read',
      summary: 'The nearest records, exactly, by the metric of the index.',
      params: params({ ...INDEX, ...PREFIX, ...OUTPUT, vector: field.vector(MAX_DIMENSION), limit: field.integer(1, 1_000).optional() }),
      handler: async (request, { signal }) => {
        const started = performance.now();
        const owner = await open(request.index, signal);
        return withSnapshot(owner, (snapshot) => search(owner, snapshot, request, started, signal));
      },
    },
    'vectors/scan': {
      lane: 'read',
      summary: 'All records, or those whose id has a prefix, in order of id, a page at a time.',
      params: params({ ...INDEX, ...PREFIX, ...OUTPUT, after: field.text(4_096, 1).optional(), limit: field.integer(1, 1_000).optional() }),
      handler: async (request, { signal }) => {
        const owner = await open(request.index, signal);
        return withSnapshot(owner, (snapshot) => scan(owner, snapshot, request));
      },
    },
  };
}

function requireVectors(owner: IndexOwner): IndexOwner {
  if (owner.index.metadata.kind === 'vector') return owner;
  throw new CairnError('UNSUPPORTED', `index '${owner.name}' is a code index: its content comes from a source tree`, { hint: 'Make a vector index: index/create with kind "vector".' });
}

async function put(owner: IndexOwner, records: readonly Wire.VectorPutRecord[]): Promise<Wire.VectorsWriteResult> {
  const { dimension } = owner.index.metadata;
  const puts: Uint8Array[] = [];
  await inSlices(records, ({ id, vector, payload }) => {
    const values = toFloats(vector);
    if (values.length !== dimension) throw new CairnError('DIMENSION_MISMATCH', `record ${JSON.stringify(id)} has ${values.length} values, index '${owner.name}' has dimension ${dimension}`);
    puts.push(encodeVectorRecord({ id, vector: values, payload: payload === undefined ? null : Buffer.from(JSON.stringify(payload)) }));
  });
  const { lsn, syncMode, durable } = await owner.commit({ puts, deletes: [] });
  return { index: owner.name, count: new Set(records.map(({ id }) => recordKey(id))).size, lsn, syncMode, durable };
}

async function remove(owner: IndexOwner, ids: readonly Wire.RecordId[]): Promise<Wire.VectorsWriteResult> {
  const keys = [...new Set(ids.map(recordKey))];
  const count = await withSnapshot(owner, async (snapshot) => keys.filter((key) => snapshot.find(key) !== null).length);
  const { lsn, syncMode, durable } = await owner.commit({ puts: [], deletes: keys });
  return { index: owner.name, count, lsn, syncMode, durable };
}

async function get(owner: IndexOwner, snapshot: Snapshot, ids: readonly Wire.RecordId[], form: VectorForm): Promise<Wire.VectorsGetResult> {
  const records: Wire.VectorRecordWire[] = [];
  const missing: Wire.RecordId[] = [];
  const size = new AnswerSize(owner, form);
  await inSlices(ids, (id) => {
    const found = snapshot.find(recordKey(id));
    if (found === null) missing.push(id);
    else {
      const record = toRecord(found.view, found.doc, form);
      if (!size.fits(record)) throw new CairnError('INVALID_ARGUMENT', `ids: ${ids.length} records are more than one answer can hold`, { hint: 'Ask for fewer at a time, or leave the vectors out.' });
      records.push(record);
    }
  });
  return { index: owner.name, records, missing, lsn: snapshot.lsn };
}

async function search(owner: IndexOwner, snapshot: Snapshot, request: Wire.VectorsSearchParams, started: number, signal: AbortSignal): Promise<Wire.VectorsSearchResult> {
  const { limit = DEFAULT_LIMIT, prefix, vectors = 'none' } = request;
  const wanted = { vector: toFloats(request.vector), metric: owner.index.metadata.distanceMetric, limit, prefix };
  if (wanted.vector.length !== owner.index.metadata.dimension) {
    throw new CairnError('DIMENSION_MISMATCH', `the query has ${wanted.vector.length} values, index '${owner.name}' has dimension ${owner.index.metadata.dimension}`);
  }
  const { hits, scanned, rescored } = await nearest(snapshot, wanted, signal);
  const size = new AnswerSize(owner, vectors);
  const out = hits.map(({ view, doc, score }) => ({ ...toRecord(view, doc, vectors), score })).filter((hit) => size.fits(hit));
  const meta = answerMeta(owner, snapshot.lsn, started);
  const cut = hits.length - out.length;
  return { hits: out, scanned, rescored, meta: cut === 0 ? meta : { ...meta, reasons: [...meta.reasons, `${cut} hits left out: the answer would be too large`] } };
}

/** Keeps the `limit + 1` smallest keys behind `after`: one pass, no copy of all keys. */
async function scan(owner: IndexOwner, snapshot: Snapshot, request: Wire.VectorsScanParams): Promise<Wire.VectorsScanResult> {
  const { prefix = '', after = null, limit = DEFAULT_PAGE, vectors = 'numbers' } = request;
  let page: Row[] = [];
  let last: string | null = null;
  const cut = (): void => {
    page = page.sort((a, b) => (a.key < b.key ? -1 : 1)).slice(0, limit + 1);
    if (page.length > limit) last = page.at(-1)?.key ?? null;
  };
  await inSlices(rowsOf(snapshot), (row) => {
    if (!row.key.startsWith(prefix) || (after !== null && row.key <= after) || (last !== null && row.key >= last)) return;
    page.push(row);
    if (page.length >= 4 * (limit + 1)) cut();
  });
  cut();
  const size = new AnswerSize(owner, vectors);
  const records: Wire.VectorRecordWire[] = [];
  for (const { view, doc } of page.slice(0, limit)) {
    const record = toRecord(view, doc, vectors);
    if (records.length > 0 && !size.fits(record)) break;
    records.push(record);
  }
  const next = records.length < page.length ? (page[records.length - 1]?.key ?? null) : null;
  return { index: owner.name, records, next, lsn: snapshot.lsn };
}

interface Row {
  readonly view: PartView;
  readonly doc: number;
  readonly key: string;
}

function* rowsOf(snapshot: Snapshot): Generator<Row> {
  for (const view of snapshot.parts) {
    for (let doc = 0; doc < view.docCount; doc++) if (view.live === null || view.live.has(doc)) yield { view, doc, key: view.part.docKey(doc) };
  }
}

type VectorForm = NonNullable<Wire.VectorOutput['vectors']>;

function toRecord({ part }: PartView, doc: number, form: VectorForm): Wire.VectorRecordWire {
  const chunk = part.chunkStart(doc);
  const id = recordId(part.docKey(doc), part.chunk(chunk).startLine);
  const payload = part.docPayload(doc);
  const vector = form === 'none' ? null : (part.vectors?.readVector(chunk) ?? null);
  return { id, ...(vector === null ? {} : { vector: toWire(vector, form) }), ...(payload === null ? {} : { payload: JSON.parse(Buffer.from(payload).toString('utf8')) as unknown }) };
}

function toWire(vector: Float32Array, form: VectorForm): Wire.VectorWire {
  return form === 'base64' ? Buffer.from(vector.buffer, vector.byteOffset, vector.byteLength).toString('base64') : Array.from(vector);
}

/** The schema has checked the form; what base64 hides is checked here and by the engine. */
function toFloats(vector: Wire.VectorWire): Float32Array {
  if (typeof vector !== 'string') return Float32Array.from(vector);
  const bytes = Buffer.from(vector, 'base64');
  if (bytes.length % 4 !== 0) throw new CairnError('INVALID_ARGUMENT', `vector: ${bytes.length} bytes are no whole f32 values`);
  return new Float32Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length));
}

/** Estimates the bytes of an answer as it grows. */
class AnswerSize {
  readonly #vectorBytes: number;
  #total = 0;

  constructor(owner: IndexOwner, form: VectorForm) {
    const { dimension } = owner.index.metadata;
    this.#vectorBytes = form === 'none' ? 0 : dimension * (form === 'base64' ? 6 : 24);
  }

  /** Counts the record; false when it is one too many. */
  fits(record: Wire.VectorRecordWire): boolean {
    const payload = record.payload === undefined ? 0 : JSON.stringify(record.payload).length * 2;
    this.#total += 64 + this.#vectorBytes + payload + String(record.id).length * 2;
    return this.#total <= MAX_ANSWER_BYTES;
  }
}
