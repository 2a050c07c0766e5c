/**
 * Composition root: puts engine, embedder, cache, ingest, watcher and owners together behind the method table. Decides nothing
 * else. What is made here is closed here, in reverse order.
 */
import { realpath } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { isAbsolute, join } from 'node:path';
import { BUILT_IN_MODEL, CHUNKER_VERSION, createStaticEmbedder, DeferredVectorCache, Engine, FileVectorCache, nodeEnv, scratchBytes, TOKENIZER_VERSION, asEpoch, type IndexOptions, type StaticEmbedder } from '../src/api.ts';
import type { ConfigValues } from './config/keys.ts';
import { CairnError, messageOf } from './errors.ts';
import { ChangeAnnouncer } from './handlers/announcer.ts';
import type { DaemonInfo, KnownIndex, QueryEmbedder, Services } from './handlers/services.ts';
import { methodTable } from './handlers/table.ts';
import type { GenerationLock } from './lifecycle/generation-lock.ts';
import type { Composition, DaemonCore } from './lifecycle/run-daemon.ts';
import { BackupSchedule } from './owner/backup-schedule.ts';
import { systemClock } from './owner/clock.ts';
import { EngineIngest } from './owner/engine-ports.ts';
import { Importer } from './owner/importer.ts';
import { OpenIndexes } from './owner/index-owners.ts';
import { Scrubber } from './owner/scrubber.ts';
import { WorkQueue } from './owner/work-queue.ts';
import { WorkerWatcher } from './watch/worker-watcher.ts';

/** Parsing and embedding threads: one core is left for answers, and more than eight only use memory. */
const MAX_WORKERS = 8;

export async function compose(core: DaemonCore): Promise<Composition> {
  const { config, endpoint, log, lock } = core;
  const env = nodeEnv();
  const [engine, embedding] = await Promise.all([
    Engine.open({ dataDir: endpoint.dataDir, lease: leaseOf(lock), options: indexOptionsOf(config.values), env, ...(await backupDirectory(core, config.values['backup.directory'])) }),
    loadEmbedder(config.values['embedder.model']),
  ]);
  if (embedding.problem !== null) core.warn(embedding.problem);
  const { embedder } = embedding;
  const cache = embedder === null ? null : new DeferredVectorCache(() => openCache(core, embedder));
  const ingest = new EngineIngest({
    workers: config.values['ingest.workers'] || Math.min(MAX_WORKERS, Math.max(1, availableParallelism())),
    embedding: embedding.embedder === null ? null : { embedder: { model: embedding.embedder }, identity: embedding.embedder.identity },
    cache, contentVersions: { chunker: CHUNKER_VERSION, tokenizer: TOKENIZER_VERSION }, dataDir: endpoint.dataDir,
    onCacheError: (error) => log.warn('cache.failed', { err: error }),
  });
  const watcher = config.values['watch.enabled'] ? new WorkerWatcher({ excluded: [endpoint.dataDir], onCrash: (error) => log.warn('watch.crashed', { err: error }) }) : null;
  const announcer = new ChangeAnnouncer((name) => announce(core, owners.list().find((known) => known.name === name)));
  const owners = new OpenIndexes(engine, {
    ingest, watcher, clock: systemClock, log, queue: new WorkQueue(ingest.capacity), onChange: (owner) => announcer.changed(owner.name),
    tuning: { scheduler: { batch: { files: config.values['ingest.batchFiles'], bytes: config.values['ingest.batchBytes'], ms: config.values['ingest.batchMs'] } } },
  });
  gauges(core, engine, ingest, cache);
  const schedule = new BackupSchedule(engine.backups, () => owners.list().flatMap(({ name, owner }) => (owner === null ? [] : [name])), systemClock, log, {
    everyMinutes: config.values['backup.everyMinutes'], keep: config.values['backup.keep'], maxAgeDays: config.values['backup.maxAgeDays'], maxBytes: config.values['backup.maxBytes'],
  });
  const scrubber = new Scrubber(() => owners.list().flatMap(({ owner }) => owner ?? []), () => core.inFlight() > 0 || owners.isBusy() || schedule.isBusy, systemClock, log, { everyHours: config.values['storage.scrubHours'] });
  engine.backups.sweep().catch((error: unknown) => core.warn(`leftovers of backups could not be removed: ${messageOf(error)}`));
  const importer = new Importer({ engine, owners, embedder: embedding.embedder, cache, contentVersions: ingest.contentVersions, log });
  const services: Services = { info: infoOf(core, engine, scrubber), config, metrics: core.metrics, owners, embedder: ready(embedding), importer, backups: engine.backups };
  return {
    table: methodTable(services),
    warmUp: () => owners.warmUp(),
    isBusy: () => owners.isBusy() || schedule.isBusy,
    close: async (options) => {
      announcer.close();
      await Promise.all([schedule.close(), scrubber.close()]);
      await owners.close(options);
      await Promise.all([watcher?.close(), ingest.close()]);
      await engine.close();
      await cache?.close();
    },
  };
}

