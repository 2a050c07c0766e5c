/**
 * The daemon's one queue of ingest work, shared by all owners, so that an edit in one tree goes before the bulk build of
 * another. The only file that knows p-queue. Never uses its `timeout` or `signal`: both free the slot while the task
 * keeps running, which would let two writers of one path overlap.
 */
import PQueue from 'p-queue';

export type Lane = 'interactive' | 'bulk';

const PRIORITY: Readonly<Record<Lane, number>> = { interactive: 1, bulk: 0 };

export class WorkQueue {
  readonly #queue: PQueue;
  /** Tasks of one owner that may be given to the queue; two slots more exist than bulk work may take. */
  readonly capacity: number;

  constructor(capacity: number) {
    this.capacity = capacity;
    this.#queue = new PQueue({ concurrency: capacity + RESERVED });
  }

  /** Runs `task` when a slot is free, interactive first. A rejection goes to the caller and does not stop the queue. */
  run<T>(lane: Lane, task: () => Promise<T>): Promise<T> {
    return this.#queue.add(task, { priority: PRIORITY[lane] });
  }

  get waiting(): number {
    return this.#queue.size;
  }

  get running(): number {
    return this.#queue.pending;
  }

  /** Resolves when nothing waits or runs. */
  idle(): Promise<void> {
    return this.#queue.onIdle();
  }
}

/** Slots that bulk work never takes: a save in the editor does not wait for a slow file of a cold build. */
export const RESERVED = 2;
