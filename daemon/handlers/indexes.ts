/** index/*: create, open, list, look into, flush, check, rename, delete, rebuild. Thin: the owners do the work. */
import { describeLoss, documentsOf, languagesOf, type Deleted } from '../../src/api.ts';
import { CairnError } from '../errors.ts';
import type { IndexCreateParams, IndexOpenParams, IndexInspectResult, IndexRef, IndexRunResult, IndexVerifyParams, IndexVerifyResult } from '../protocol/types.ts';
import { field, params } from '../rpc/schema.ts';
import type { MethodGroup, RequestContext } from '../rpc/table.ts';
import { fullStatus, round, runResult, summaries, toDocument, toSegment } from './convert.ts';
import { INDEX_REF, WAITING } from './fields.ts';
import type { IndexOwner, IndexOwners, QueryEmbedder, RunCounts, Services, WaitOptions } from './services.ts';

type FillMethod = 'index/create' | 'index/open' | 'index/rebuild';
type LookMethod = 'index/list' | 'index/status' | 'index/verify' | 'index/inspect';
type KeepMethod = 'index/flush' | 'index/rename' | 'index/delete';

const CREATE = { name: field.indexName().optional(), lexicalOnly: field.flag().optional(), ...WAITING };
const METRICS = ['cosine', 'dot', 'euclidean'] as const;
const MAX_DIMENSION = 16_384;

export function indexMethods(services: Services): MethodGroup<FillMethod | LookMethod | KeepMethod> {
  return { ...fillMethods(services), ...lookMethods(services), ...keepMethods(services) };
}

/** Make an index and bring its rows in. */
function fillMethods({ owners, embedder }: Services): MethodGroup<FillMethod> {
  return {
    'index/create': {
      lane: 'write',
      summary: 'Makes the index of a source root and begins to fill it, or an empty vector index.',
      params: params({
        root: field.path().optional(), kind: field.oneOf(['code', 'vector']).optional(),
        dimension: field.integer(1, MAX_DIMENSION).optional(), metric: field.oneOf(METRICS).optional(), ...CREATE,
      }),
      handler: async (request, context) => {
        const started = performance.now();
        if (request.kind === 'vector') return createVectors(owners, request, started);
        const wanted = definition(request);
        await requireEmbedder(embedder, request);
        const owner = await owners.create(wanted);
        return runResult(owner, await covered(owner, request, context), started, true);
      },
    },
    'index/open': {
      lane: 'write',
      summary: 'Opens the index of a source root, or makes it when there is none.',
      params: params({ root: field.path(), ...CREATE, enclosing: field.flag().optional() }),
      handler: (request, context) => open(owners, embedder, request, context),
    },
    'index/rebuild': {
      lane: 'write',
      summary: 'Reads every file of the source root again; the old rows serve until they are replaced.',
      params: params({ ...INDEX_REF, ...WAITING }),
      handler: async ({ wait, progressToken, ...ref }, context) => {
        const started = performance.now();
        const owner = await owners.resolve(ref, context.signal);
        const waiting = waitOptions(progressToken, context);
        if (wait === true) return runResult(owner, await owner.rebuild(waiting), started, false);
        owner.rebuild({ signal: NEVER }).catch(() => undefined); // its failure shows in the owner's status
        return runResult(owner, countsOf(owner), started, false);
      },
    },
  };
}

