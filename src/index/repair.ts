/**
 * Mends what verify finds in an open index: damaged small files are written anew from memory (their bytes are kept in
 * quarantine/), damaged segments leave the service. Order: metadata.json, manifests, segments; each step is whole for itself, so
 * an interrupted repair is repeated. A damaged log needs the index to be opened again: recovery owns that.
 */
import { basename, join } from 'node:path';
import { writeFileAtomic } from '../env/atomic-file.ts';
import { METADATA_FILE, parseFileName, WAL_DIRECTORY, type FileName } from '../format/file-names.ts';
import { keepCopyInQuarantine } from '../manifest/quarantine.ts';
import { CairnError } from '../util/errors.ts';
import { describeLoss, dropSegments, moveToQuarantine, settleLosses } from './damage.ts';
import type { IndexContext } from './index-context.ts';
import { encodeMetadata } from './metadata.ts';
import { publishCopy } from './publisher.ts';
import type { SegmentHandle } from './segment-handle.ts';
import type { Damage, RepairAction, RepairReport } from './types.ts';
import { verifyIndex } from './verify.ts';

interface Step {
  readonly kind: RepairAction['kind'];
  readonly file: string;
  readonly what: string;
  readonly damage: Damage | null;
  readonly handle: SegmentHandle | null;
}

type Publishing = { exclusive<T>(section: () => Promise<T>): Promise<T> };

export async function repairIndex(context: IndexContext, publishing: Publishing, options: { readonly dryRun: boolean; readonly signal?: AbortSignal }): Promise<RepairReport> {
  const { damages } = await verifyIndex(context, publishing, { deep: true, ...(options.signal === undefined ? {} : { signal: options.signal }) });
  const steps = planRepair(context, damages);
  const needsReopen = steps.some(({ kind }) => kind === 'reopen');
  if (!options.dryRun) await publishing.exclusive(() => execute(context, steps));
  const actions = steps.map(({ kind, file, what }) => ({ kind, file, what, done: !options.dryRun && kind !== 'reopen' }));
  return { actions, needsReopen };
}

/** One step for each file; those of the log are one. */
function planRepair(context: IndexContext, damages: readonly Damage[]): Step[] {
  const steps = new Map<string, Step>();
  for (const damage of damages) {
    const step = stepFor(context, damage);
    if (!steps.has(step.file)) steps.set(step.file, step);
  }
  // What an index without a source has lost comes back from nowhere by itself.
  if (context.metadata.kind === 'vector') {
    for (const loss of context.store.current.losses) steps.set(`loss ${loss.file}`, { kind: 'accept-loss', file: loss.file, what: describeLoss(loss), damage: null, handle: null });
  }
  return [...steps.values()];
}

function stepFor(context: IndexContext, damage: Damage): Step {
  const name = basename(damage.file);
  const handle = context.table.segments.find(({ entry }) => entry.file === name || entry.tombstones?.file === name) ?? null;
  if (handle !== null) return { kind: 'quarantine-segment', file: handle.entry.file, what: damage.what, damage, handle };
  const kind = kindOfStep(parseFileName(name)?.kind ?? null);
  return { kind, file: kind === 'reopen' ? WAL_DIRECTORY : name, what: damage.what, damage, handle: null };
}

/** A segment, tombstones or manifest that is not in service is one of the generation to fall back to. */
function kindOfStep(kind: FileName['kind'] | null): RepairAction['kind'] {
  switch (kind) {
    case 'metadata':
      return 'rewrite-metadata';
    case 'current':
    case 'manifest':
    case 'segment':
    case 'tombstones':
      return 'rewrite-manifest';
    default:
      return 'reopen';
  }
}

async function execute(context: IndexContext, steps: readonly Step[]): Promise<void> {
  const of = (kind: RepairAction['kind']): Step[] => steps.filter((step) => step.kind === kind);
  context.lease.assertHeld();
  if (of('rewrite-metadata').length > 0) await rewriteMetadata(context);
  if (of('rewrite-manifest').length > 0) await rewriteManifests(context, of('rewrite-manifest').map(({ file }) => file));
  for (const { handle, damage, what } of of('quarantine-segment')) {
    if (handle === null || !context.table.segments.includes(handle)) continue;
    await dropSegments(context, [handle], new CairnError('CORRUPT', what, { path: join(context.dir, handle.entry.file), offset: damage?.offset ?? undefined }));
  }
  if (of('accept-loss').length > 0) await settleLosses(context, 'losses accepted by repair');
}

async function rewriteMetadata({ env, dir, metadata }: IndexContext): Promise<void> {
  if ((await env.stat(join(dir, METADATA_FILE))) !== null) await keepCopyInQuarantine(env, dir, METADATA_FILE);
  await writeFileAtomic(env, dir, METADATA_FILE, encodeMetadata(metadata));
}

async function rewriteManifests(context: IndexContext, names: readonly string[]): Promise<void> {
  const { env, dir, store } = context;
  for (const name of names) {
    if (parseFileName(name)?.kind === 'current' && (await env.stat(join(dir, name))) !== null) await keepCopyInQuarantine(env, dir, name);
  }
  await store.forgetDamagedCurrent();
  await publishCopy(context, 'repair');
  await moveToQuarantine(context, names.filter((name) => parseFileName(name)?.kind !== 'current'));
  await publishCopy(context, 'repair');
}
