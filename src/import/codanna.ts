/**
 * codanna's `semantic/` directory: segment_0.vec, metadata.json, languages.json, all little-endian.
 *   segment_0.vec   "CVEC", u32 version 1, u32 dimension, u32 count; then records { u32 id, dimension x f32 }
 * The count is written after the records it counts, and a crash can cut the last record: whole records are taken, whatever the
 * count says, and every disagreement is reported.
 */
import { join } from 'node:path';
import type { Env, EnvFile } from '../env/env.ts';
import { JsonFields } from '../format/json-fields.ts';
import type { VectorRecord } from '../format/vector-record.ts';
import { CairnError, isCairnError } from '../util/errors.ts';
import { ByteSource, floatsOf } from './byte-source.ts';
import { foreignError, readJsonFile, requireDimension, type ForeignPlan, type ForeignRequest, type ForeignSource } from './foreign.ts';
import { readJsonObject } from './json-stream.ts';
import type { ReportBuilder } from './report.ts';

const VECTOR_FILE = 'segment_0.vec';
const METADATA_FILE = 'metadata.json';
const LANGUAGES_FILE = 'languages.json';
const HEADER_BYTES = 16;
const MAX_METADATA_BYTES = 1 << 20;
const MAX_LANGUAGE_LENGTH = 64;

export async function openCodanna(env: Env, request: ForeignRequest, report: ReportBuilder): Promise<ForeignSource> {
  const { path } = request;
  const metadata = await readMetadata(env, join(path, METADATA_FILE));
  const file = await env.open(join(path, VECTOR_FILE), 'read');
  try {
    const source = await ByteSource.of(file);
    const { dimension, count } = await readHeader(source, file.path, metadata.dimension);
    requireGiven(request, dimension);
    const languages = await readLanguages(env, join(path, LANGUAGES_FILE), report);
    await noteOthers(env, path, report);
    compareCounts({ source, dimension, count, metadata, path: file.path }, report);
    const plan: ForeignPlan = {
      kind: 'vector', name: null, dimension, metric: 'cosine', indexConfig: null,
      embedder: { name: metadata.model, revision: metadata.backend, dimension, normalized: false, fingerprint: `codanna:${metadata.model}` },
    };
    return new CodannaSource(file, source, plan, languages, report);
  } catch (error) {
    await file.close();
    throw error;
  }
}

/** What the caller says must be what is there. */
function requireGiven({ path, dimension, metric }: ForeignRequest, found: number): void {
  if (dimension !== undefined && dimension !== found) throw foreignError('DIMENSION_MISMATCH', path, `${METADATA_FILE} says dimension ${found}, not ${dimension}`);
  if (metric !== undefined && metric !== 'cosine') throw foreignError('INVALID_ARGUMENT', path, `this layout is made for cosine, not ${metric}`);
}

interface CodannaMetadata {
  readonly model: string;
  readonly backend: string;
  readonly dimension: number;
  readonly count: number;
}

async function readMetadata(env: Env, path: string): Promise<CodannaMetadata> {
  const fields = new JsonFields(await readJsonFile(env, path, MAX_METADATA_BYTES), path);
  const version = fields.count('version');
  if (version !== 1) throw foreignError(version > 1 ? 'NEWER_FORMAT' : 'UNSUPPORTED', path, `version ${version}, only version 1 is known`);
  const dimension = fields.count('dimension');
  requireDimension(dimension, path);
  return { model: fields.string('model_name'), backend: fields.optional('backend', (name) => fields.string(name, /^(local|remote)$/)) ?? '', dimension, count: fields.count('embedding_count') };
}

async function readHeader(source: ByteSource, path: string, expected: number): Promise<{ readonly dimension: number; readonly count: number }> {
  const header = await source.take(HEADER_BYTES);
  if (header === null) throw new CairnError('TRUNCATED', `${path}: ${source.size} bytes are no header`, { path, offset: source.size });
  if (header.toString('latin1', 0, 4) !== 'CVEC') throw new CairnError('CORRUPT', `${path}: it does not begin with CVEC`, { path, offset: 0 });
  const version = header.readUInt32LE(4);
  if (version !== 1) throw new CairnError(version > 1 ? 'NEWER_FORMAT' : 'CORRUPT', `${path}: version ${version}, only version 1 is known`, { path, offset: 4 });
  const dimension = header.readUInt32LE(8);
  requireDimension(dimension, path, 8);
  if (dimension !== expected) throw new CairnError('DIMENSION_MISMATCH', `${path} has dimension ${dimension}, ${METADATA_FILE} says ${expected}`, { path, offset: 8, hint: 'They are not of the same index; nothing was imported.' });
  return { dimension, count: header.readUInt32LE(12) };
}