function lookMethods({ owners }: Services): MethodGroup<LookMethod> {
  return {
    'index/list': {
      lane: 'read',
      summary: 'All indexes of the data directory, also those that cannot be opened.',
      params: params({}),
      handler: async () => ({ ...summaries(owners), orphans: await owners.orphans() }),
    },
    'index/status': {
      lane: 'read',
      summary: 'Everything known about one index: state, counts, watcher, persist loop, recovery.',
      params: params(INDEX_REF),
      handler: async (ref, { signal }) => {
        const owner = await owners.resolve(ref, signal);
        return { ...fullStatus(owner), quarantine: await owner.index.listQuarantine() };
      },
    },
    'index/verify': {
      lane: 'read',
      summary: 'Checks every file of the index against its checksums and counts.',
      params: params({ ...INDEX_REF, deep: field.flag().optional(), progressToken: field.progressToken().optional() }),
      handler: (request, context) => verify(owners, request, context),
    },
    'index/inspect': {
      lane: 'read',
      summary: 'Metadata, segments, log and memory of one index, as stored.',
      params: params({ ...INDEX_REF, documents: field.integer(1, 1_000).optional(), after: field.text(4_096, 1).optional(), vectors: field.flag().optional() }),
      handler: async ({ documents, after, vectors, ...ref }, { signal }) => inspect(owners, await owners.resolve(ref, signal), { documents, after, vectors }),
    },
  };
}

function keepMethods({ owners, backups }: Services): MethodGroup<KeepMethod> {
  return {
    'index/flush': {
      lane: 'write',
      summary: 'Barrier: returns when everything committed before the call is in published segments.',
      params: params(INDEX_REF),
      handler: async (ref, { signal }) => {
        const started = performance.now();
        const owner = await owners.resolve(ref, signal);
        await owner.flush();
        const { version, durableVersion, generation } = owner.index.stats();
        return { index: owner.name, lsn: version, durableLsn: durableVersion, generation, tookMs: round(performance.now() - started) };
      },
    },
    'index/rename': {
      lane: 'write',
      summary: 'Gives an index another name; its backups follow, and searches go on.',
      params: params({ ...INDEX_REF, to: field.indexName() }),
      handler: async ({ to, ...ref }, { signal }) => {
        const started = performance.now();
        const from = (await owners.resolve(ref, signal)).name;
        const { name } = await owners.rename(from, to);
        return { index: name, from, tookMs: round(performance.now() - started) };
      },
    },
    'index/delete': {
      lane: 'write',
      summary: 'Forgets an index; its data is kept aside unless purged.',
      params: params({ ...INDEX_REF, purge: field.flag().optional(), withBackups: field.flag().optional() }),
      handler: async ({ purge = false, withBackups = false, ...ref }) => {
        if (withBackups && !purge) throw new CairnError('INVALID_ARGUMENT', 'withBackups: backups are removed only together with the data (purge)');
        const { name, keptAt, copies } = await remove({ owners, backups }, ref, { purge, withBackups });
        if (withBackups) await backups.removeAll(name);
        const kept = await backups.kept(name);
        return { index: name, purged: purge, keptAt, copies, backups: kept === null ? null : { count: kept.backups, bytes: kept.bytes, directories: kept.directories } };
      },
    },
  };
}

async function createVectors(owners: IndexOwners, request: IndexCreateParams, started: number): Promise<IndexRunResult> {
  const { name, dimension, metric = 'cosine', root, lexicalOnly } = request;
  if (root !== undefined || lexicalOnly !== undefined) throw new CairnError('INVALID_ARGUMENT', `${root === undefined ? 'lexicalOnly' : 'root'}: a vector index has no source root and always has vectors`);
  if (name === undefined || dimension === undefined) throw new CairnError('INVALID_ARGUMENT', `${name === undefined ? 'name' : 'dimension'}: a vector index needs a name and a dimension`);
  const owner = await owners.createVectors({ name, dimension, metric });
  return runResult(owner, countsOf(owner), started, true);
}

const NEVER = new AbortController().signal;

async function open(owners: IndexOwners, embedder: QueryEmbedder, request: IndexOpenParams, context: RequestContext): Promise<IndexRunResult> {
  const started = performance.now();
  const existing = (await owners.find(request.root)) ?? (request.enclosing === true ? await enclosing(owners, request.root, context.signal) : null);
  if (existing !== null) requireSame(existing, request);
  const owner = existing ?? (await createOrFind(owners, embedder, request));
  return runResult(owner, await covered(owner, request, context), started, existing === null);
}

