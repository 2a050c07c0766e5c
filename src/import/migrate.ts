/**
 * Brings a metadata.json of an older schema to the present one. Forward only, one version at a time, each step a function of what
 * is there; running it again changes nothing. The old file is kept beside the new one, before it is replaced. The new one carries
 * no checksum: the next opening verifies everything beside it and then adds one.
 */
import { basename, join } from 'node:path';
import { createFileDurable, writeFileAtomic } from '../env/atomic-file.ts';
import type { Env } from '../env/env.ts';
import { MAX_METADATA_BYTES, METADATA_SCHEMA } from '../format/constants.ts';
import { METADATA_FILE } from '../format/file-names.ts';
import { checkMetadata } from '../index/metadata.ts';
import type { IndexKind, IndexMetadata, Metric, WriterLease } from '../index/types.ts';
import { CairnError, isCairnError } from '../util/errors.ts';
import { factsOf, type GivenFacts } from './known-facts.ts';

type Json = Readonly<Record<string, unknown>>;

export interface Migration {
  readonly from: number;
  readonly to: number;
  /** What it does, for people. */
  readonly what: string;
  readonly apply: (metadata: Json, place: { readonly env: Env; readonly dir: string }) => Promise<Json>;
}

export interface MigrationReport {
  readonly directory: string;
  /** Schema version that was found; 0 = written by hand without one. */
  readonly from: number;
  readonly to: number;
  readonly steps: readonly string[];
  readonly changed: boolean;
  /** Where the old file is kept; null when nothing was changed. */
  readonly backup: string | null;
  /** The new metadata.json, or what it would be. */
  readonly metadata: IndexMetadata;
}

/** One step for each version up to METADATA_SCHEMA. Steps are added, never changed: old files stay readable for ever. */
export const METADATA_MIGRATIONS: readonly Migration[] = [
  { from: 0, to: 1, what: 'written by hand, without schemaVersion: what is missing is taken from the manifest and the rows', apply: completeByHand },
];

export interface MigrateOptions {
  readonly lease: WriterLease;
  readonly dryRun: boolean;
  /** For tests of the chain. */
  readonly migrations?: readonly Migration[];
  readonly target?: number;
}

/** null when metadata.json is of the present schema. NEWER_FORMAT, CORRUPT, INVALID_ARGUMENT, UNSUPPORTED: then nothing was written. */
export async function migrateMetadata(env: Env, dir: string, { lease, dryRun, migrations = METADATA_MIGRATIONS, target = METADATA_SCHEMA }: MigrateOptions): Promise<MigrationReport | null> {
  const path = join(dir, METADATA_FILE);
  const bytes = await env.readFile(path, MAX_METADATA_BYTES);
  const found = parse(bytes, path);
  const from = schemaOf(found, path, target);
  if (from === target) return null;
  const steps = chain(from, target, migrations, path);
  let metadata = found;
  for (const step of steps) metadata = { ...(await step.apply(metadata, { env, dir })), schemaVersion: step.to };
  if (target === METADATA_SCHEMA) checkMetadata(metadata as unknown as IndexMetadata);
  let backup: string | null = null;
  if (!dryRun) {
    lease.assertHeld();
    backup = await keepOld(env, dir, from, bytes);
    await writeFileAtomic(env, dir, METADATA_FILE, Buffer.from(`${JSON.stringify(metadata, null, 2)}\n`));
  }
  return { directory: dir, from, to: target, steps: steps.map(({ what }) => what), changed: !dryRun, backup, metadata: metadata as unknown as IndexMetadata };
}

function parse(bytes: Uint8Array, path: string): Json {
  try {
    const value: unknown = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Json;
  } catch (cause) {
    throw new CairnError('CORRUPT', `${path}: is not JSON`, { path, offset: 0, cause });
  }
  throw new CairnError('CORRUPT', `${path}: is not a JSON object`, { path, offset: 0 });
}

function schemaOf(found: Json, path: string, target: number): number {
  const schema = Object.hasOwn(found, 'schemaVersion') ? found['schemaVersion'] : 0;
  if (typeof schema !== 'number' || !Number.isSafeInteger(schema) || schema < 0) throw new CairnError('CORRUPT', `${path}: schemaVersion is no version`, { path, offset: 0 });
  if (schema > target) throw new CairnError('NEWER_FORMAT', `${path}: schemaVersion ${schema}, this cairn reads ${target}`, { path, hint: 'Use the cairn version that wrote it, or a newer one.' });
  return schema;
}

function chain(from: number, target: number, migrations: readonly Migration[], path: string): Migration[] {
  const steps: Migration[] = [];
  for (let at = from; at < target; ) {
    const step = migrations.find((migration) => migration.from === at);
    if (step === undefined || step.to <= at || step.to > target) throw new CairnError('UNSUPPORTED', `${path}: there is no way from schemaVersion ${at} to ${target}`, { path });
    steps.push(step);
    at = step.to;
  }
  return steps;
}

/** The same bytes are kept once, however often an interrupted migration begins again. */
async function keepOld(env: Env, dir: string, from: number, bytes: Uint8Array): Promise<string> {
  for (let attempt = 0; ; attempt++) {
    const name = `${METADATA_FILE}.schema-${from}${attempt === 0 ? '' : `-${attempt}`}`;
    try {
      await createFileDurable(env, dir, name, (file) => file.write(bytes, 0));
      return join(dir, name);
    } catch (error) {
      if (!isCairnError(error, 'ALREADY_EXISTS')) throw error;
      if ((await env.readFile(join(dir, name), MAX_METADATA_BYTES).catch(() => null))?.equals(bytes) === true) return join(dir, name);
    }
  }
}

const METRIC_NAMES: Readonly<Record<string, Metric>> = { cosine: 'cosine', euclidean: 'euclidean', dot: 'dot', dotproduct: 'dot' };

function metricNamed(value: unknown): Metric | undefined {
  const name = String(value).toLowerCase();
  return Object.hasOwn(METRIC_NAMES, name) ? METRIC_NAMES[name] : undefined;
}

/** At least a name; every field that is there must be right, in our spelling or d-vecDB's. */
async function completeByHand(metadata: Json, { env, dir }: { readonly env: Env; readonly dir: string }): Promise<Json> {
  const path = join(dir, METADATA_FILE);
  const wrong = (field: string): CairnError => new CairnError('INVALID_ARGUMENT', `${path}: ${field} is not usable: ${JSON.stringify(metadata[field])?.slice(0, 80)}`, { path });
  const given: { -readonly [K in keyof GivenFacts]: GivenFacts[K] } = {};
  for (const [field, value] of Object.entries(metadata)) {
    if (field === 'name') given.name = typeof value === 'string' ? value : fail(wrong(field));
    else if (field === 'dimension') given.dimension = typeof value === 'number' ? value : fail(wrong(field));
    else if (field === 'kind') given.kind = value === 'code' || value === 'vector' ? (value as IndexKind) : fail(wrong(field));
    else if (field === 'distanceMetric' || field === 'distance_metric') given.metric = metricNamed(value) ?? fail(wrong(field));
    else if (field === 'sourceRoot') given.root = value === null || typeof value === 'string' ? value : fail(wrong(field));
  }
  return { ...(await factsOf(env, dir, given, basename(dir))).metadata };
}

function fail(error: CairnError): never {
  throw error;
}
