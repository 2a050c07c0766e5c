/**
 * The smallest index that uses the log and the manifest as the engine does: a set of numbers. Batches put or delete numbers,
 * a flush turns the log into a segment, deletes of flushed numbers become tombstones, compaction merges all segments.
 * Used by crash and error sweeps of the layers below src/index.
 */
import { join } from 'node:path';
import { sweepTempFiles } from '../../../src/env/atomic-file.ts';
import type { Env } from '../../../src/env/env.ts';
import { WAL_DIRECTORY } from '../../../src/format/file-names.ts';
import type { SegmentEntry } from '../../../src/manifest/manifest.ts';
import { ManifestStore } from '../../../src/manifest/manifest-store.ts';
import { readTombstones, writeTombstones } from '../../../src/manifest/tombstone-file.ts';
import { Bitset } from '../../../src/util/bitset.ts';
import { isCairnError } from '../../../src/util/errors.ts';
import { asLsn, type Lsn } from '../../../src/util/ids.ts';
import { openWal } from '../../../src/wal/open-wal.ts';
import { trimWal } from '../../../src/wal/wal-files.ts';
import { replayWal } from '../../../src/wal/wal-reader.ts';
import type { WalWriter } from '../../../src/wal/wal-writer.ts';
import { testLease, type TestLease } from '../fence.ts';
import { draft, readTiny, tinySegment } from '../tiny-segment.ts';

/** Positive: put, negative: delete. */
export type Batch = readonly number[];

interface Part {
  readonly entry: SegmentEntry;
  readonly numbers: readonly number[];
  readonly dead: Bitset;
}

export class MiniIndex {
  readonly #env: Env;
  readonly #dir: string;
  readonly #lease: TestLease;
  readonly #store: ManifestStore;
  readonly wal: WalWriter;
  #parts: Part[];
  /** Numbers put since the last flush. */
  #fresh: Set<number>;
  lsn: Lsn;

  private constructor(env: Env, dir: string, lease: TestLease, store: ManifestStore, wal: WalWriter, parts: Part[], fresh: Set<number>, lsn: Lsn) {
    this.#env = env;
    this.#dir = dir;
    this.#lease = lease;
    this.#store = store;
    this.wal = wal;
    this.#parts = parts;
    this.#fresh = fresh;
    this.lsn = lsn;
  }

  /** Opens what is there, or creates. */
  static async open(env: Env, dir: string, epoch: number): Promise<MiniIndex> {
    const lease = testLease(epoch);
    await sweepTempFiles(env, dir);
    const { store, isNew } = await openStore(env, dir, lease);
    const parts: Part[] = [];
    for (const entry of store.current.segments) {
      const numbers = JSON.parse(await readTiny(env, dir, entry)) as number[];
      parts.push({ entry, numbers, dead: (await readTombstones(env, dir, entry)) ?? new Bitset(entry.docs) });
    }
    const fresh = new Set<number>();
    const { writer, replay } = await openWal(env, join(dir, WAL_DIRECTORY), {
      after: store.current.flushedLsn, tag: null,
      fence: lease,
      options: { syncMode: 'always', syncIntervalMs: 1, maxFileBytes: 400 },
      mayCreate: isNew,
      onRecord: (record) => apply(JSON.parse(record.payload.toString()) as Batch, fresh, parts),
    });
    const index = new MiniIndex(env, dir, lease, store, writer, parts, fresh, replay.lastLsn);
    try {
      await index.collect();
      return index;
    } catch (error) {
      await writer.close().catch(() => undefined);
      throw error;
    }
  }