/** What was asked of a new index must hold for the one that is there: never a silent other name, never vectors unasked. */
function requireSame(owner: IndexOwner, { name, lexicalOnly }: IndexOpenParams): void {
  const differs = name !== undefined && name !== owner.name ? `not '${name}'` : lexicalOnly === true && owner.index.metadata.dimension > 0 ? 'with vectors' : null;
  if (differs === null) return;
  throw new CairnError('ALREADY_EXISTS', `${owner.root ?? owner.name} is indexed already, as '${owner.name}', ${differs}`, {
    ...(owner.root === null ? {} : { path: owner.root }), hint: `Use it as it is, or delete it first: cairn delete ${owner.name}`,
  });
}

async function enclosing(owners: IndexOwners, root: string, signal: AbortSignal): Promise<IndexOwner | null> {
  try {
    return await owners.resolve({ root }, signal);
  } catch (error) {
    if (error instanceof CairnError && error.code === 'NOT_FOUND') return null;
    throw error;
  }
}

/** Two clients that open the same root at once: the second finds what the first one made. */
async function createOrFind(owners: IndexOwners, embedder: QueryEmbedder, request: IndexOpenParams): Promise<IndexOwner> {
  await requireEmbedder(embedder, request);
  try {
    return await owners.create(definition(request));
  } catch (error) {
    const raced = error instanceof CairnError && error.code === 'ALREADY_EXISTS' ? await owners.find(request.root) : null;
    if (raced !== null) return raced;
    throw error;
  }
}

/** An index without vectors is made when asked for, never because the model could not be loaded. */
async function requireEmbedder(embedder: QueryEmbedder, { lexicalOnly }: { readonly lexicalOnly?: boolean }): Promise<void> {
  if (lexicalOnly === true) return;
  const { embedder: loaded, problem } = await embedder.ready();
  if (loaded === null) throw new CairnError('EMBEDDER_FAILED', problem ?? 'there is no embedder', { hint: 'Mend the setting embedder.model, or make the index lexical-only.' });
}

function definition({ root, name, lexicalOnly, dimension, metric }: IndexCreateParams): { readonly root: string; readonly name?: string; readonly lexicalOnly?: boolean } {
  if (root === undefined) throw new CairnError('INVALID_ARGUMENT', 'root: a code index needs a source root');
  if (dimension !== undefined || metric !== undefined) throw new CairnError('INVALID_ARGUMENT', `${dimension === undefined ? 'metric' : 'dimension'}: only a vector index lets the client choose it`);
  return { root, ...(name === undefined ? {} : { name }), ...(lexicalOnly === undefined ? {} : { lexicalOnly }) };
}

async function covered(owner: IndexOwner, { wait, progressToken }: { readonly wait?: boolean; readonly progressToken?: string }, context: RequestContext): Promise<RunCounts> {
  return wait === true ? owner.settled(waitOptions(progressToken, context)) : countsOf(owner);
}

function waitOptions(progressToken: string | undefined, context: RequestContext): WaitOptions {
  return { signal: context.signal, onProgress: context.progress(progressToken) };
}

/** What is in the index now, for a caller that does not wait: nothing was embedded for it yet. */
function countsOf(owner: IndexOwner): RunCounts {
  const { docs, chunks } = owner.index.stats();
  return { files: docs, chunks, embedded: 0, cached: 0 };
}

/** Removes the index; a purge of one that was deleted before takes what it has left. */
async function remove(
  { owners, backups }: Pick<Services, 'owners' | 'backups'>, ref: IndexRef, { purge, withBackups }: { readonly purge: boolean; readonly withBackups: boolean },
): Promise<Deleted & { readonly name: string }> {
  const known = nameOf(owners, ref);
  if (known === null && purge && ref.index !== undefined) {
    const hasBackups = withBackups && (await backups.kept(ref.index)) !== null;
    const copies = await owners.purgeCopies(ref.index);
    if (copies > 0 || hasBackups) return { name: ref.index, keptAt: null, copies };
  }
  const name = known ?? (await owners.resolve(ref)).name;
  return { name, ...(await owners.remove(name, { purge })) };
}