/** Language of each id; null when there is no file. */
async function readLanguages(env: Env, path: string, report: ReportBuilder): Promise<Map<number, string> | null> {
  let file: EnvFile;
  try {
    file = await env.open(path, 'read');
  } catch (error) {
    if (!isCairnError(error, 'NOT_FOUND')) throw error;
    report.warn('NOT_FOUND', `there is no ${LANGUAGES_FILE}: the records have no language`);
    return null;
  }
  try {
    const languages = new Map<number, string>();
    for await (const { key, index, value, problem } of readJsonObject(await ByteSource.of(file), path, { maxValueBytes: 1_000, maxDepth: 4 })) {
      const id = Number(key);
      if (index !== null || problem !== null || typeof value !== 'string' || value.length > MAX_LANGUAGE_LENGTH) report.refuse('language that is no short text', key);
      else if (!/^(0|[1-9][0-9]{0,9})$/.test(key) || id > 0xffff_ffff) report.refuse('language of a key that is no id', key);
      else languages.set(id, value);
    }
    return languages;
  } finally {
    await file.close();
  }
}

async function noteOthers(env: Env, dir: string, report: ReportBuilder): Promise<void> {
  for (const name of await env.readdir(dir)) {
    if (/^segment_[0-9]+\.vec$/.test(name) && name !== VECTOR_FILE) report.refuse('vector file that is not part of the layout', name);
  }
}

interface Counted {
  readonly source: ByteSource;
  readonly dimension: number;
  readonly count: number;
  readonly metadata: CodannaMetadata;
  readonly path: string;
}

function compareCounts({ source, dimension, count, metadata, path }: Counted, report: ReportBuilder): void {
  const recordBytes = 4 + dimension * 4;
  const whole = Math.floor(source.left / recordBytes);
  const rest = source.left - whole * recordBytes;
  if (rest > 0) report.refuse('record cut off at the end of the file', `offset ${source.size - rest}: ${rest} of ${recordBytes} bytes`);
  if (count !== whole) report.warn('COUNT_MISMATCH', `${path}: the header counts ${count} records, ${whole} are there`, { expected: count, found: whole });
  if (metadata.count !== whole) report.warn('COUNT_MISMATCH', `${METADATA_FILE} counts ${metadata.count} embeddings, ${whole} are there`, { expected: metadata.count, found: whole });
}

class CodannaSource implements ForeignSource {
  readonly plan: ForeignPlan & { readonly kind: 'vector' };
  readonly totalBytes: number;
  readonly #file: EnvFile;
  readonly #source: ByteSource;
  readonly #languages: Map<number, string> | null;
  readonly #report: ReportBuilder;

  constructor(file: EnvFile, source: ByteSource, plan: ForeignPlan & { readonly kind: 'vector' }, languages: Map<number, string> | null, report: ReportBuilder) {
    this.#file = file;
    this.#source = source;
    this.plan = plan;
    this.totalBytes = source.size;
    this.#languages = languages;
    this.#report = report;
  }

  async *items(): AsyncGenerator<{ readonly item: VectorRecord; readonly doneBytes: number }> {
    const { dimension } = this.plan;
    const orphans = new Set(this.#languages?.keys());
    let withoutLanguage = 0;
    for (;;) {
      const bytes = await this.#source.take(4 + dimension * 4);
      if (bytes === null) break;
      const id = bytes.readUInt32LE(0);
      const language = this.#languages?.get(id);
      orphans.delete(id);
      if (language === undefined) withoutLanguage++;
      const payload = language === undefined ? null : Buffer.from(JSON.stringify({ language }));
      yield { item: { id, vector: floatsOf(bytes, 4, dimension), payload }, doneBytes: this.#source.position };
    }
    for (const id of orphans) this.#report.refuse('language of an id that has no vector', String(id));
    if (this.#languages !== null && withoutLanguage > 0) this.#report.warn('COUNT_MISMATCH', `${withoutLanguage} records have no language`, { found: withoutLanguage });
  }

  close(): Promise<void> {
    return this.#file.close();
  }
}
