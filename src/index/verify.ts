/**
 * Checks an index against its own rules: files and checksums, counts of the manifest against contents, keys, references between
 * rows. Reads only. Every damage names its file and, where there is one, the offset.
 */
import { join } from 'node:path';
import { MAX_METADATA_BYTES } from '../format/constants.ts';
import { METADATA_FILE, WAL_DIRECTORY } from '../format/file-names.ts';
import { checkTombstones } from '../manifest/check-files.ts';
import type { SegmentEntry } from '../manifest/manifest.ts';
import { ManifestStore } from '../manifest/manifest-store.ts';
import { requireNotCancelled } from '../util/cancel.ts';
import { CairnError, isCairnError } from '../util/errors.ts';
import { replayWal } from '../wal/wal-reader.ts';
import { checkRows } from './check-rows.ts';
import type { IndexContext } from './index-context.ts';
import { decodeMetadata } from './metadata.ts';
import type { PartView, Snapshot } from './snapshot.ts';
import { Slices } from './slices.ts';
import type { Damage, VerifyReport } from './types.ts';

/** `publishing`: runs a section while nothing is published, so that manifest and files on disk agree. */
export async function verifyIndex(
  context: IndexContext,
  publishing: { exclusive<T>(section: () => Promise<T>): Promise<T> },
  options: { readonly deep: boolean; readonly signal?: AbortSignal },
): Promise<VerifyReport> {
  const check = new Verification(context, options.signal);
  let snapshot: Snapshot | null = null;
  try {
    snapshot = await publishing.exclusive(async () => {
      await check.metadata();
      await check.manifest();
      await check.log();
      return context.table.snapshot();
    });
    await check.keys(snapshot);
    if (options.deep) await check.contents(snapshot);
  } finally {
    snapshot?.release();
  }
  return check.report();
}

class Verification {
  readonly #context: IndexContext;
  readonly #signal: AbortSignal | undefined;
  readonly #damages: Damage[] = [];
  #files = 0;
  #bytes = 0;

  constructor(context: IndexContext, signal: AbortSignal | undefined) {
    this.#context = context;
    this.#signal = signal;
  }

  report(): VerifyReport {
    return { ok: this.#damages.length === 0, filesChecked: this.#files, bytesChecked: this.#bytes, damages: this.#damages };
  }

  async metadata(): Promise<void> {
    await this.#file(METADATA_FILE, async (path) => {
      const bytes = await this.#context.env.readFile(path, MAX_METADATA_BYTES);
      decodeMetadata(bytes, path);
      return bytes.length;
    });
  }

  /** What a restart would load now, and each file of it by length, footer and tombstones. */
  async manifest(): Promise<void> {
    const { env, dir, store, metadata } = this.#context;
    await this.#file('CURRENT', async (path) => {
      const loaded = await ManifestStore.load(env, dir);
      for (const { file, error } of [...loaded.report.skipped, ...loaded.report.lostFallbacks]) this.#damage(file, error);
      const { generation } = loaded.store.current;
      if (!store.mayLeadTo(generation)) throw new CairnError('COUNT_MISMATCH', `${path} leads to generation ${generation}, ${store.current.generation} is in use`, { path });
      return 0;
    });
    for (const entry of store.current.segments) {
      const path = join(dir, entry.file);
      if (metadata.dimension > 0 && entry.vectors !== entry.chunks) this.#damage(entry.file, new CairnError('COUNT_MISMATCH', `${path}: ${entry.chunks - entry.vectors} chunks have no vector`, { path }));
      if (entry.tombstones !== null) await this.#file(entry.tombstones.file, async () => (await checkTombstones(env, dir, entry), entry.tombstones?.bytes ?? 0));
    }
  }

  async log(): Promise<void> {
    const { env, walDir, store, metadata } = this.#context;
    await this.#file(WAL_DIRECTORY, async () => {
      const report = await replayWal(env, walDir, { after: store.walNeededAfter, tag: metadata.logTag ?? null }, () => requireNotCancelled(this.#signal, 'the check'));
      this.#files += Math.max(0, report.filesRead - 1);
      return report.payloadBytes;
    });
  }

  /** A key is live at most once, and is found where it is. */
  async keys(snapshot: Snapshot): Promise<void> {
    const slices = new Slices();
    const seen = new Set<string>();
    for (const view of snapshot.parts) {
      let live = 0;
      for (let doc = 0; doc < view.docCount; doc++) {
        await slices.next();
        if (view.live !== null && !view.live.has(doc)) continue;
        live++;
        const key = view.part.docKey(doc);
        if (seen.has(key)) this.#damage(fileOf(this.#context, view), new CairnError('CORRUPT', `key ${JSON.stringify(key)} is live twice`));
        seen.add(key);
        const found = snapshot.find(key);
        if (found?.view !== view || found.doc !== doc) this.#damage(fileOf(this.#context, view), new CairnError('CORRUPT', `key ${JSON.stringify(key)} is not found where it is`));
      }
      if (live !== view.liveDocs) this.#damage(fileOf(this.#context, view), new CairnError('COUNT_MISMATCH', `${view.liveDocs} docs are counted live, ${live} are`));
      requireNotCancelled(this.#signal, 'the check');
    }
  }

  /** Every byte of every segment against its checksums, and every row against the others. */
  async contents(snapshot: Snapshot): Promise<void> {
    const { dir, metadata, runner } = this.#context;
    for (const entry of segmentsOf(this.#context, snapshot)) {
      await this.#file(entry.file, async () => {
        const { bytesChecked, damages } = await runner.run({ kind: 'verify', dir, entry, dimension: metadata.dimension });
        this.#damages.push(...damages);
        return bytesChecked;
      });
    }
    for (const view of snapshot.parts) {
      const file = fileOf(this.#context, view);
      for await (const problem of checkRows(view, this.#context.metadata.dimension, this.#signal)) this.#damage(file, problem);
    }
  }

  async #file(name: string, check: (path: string) => Promise<number>): Promise<void> {
    this.#files++;
    requireNotCancelled(this.#signal, 'the check');
    try {
      this.#bytes += await check(join(this.#context.dir, name));
    } catch (error) {
      if (!isCairnError(error) || error.code === 'CANCELLED') throw error;
      this.#damage(name, error);
    }
  }

  #damage(file: string, error: CairnError): void {
    this.#damages.push({ file: error.path ?? file, offset: error.offset ?? null, what: error.message });
  }
}

function segmentsOf(context: IndexContext, snapshot: Snapshot): SegmentEntry[] {
  const parts = new Set(snapshot.parts.map((view) => view.part));
  return context.table.segments.filter((handle) => parts.has(handle.part)).map((handle) => handle.entry);
}

function fileOf(context: IndexContext, view: PartView): string {
  return context.table.segments.find((handle) => handle.part === view.part)?.entry.file ?? view.part.id;
}