/** A name needs no opening, so that an index that cannot be opened can still be deleted. */
function nameOf(owners: IndexOwners, ref: { readonly index?: string }): string | null {
  const name = ref.index;
  const isKnown = owners.list().some((known) => known.name === name) || owners.failed().some((failed) => failed.index === name);
  return name !== undefined && isKnown ? name : null;
}

async function verify(owners: IndexOwners, request: IndexVerifyParams, context: RequestContext): Promise<IndexVerifyResult> {
  const started = performance.now();
  const { deep = false, progressToken, ...ref } = request;
  const owner = await owners.resolve(ref, context.signal);
  const total = owner.index.stats().diskBytes;
  const progress = context.progress(progressToken);
  progress({ phase: 'verify', done: 0, total, unit: 'bytes' });
  const report = await owner.index.verify({ deep, signal: context.signal });
  progress({ phase: 'done', done: report.bytesChecked, total: report.bytesChecked, unit: 'bytes' });
  const damages = report.damages.map(({ file, offset, what }) => ({ file, offset, what }));
  const { state, reasons } = owner.status();
  // While it serves as whole, what was lost is back from the tree, and only the record of it is still to go.
  const losses = state === 'ready' || state === 'catching-up' ? [] : owner.index.losses.map((loss) => ({ file: loss.file, docs: loss.docs, what: describeLoss(loss), at: loss.at }));
  return { index: owner.name, ok: report.ok, losses, state, reasons, filesChecked: report.filesChecked, bytesChecked: report.bytesChecked, damages, tookMs: round(performance.now() - started) };
}

interface Listing {
  readonly documents: number | undefined;
  readonly after: string | undefined;
  readonly vectors: boolean | undefined;
}

/** A page with vectors stays well below the limit of a message. */
const MAX_WITH_VECTORS = 50;

async function contents(owner: IndexOwner, { documents, after, vectors = false }: Listing): Promise<Pick<IndexInspectResult, 'languages' | 'documents' | 'nextDocument'>> {
  if (vectors && (documents ?? 0) > MAX_WITH_VECTORS) throw new CairnError('INVALID_ARGUMENT', `with vectors at most ${MAX_WITH_VECTORS} documents are shown at once`);
  const snapshot = owner.index.snapshot();
  try {
    const languages = await languagesOf(snapshot);
    if (documents === undefined) return { languages };
    const { rows, next } = await documentsOf(snapshot, { after: after ?? null, limit: documents, vectors });
    return { languages, documents: rows.map(toDocument), nextDocument: next };
  } finally {
    snapshot.release();
  }
}

async function inspect(owners: IndexOwners, owner: IndexOwner, listing: Listing): Promise<IndexInspectResult> {
  const { metadata, recovery } = owner.index;
  const stats = owner.index.stats();
  return {
    index: owner.name, ...(await contents(owner, listing)), directory: owners.list().find((known) => known.name === owner.name)?.directory ?? owner.name,
    metadata: { ...metadata },
    generation: stats.generation, lsn: stats.version, syncedLsn: stats.syncedVersion, durableLsn: stats.durableVersion,
    docs: stats.docs, chunks: stats.chunks, vectors: stats.vectors, symbols: stats.symbols, edges: stats.edges,
    segments: stats.segments.map(toSegment), memtable: { chunks: stats.memtableChunks, bytes: stats.memtableBytes },
    walBytes: stats.walBytes, diskBytes: stats.diskBytes, memoryBytes: stats.memoryBytes, incremental: { ...stats.incremental },
    bytesWritten: { ...stats.bytesWritten },
    recovery: { ...recovery, quarantined: recovery.quarantined.map(({ file, reason }) => ({ file, reason })) },
  };
}
