/** A scheduler port over a Map: ingest and commits end when the test says so, or at once. */
import type { Batch, CommitResult, IngestResult, SourceStamp } from '../../../src/api.ts';
import type { SchedulerPort } from '../../../daemon/owner/scheduler.ts';
import { asLsn } from '../../../src/util/ids.ts';

export function stamp(note: string | null = null, hash = 0): SourceStamp {
  return { size: 1, mtimeNs: 1n, hash: new Uint8Array(16).fill(hash), note };
}

interface Held {
  readonly path: string;
  end(): void;
}

/** The disk is a Map from path to content; a document is its path and content. */
export class FakePort implements SchedulerPort {
  readonly disk = new Map<string, string>();
  readonly index = new Map<string, string>();
  readonly batches: Batch[] = [];
  /** Order in which files were read. */
  readonly reads: string[] = [];
  readonly held: Held[] = [];
  hold = false;
  behind = false;
  present = true;
  /** Thrown by the next reads / commits while set. */
  readFailure: ((path: string) => IngestResult | Error | null) | null = null;
  commitFailure: ((batch: Batch) => unknown) | null = null;
  mostReads = 0;
  readonly #reading = new Map<string, number>();
  #lsn = 0;

  known(path: string): SourceStamp | null {
    return this.index.has(path) ? stamp() : null;
  }

  async ingest(path: string): Promise<IngestResult> {
    this.reads.push(path);
    this.#reading.set(path, (this.#reading.get(path) ?? 0) + 1);
    this.mostReads = Math.max(this.mostReads, this.#reading.get(path) ?? 0);
    const content = this.disk.get(path); // read now, answered later
    if (this.hold) await new Promise<void>((resolve) => this.held.push({ path, end: resolve }));
    else await Promise.resolve();
    this.#reading.set(path, (this.#reading.get(path) ?? 1) - 1);
    const failure = this.readFailure?.(path) ?? null;
    if (failure instanceof Error) throw failure;
    if (failure !== null) return failure;
    if (content === undefined) return { outcome: 'gone', path };
    if (this.index.get(path) === content) return { outcome: 'unchanged', path, stamp: stamp() };
    return { outcome: 'indexed', path, doc: Buffer.from(JSON.stringify([path, content])), chunks: 1, embedded: 1, cached: 0, note: null };
  }

  async commit(batch: Batch): Promise<CommitResult> {
    await Promise.resolve();
    const failure = this.commitFailure?.(batch) ?? null;
    if (failure !== null) throw failure;
    this.batches.push(batch);
    for (const path of batch.deletes) this.index.delete(path);
    for (const doc of batch.puts) {
      const [path, content] = JSON.parse(Buffer.from(doc).toString()) as [string, string];
      this.index.set(path, content);
    }
    return { lsn: asLsn(++this.#lsn), syncMode: 'off', durable: false };
  }

  isBehind(): boolean {
    return this.behind;
  }

  rootIsPresent(): Promise<boolean> {
    return Promise.resolve(this.present);
  }

  endReads(): void {
    for (const { end } of this.held.splice(0)) end();
  }
}
