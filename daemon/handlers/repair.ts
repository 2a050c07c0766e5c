/** index/repair: what verify finds is mended, in the order in which an index is read: metadata, files, log, then its content. */
import { isDamage, type RepairAction } from '../../src/api.ts';
import { CairnError } from '../errors.ts';
import type { IndexRepairParams, IndexRepairResult, RepairActionWire } from '../protocol/types.ts';
import { field, params } from '../rpc/schema.ts';
import type { MethodGroup, RequestContext } from '../rpc/table.ts';
import { round } from './convert.ts';
import { INDEX_REF } from './fields.ts';
import type { IndexOwner, IndexOwners, Services } from './services.ts';

export function repairMethods({ owners }: Services): MethodGroup<'index/repair'> {
  return {
    'index/repair': {
      lane: 'write',
      summary: 'Verifies an index and mends what is damaged; damaged files are kept.',
      params: params({ ...INDEX_REF, dryRun: field.flag().optional(), progressToken: field.progressToken().optional() }),
      handler: (request, context) => repair(owners, request, context),
    },
  };
}

const NOTHING_EMBEDDED = { textsEmbedded: 0, cacheHits: 0 };

async function repair(owners: IndexOwners, { dryRun = false, progressToken, ...ref }: IndexRepairParams, context: RequestContext): Promise<IndexRepairResult> {
  const started = performance.now();
  const { signal } = context;
  const options = { signal, onProgress: context.progress(progressToken) };
  const opened = await open(owners, ref, dryRun, signal);
  if (!('owner' in opened)) return unopened(ref.index ?? '', opened.actions, started);
  const actions: RepairActionWire[] = [...opened.actions];
  let { owner } = opened;
  let before: typeof NOTHING_EMBEDDED = owner.status().embedding;
  options.onProgress({ phase: 'verify', done: 0, total: owner.index.stats().diskBytes, unit: 'bytes' });
  const report = await owner.repair({ ...options, dryRun });
  const isFollowing = owner.root !== null;
  if (report.needsReopen && !dryRun && isFollowing) {
    owner = await owners.reopen(owner.name);
    before = NOTHING_EMBEDDED;
  }
  actions.push(...report.actions.map((action) => withReopen(action, isFollowing, dryRun)));
  const lost = owner.index.losses;
  if (!dryRun && isFollowing && (actions.length > 0 || lost.length > 0)) await owner.settled(options);
  const { textsEmbedded, cacheHits } = owner.status().embedding;
  actions.push(...reindexing(owner, actions, lost, dryRun));
  const { state, reasons } = owner.status();
  return {
    index: owner.name, dryRun, actions, quarantine: await owner.index.listQuarantine(), state, reasons,
    embedded: textsEmbedded - before.textsEmbedded, cached: cacheHits - before.cacheHits, tookMs: round(performance.now() - started),
  };
}

type Opened = { readonly owner: IndexOwner; readonly actions: readonly RepairActionWire[] } | { readonly actions: readonly RepairActionWire[] };

/** Opens the index; when its metadata.json keeps it from that, mends that first (or only says so). */
async function open(owners: IndexOwners, ref: Omit<IndexRepairParams, 'dryRun'>, dryRun: boolean, signal: AbortSignal): Promise<Opened> {
  try {
    return { owner: await owners.resolve(ref, signal), actions: [] };
  } catch (error) {
    const name = ref.index;
    if (name === undefined || !(isDamage(error) || (error instanceof CairnError && error.code === 'NOT_FOUND'))) throw error;
    const action = await owners.restoreMetadata(name, { dryRun });
    if (action === null) throw error;
    if (dryRun) return { actions: [action] };
    return { owner: await owners.resolve({ index: nameAfter(owners, name) }, signal), actions: [action] };
  }
}

/** A directory without metadata.json is known by its own name until it is mended. */
function nameAfter(owners: IndexOwners, name: string): string {
  const known = owners.list();
  return known.find((one) => one.name === name)?.name ?? known.find((one) => one.directory.endsWith(`/${name}`))?.name ?? name;
}

function unopened(index: string, actions: readonly RepairActionWire[], started: number): IndexRepairResult {
  return { index, dryRun: true, actions, quarantine: [], state: 'failed', reasons: actions.map(({ what }) => what), embedded: 0, cached: 0, tookMs: round(performance.now() - started) };
}

/** An index without a source would lose what only its memory has: that is left to its users. */
function withReopen(action: RepairAction, isFollowing: boolean, dryRun: boolean): RepairActionWire {
  if (action.kind !== 'reopen') return action;
  const what = isFollowing ? action.what : `${action.what}. What is in memory still answers; put the records again, a restart loses those behind the damage`;
  return { ...action, what, done: isFollowing && !dryRun };
}

function reindexing(owner: IndexOwner, actions: readonly RepairActionWire[], lost: IndexOwner['index']['losses'], dryRun: boolean): RepairActionWire[] {
  if (owner.root === null) return [];
  const files = new Set([...actions.filter(({ kind }) => kind === 'quarantine-segment' || kind === 'reopen').map(({ file }) => file), ...lost.map(({ file }) => file)]);
  return [...files].map((file) => ({ kind: 'reindex', file, what: `the files that it held are read again from ${owner.root}`, done: !dryRun && owner.status().state === 'ready' }));
}
