/** The owners over the real engine, ingest workers and watcher, in a temporary data directory. */
import assert from 'node:assert/strict';
import { lstatSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { TestContext } from 'node:test';
import { setFlagsFromString } from 'node:v8';
import { asEpoch, CHUNKER_VERSION, createStaticEmbedder, Engine, FileVectorCache, nodeEnv, TOKENIZER_VERSION, type IndexOptions } from '../../../src/api.ts';
import type { Env } from '../../../src/env/env.ts';
import { inlineRunner } from '../../../src/index/run-job.ts';
import { systemClock } from '../../../daemon/owner/clock.ts';
import { EngineIngest } from '../../../daemon/owner/engine-ports.ts';
import { readFileTable } from '../../../daemon/owner/file-table.ts';
import { OpenIndexes, type OwnersOptions } from '../../../daemon/owner/index-owners.ts';
import type { OwnerTuning } from '../../../daemon/owner/index-owner.ts';
import { WorkQueue } from '../../../daemon/owner/work-queue.ts';
import { WorkerWatcher } from '../../../daemon/watch/worker-watcher.ts';
import type { IndexOwner } from '../../../daemon/handlers/services.ts';
import { PATIENCE_MS } from '../../support/cli.ts';
import { git } from '../../support/trees.ts';

// As daemon/main.ts does for its threads, and for the same reason.
setFlagsFromString('--no-concurrent-sparkplug');

export interface RealOptions {
  /** What this life of the daemon makes rows with; the present ones by default. */
  readonly contentVersions?: { readonly chunker: number; readonly tokenizer: number };
  readonly embed?: boolean;
  readonly watch?: boolean;
  readonly index?: Partial<IndexOptions>;
  readonly owners?: Partial<OwnersOptions>;
  readonly tuning?: OwnerTuning;
  /** Files of the engine; jobs of the storage thread then run in place. */
  readonly env?: Env;
}

/** Walks come soon, so that tests do not wait for back-off. */
const QUICK: OwnerTuning = { follower: { minGapMs: 100, maxGapMs: 400, degradedPeriodMs: 500 } };

export interface Running {
  readonly owners: OpenIndexes;
  readonly engine: Engine;
  readonly ingest: EngineIngest;
  readonly watcher: WorkerWatcher | null;
  readonly cache: FileVectorCache | null;
  readonly logged: { event: string; fields: Readonly<Record<string, unknown>> }[];
  stop(options?: { readonly persist: boolean }): Promise<void>;
}

export class RealDaemon {
  readonly base: string;
  readonly root: string;
  readonly dataDir: string;
  readonly #t: TestContext;

  constructor(t: TestContext) {
    this.#t = t;
    this.base = realpathSync(mkdtempSync(join(tmpdir(), 'cairn-owner-')));
    this.root = join(this.base, 'tree');
    this.dataDir = join(this.base, 'data');
    mkdirSync(this.root);
    mkdirSync(this.dataDir);
  }

  /** One life of the daemon. Ends with the test, or before. */
  async start(options: RealOptions = {}): Promise<Running> {
    const logged: Running['logged'] = [];
    const log = (event: string, fields: Readonly<Record<string, unknown>> = {}): void => void logged.push({ event, fields });
    const engine = await Engine.open({
      dataDir: this.dataDir,
      lease: { epoch: asEpoch(1), assertHeld: () => undefined },
      options: { syncMode: 'off', ...options.index },
      ...(options.env === undefined ? {} : { env: options.env, runner: inlineRunner(options.env) }),
    });
    const model = options.embed === true ? await createStaticEmbedder() : null;
    const cache = model === null ? null : await FileVectorCache.open({ env: nodeEnv(), directory: join(this.dataDir, 'embeddings'), identity: model.identity });
    const ingest = new EngineIngest({
      workers: 2,
      embedding: model === null ? null : { embedder: { model }, identity: model.identity },
      cache,
      contentVersions: options.contentVersions ?? { chunker: CHUNKER_VERSION, tokenizer: TOKENIZER_VERSION },
      dataDir: this.dataDir,
    });
    const watcher = options.watch === false ? null : new WorkerWatcher({ pollMs: 50, restartMs: 20, excluded: [this.dataDir] });
    const tuning: OwnerTuning = { ...QUICK, ...options.tuning, follower: { ...QUICK.follower, ...options.tuning?.follower } };
    const services = { ingest, watcher, queue: new WorkQueue(ingest.capacity), clock: systemClock, log: { debug: log, info: log, warn: log }, tuning };
    const owners = new OpenIndexes(engine, services, options.owners);
    let stopped: Promise<void> | null = null;
    const end = async (persist: boolean): Promise<void> => {
      await owners.close({ persist, deadlineMs: PATIENCE_MS });
      await watcher?.close();
      await ingest.close();
      await engine.close();
      await cache?.close();
      await model?.close();
    };
    const stop = ({ persist } = { persist: true }): Promise<void> => (stopped ??= end(persist));
    this.#t.after(async () => {
      await stop();
      rmSync(this.base, { recursive: true, force: true });
    });
    return { owners, engine, ingest, watcher, cache, logged, stop };
  }

  write(path: string, text = `export const ${path.replace(/\W/g, '_')} = 1\n`): void {
    mkdirSync(dirname(join(this.root, path)), { recursive: true });
    writeFileSync(join(this.root, path), text);
  }

  remove(path: string): void {
    rmSync(join(this.root, path), { recursive: true });
  }

  git(...args: readonly string[]): void {
    git(this.root, ...args);
  }

  /** Regular files of the tree with size and mtime; nothing is left out but `.git`. */
  disk(): Map<string, string> {
    const files = new Map<string, string>();
    for (const path of readdirSync(this.root, { recursive: true, encoding: 'utf8' })) {
      if (path === '.git' || path.startsWith('.git/')) continue;
      const stat = lstatSync(join(this.root, path), { bigint: true });
      if (stat.isFile()) files.set(path, `${stat.size} ${stat.mtimeNs}`);
    }
    return files;
  }

  text(path: string): string {
    return readFileSync(join(this.root, path), 'utf8');
  }
}

/** What the index holds of each file, in the form of `disk`. */
export async function tableOf(owner: IndexOwner): Promise<Map<string, string>> {
  const snapshot = owner.index.snapshot();
  try {
    return new Map([...(await readFileTable(snapshot))].map(([path, row]) => [path, `${row.size} ${row.mtimeNs}`]));
  } finally {
    snapshot.release();
  }
}

/** The stored text of a file's chunks. */
export function storedText(owner: IndexOwner, path: string): string | null {
  const snapshot = owner.index.snapshot();
  try {
    const found = snapshot.find(path);
    if (found === null) return null;
    const { part } = found.view;
    const texts: string[] = [];
    for (let chunk = part.chunkStart(found.doc); chunk < part.chunkStart(found.doc + 1); chunk++) texts.push(part.chunkText(chunk));
    return texts.join('\n');
  } finally {
    snapshot.release();
  }
}

export const never = (): AbortSignal => new AbortController().signal;

/** Waits without `fresh`: what the watcher alone brings. Longer than it takes until a worker that stands still is replaced. */
export async function until(what: string, reached: () => boolean | Promise<boolean>): Promise<void> {
  const deadline = performance.now() + PATIENCE_MS;
  while (!(await reached())) {
    assert.ok(performance.now() < deadline, `waited in vain for ${what}`);
    await delay(20);
  }
}