  numbers(): number[] {
    const flushed = this.#parts.flatMap((part) => part.numbers.filter((_, i) => !part.dead.has(i)));
    return [...flushed, ...this.#fresh].sort((a, b) => a - b);
  }

  async commit(batch: Batch): Promise<Lsn> {
    const { lsn } = await this.wal.append(Buffer.from(JSON.stringify(batch)));
    apply(batch, this.#fresh, this.#parts);
    this.lsn = lsn;
    return lsn;
  }

  /** Segment from the closed log files, tombstones, manifest, trim, garbage. */
  async flush(): Promise<void> {
    const { lastLsn } = await this.wal.rotate();
    const after = this.#store.current.flushedLsn;
    if (lastLsn <= after) return;
    const built = new Set<number>();
    await replayWal(this.#env, join(this.#dir, WAL_DIRECTORY), { after, upTo: lastLsn, tag: null }, (record) => apply(JSON.parse(record.payload.toString()) as Batch, built, []));
    const parts = await this.#withTombstones();
    if (built.size > 0) parts.push(await this.#build([...built], [after + 1, lastLsn]));
    const isEmpty = parts.every((part) => part.dead.count() === part.numbers.length);
    await this.#store.publish(draft(parts.map((part) => part.entry), { flushedLsn: lastLsn, cause: 'flush', emptiedBy: isEmpty ? 'deletes' : null }), this.#lease);
    this.#parts = parts;
    this.#fresh.clear();
    await this.collect();
  }

  /** All segments into one; needs a flush before. */
  async compact(): Promise<void> {
    if (this.#parts.length < 2) return;
    const numbers = this.#parts.flatMap((part) => part.numbers.filter((_, i) => !part.dead.has(i)));
    const dropped = this.#parts.map((part) => ({ id: part.entry.id, reason: 'compacted' as const }));
    const parts = numbers.length === 0 ? [] : [await this.#build(numbers, [1, this.#store.current.flushedLsn])];
    const isEmpty = numbers.length === 0;
    await this.#store.publish(draft(parts.map((part) => part.entry), { flushedLsn: this.#store.current.flushedLsn, dropped, cause: 'compaction', emptiedBy: isEmpty ? 'deletes' : null }), this.#lease);
    this.#parts = parts;
    await this.collect();
  }

  async collect(): Promise<void> {
    const { failed } = await this.#store.collectGarbage(new Set(), this.#lease);
    if (this.#store.mayDelete) await trimWal(this.#env, join(this.#dir, WAL_DIRECTORY), this.#store.walNeededAfter);
    for (const error of failed) throw error;
  }

  close(): Promise<void> {
    return this.wal.close();
  }

  async #withTombstones(): Promise<Part[]> {
    const parts: Part[] = [];
    for (const part of this.#parts) {
      const count = part.dead.count();
      const isSame = count === (part.entry.tombstones?.count ?? 0);
      const tombstones = isSame ? part.entry.tombstones : await writeTombstones(this.#env, this.#dir, part.entry.id, this.#store.nextGeneration, part.dead);
      parts.push({ ...part, entry: { ...part.entry, tombstones } });
    }
    return parts;
  }

  async #build(numbers: readonly number[], lsns: readonly [number, number]): Promise<Part> {
    const id = this.#env.random.bytes(6).readUIntBE(0, 6);
    const entry = { ...(await tinySegment(this.#env, this.#dir, id, JSON.stringify(numbers), lsns)), docs: numbers.length, chunks: numbers.length, vectors: 0 };
    return { entry, numbers, dead: new Bitset(numbers.length) };
  }
}

async function openStore(env: Env, dir: string, lease: TestLease): Promise<{ store: ManifestStore; isNew: boolean }> {
  try {
    const { store, report } = await ManifestStore.load(env, dir);
    // A crash alone never costs a generation: falling back is for damage.
    if (report.skipped.length > 0) throw new Error(`degraded after a crash: ${report.skipped.map((one) => one.error.message).join()}`);
    return { store, isNew: false };
  } catch (error) {
    if (!isCairnError(error, 'NOT_FOUND')) throw error;
    await env.mkdir(join(dir, WAL_DIRECTORY));
    await env.syncDir(dir);
    await (await openWal(env, join(dir, WAL_DIRECTORY), { after: asLsn(0), tag: null, fence: lease, options: { syncMode: 'always', syncIntervalMs: 1, maxFileBytes: 400 }, mayCreate: true, onRecord: () => undefined })).writer.close();
    return { store: await ManifestStore.create(env, dir, draft([], { cause: 'create' }), lease), isNew: false };
  }
}

function apply(batch: Batch, fresh: Set<number>, parts: readonly Part[]): void {
  for (const n of batch) {
    const number = Math.abs(n);
    fresh.delete(number);
    for (const part of parts) {
      const at = part.numbers.indexOf(number);
      if (at >= 0) part.dead.add(at);
    }
    if (n > 0) fresh.add(number);
  }
}