function leaseOf(lock: GenerationLock): { readonly epoch: ReturnType<typeof asEpoch>; assertHeld(): void } {
  return { epoch: asEpoch(lock.epoch), assertHeld: () => lock.assertHeld() };
}

function indexOptionsOf(values: ConfigValues): Partial<IndexOptions> {
  return {
    syncMode: values['storage.syncMode'], syncIntervalMs: values['storage.syncIntervalMs'],
    memtableMaxChunks: values['storage.memtableMaxChunks'], memtableMaxBytes: values['storage.memtableMaxBytes'],
    walFileMaxBytes: values['storage.walFileMaxBytes'], compactionFanIn: values['storage.compactionFanIn'],
    archive: values['storage.archive'],
  };
}

/** By its real path: below it no link is followed. A disk that is away costs backups, nothing else; they go on when it is back. */
async function backupDirectory(core: DaemonCore, path: string): Promise<{ readonly backupDir?: string }> {
  if (path === '') return {};
  if (!isAbsolute(path)) throw new CairnError('INVALID_CONFIG', `backup.directory must be an absolute path, got ${JSON.stringify(path)}`);
  try {
    return { backupDir: await realpath(path) };
  } catch (cause) {
    core.warn(`backup.directory: ${path} is not there, so no backups can be made or read: ${messageOf(cause)}`);
    return { backupDir: path };
  }
}

interface LoadedEmbedder {
  readonly embedder: StaticEmbedder | null;
  readonly problem: string | null;
}

/** Without an embedder everything but the semantic lane works; every answer says so. [0.20] */
async function loadEmbedder(path: string): Promise<LoadedEmbedder> {
  try {
    return { embedder: await createStaticEmbedder(path === '' ? BUILT_IN_MODEL : path), problem: null };
  } catch (error) {
    return { embedder: null, problem: `the embedding model ${path === '' ? '(built-in)' : path} cannot be loaded: ${messageOf(error)}` };
  }
}

function ready(loaded: LoadedEmbedder): QueryEmbedder {
  const answer = Promise.resolve(loaded);
  return { current: () => loaded.embedder, ready: () => answer };
}

/** A cache that cannot be opened costs embedding again, nothing else. */
async function openCache(core: DaemonCore, embedder: StaticEmbedder): Promise<FileVectorCache | null> {
  try {
    return await FileVectorCache.open({
      env: nodeEnv(), directory: join(core.endpoint.dataDir, 'embeddings'), identity: embedder.identity,
      onWarning: (warning) => core.log.warn('cache.warning', { err: warning }),
    });
  } catch (error) {
    core.warn(`the embedding cache cannot be opened: ${messageOf(error)}`);
    return null;
  }
}

function announce(core: DaemonCore, known: KnownIndex | undefined): void {
  if (known?.owner == null) return; // removed or unloaded since
  const { state, pendingFiles } = known.owner.status();
  core.broadcast('index/changed', { index: known.name, state, lsn: known.owner.index.version, pendingFiles });
}

function gauges({ metrics }: DaemonCore, engine: Engine, ingest: EngineIngest, cache: DeferredVectorCache | null): void {
  metrics.gauge('memory.rssBytes', () => process.memoryUsage.rss());
  metrics.gauge('memory.indexBytes', () => engine.memory().indexBytes);
  metrics.gauge('memory.arenaBytes', () => engine.memory().arenaCommittedBytes);
  metrics.gauge('memory.searchBytes', () => scratchBytes());
  for (const name of ['waiting', 'running', 'workers', 'files', 'chunks', 'embedded', 'cached', 'timeouts', 'crashes'] as const) metrics.gauge(`ingest.${name}`, () => ingest.stats[name]);
  if (cache !== null) for (const name of ['entries', 'hits', 'misses', 'stored', 'diskBytes', 'memoryBytes'] as const) metrics.gauge(`cache.${name}`, () => cache.stats?.[name] ?? 0);
}

function infoOf(core: DaemonCore, engine: Engine, scrubber: Scrubber): DaemonInfo {
  return {
    version: core.version, pid: process.pid, epoch: core.lock.epoch, startedAt: core.startedAt,
    dataDir: core.endpoint.dataDir, socket: core.endpoint.socket, logFile: core.endpoint.logFile,
    state: () => core.phase.state, connections: core.connections, inFlight: core.inFlight, loopDelay: core.loopDelay, scrub: () => scrubber.status,
    warnings: () => [...core.warnings(), ...engine.unsettled, ...engine.orphans.map((name) => `${join(core.endpoint.dataDir, 'indexes', name)} has no metadata.json and is left alone; adopt it with: cairn import`)], requestStop: core.requestStop,
  };
}
