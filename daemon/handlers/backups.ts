/** backup/*: create, list, verify, restore, prune. Thin: the engine does the work, the owners step aside for the swap. */
import { isAbsolute } from 'node:path';
import type { BackupInfo, BackupProgress } from '../../src/api.ts';
import { CairnError } from '../errors.ts';
import type { BackupCreateParams, BackupPruneParams, BackupRestoreParams, BackupRestoreResult, BackupVerifyParams, BackupWire, IndexRef, ProgressValue } from '../protocol/types.ts';
import { field, params } from '../rpc/schema.ts';
import type { MethodGroup, RequestContext } from '../rpc/table.ts';
import { round } from './convert.ts';
import { INDEX_REF } from './fields.ts';
import type { IndexOwners, Services } from './services.ts';

type BackupMethod = 'backup/create' | 'backup/list' | 'backup/verify' | 'backup/restore' | 'backup/prune';

const PROGRESS = { progressToken: field.progressToken().optional() };
const BACKUP_ID = field.text(64, 1).optional();

export function backupMethods(services: Services): MethodGroup<BackupMethod> {
  const { owners } = services;
  return {
    'backup/create': {
      lane: 'write',
      summary: 'Makes a hot backup of an index: one moment, while changes go on; unchanged files are shared.',
      params: params({ ...INDEX_REF, ...PROGRESS }),
      handler: (request, context) => create(services, request, context),
    },
    'backup/list': {
      lane: 'read',
      summary: 'The backups of one index, or of all.',
      params: params(INDEX_REF),
      handler: async (ref) => {
        const isAll = ref.index === undefined && ref.root === undefined;
        const { backups, unreadable, diskBytes } = await services.backups.list(isAll ? undefined : await nameOf(owners, ref));
        return { backups: backups.map(toWire), unreadable: unreadable.map(({ index, id, dir, error }) => ({ index, id, path: dir, code: error.code, reason: error.message })), diskBytes };
      },
    },
    'backup/verify': {
      lane: 'read',
      summary: 'Checks every byte of a backup and opens it aside.',
      params: params({ ...INDEX_REF, backup: BACKUP_ID, ...PROGRESS }),
      handler: (request, context) => verify(services, request, context),
    },
    'backup/restore': {
      lane: 'write',
      summary: 'Restores a backup, or a point after it: checked and staged beside, the current state saved, then swapped.',
      params: params({
        ...INDEX_REF, backup: BACKUP_ID, from: field.path().optional(), toLsn: field.integer(0, Number.MAX_SAFE_INTEGER).optional(),
        toTime: field.text(64, 1).optional(), as: field.indexName().optional(), ...PROGRESS,
      }),
      handler: (request, context) => restore(services, request, context),
    },
    'backup/prune': {
      lane: 'write',
      summary: 'Removes old backups by count, age and size; never the newest good one.',
      params: params({
        ...INDEX_REF, keep: field.integer(1, 1_000_000).optional(), maxAgeDays: field.integer(1, 36_500).optional(),
        maxBytes: field.integer(1, Number.MAX_SAFE_INTEGER).optional(), dryRun: field.flag().optional(), ...PROGRESS,
      }),
      handler: (request, context) => prune(services, request, context),
    },
  };
}

async function create({ owners, backups }: Services, { progressToken, ...ref }: BackupCreateParams, context: RequestContext) {
  const started = performance.now();
  const owner = await owners.resolve(ref, context.signal);
  const made = await backups.create(owner.name, 'manual', watch(progressToken, context));
  return { backup: toWire(made), tookMs: round(performance.now() - started) };
}

async function verify({ owners, backups }: Services, { backup, progressToken, ...ref }: BackupVerifyParams, context: RequestContext) {
  const started = performance.now();
  const index = await nameOf(owners, ref);
  const { info, filesChecked, bytesChecked, damages } = await backups.verify(index, backup ?? null, watch(progressToken, context));
  return {
    index, backup: info.record.id, ok: damages.length === 0, filesChecked, bytesChecked,
    damages: damages.map(({ file, offset, what }) => ({ file, offset, what })), tookMs: round(performance.now() - started),
  };
}

async function restore({ owners, backups }: Services, request: BackupRestoreParams, context: RequestContext): Promise<BackupRestoreResult> {
  const started = performance.now();
  const { backup, from, toLsn, toTime, as, progressToken, ...ref } = request;
  if (from !== undefined && !isAbsolute(from)) throw new CairnError('INVALID_ARGUMENT', `from: ${JSON.stringify(from)} is not an absolute path`);
  const index = await nameOf(owners, ref);
  const target = as ?? index;
  const result = await backups.restore(
    { index, backup, from, toLsn, toTime: toTime === undefined ? undefined : parseTime(toTime), as },
    watch(progressToken, context),
    (swap) => owners.replace(target, swap),
  );
  const { lsn, generation, docs, chunks, vectors, savedAs, keptAt } = result;
  return { index: target, backup: result.backup, lsn, generation, docs, chunks, vectors, savedAs, keptAt, tookMs: round(performance.now() - started) };
}

async function prune({ owners, backups }: Services, { keep, maxAgeDays, maxBytes, dryRun = false, progressToken, ...ref }: BackupPruneParams, context: RequestContext) {
  const started = performance.now();
  const index = await nameOf(owners, ref);
  const { removed, kept, freedBytes, lastGood } = await backups.prune(index, { keep, maxAgeDays, maxBytes }, dryRun, watch(progressToken, context));
  return { index, dryRun, removed: removed.map(({ record }) => record.id), kept, freedBytes, lastGood, tookMs: round(performance.now() - started) };
}

/** Backups outlive their index, so a name need not be known; a root or the only index is looked up. */
async function nameOf(owners: IndexOwners, ref: IndexRef): Promise<string> {
  return ref.index ?? (await owners.resolve(ref)).name;
}

function watch(token: string | undefined, context: RequestContext) {
  const progress = context.progress(token);
  return { signal: context.signal, onProgress: (value: BackupProgress) => progress(toProgress(value)) };
}

const toProgress = ({ phase, done, total }: BackupProgress): ProgressValue => ({ phase, done, total, unit: 'bytes' });

/** A date and a time of day with a zone; a bare date or a local time would mean different moments on different machines. */
function parseTime(text: string): number {
  const time = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}(:\d{2}(\.\d{1,3})?)?(Z|[+-]\d{2}:\d{2})$/.test(text) ? Date.parse(text) : Number.NaN;
  if (!Number.isNaN(time)) return time;
  throw new CairnError('INVALID_ARGUMENT', `toTime: ${JSON.stringify(text)} is not a time`, { hint: 'Write it as 2026-01-31T18:30:00Z, or with an offset instead of Z.' });
}

function toWire({ record, dir, bytes }: BackupInfo): BackupWire {
  const { id, index, kind, cause, createdAt, timeline, lsn, generation, docs, chunks, vectors, files, bytesWritten, parent } = record;
  return { id, index, kind, cause, createdAt, timeline, lsn, generation, docs, chunks, vectors, files: files.length, bytes, bytesWritten, parent, path: dir };
}
