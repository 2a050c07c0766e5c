/** Makes memtables for the part table. */
import { Memtable } from '../memtable/memtable.ts';
import type { VectorArena } from '../quantize/arena.ts';
import { LiveSet } from './live-set.ts';
import { PartHandle } from './part-handle.ts';
import type { MemtableHandle } from './part-table.ts';

let made = 0;

export function newMemtable(init: { readonly arena: VectorArena; readonly metadata: { readonly dimension: number } }): MemtableHandle {
  const memtable = new Memtable({ id: `memtable-${++made}`, dimension: init.metadata.dimension, arena: init.arena });
  return new PartHandle(memtable, LiveSet.growing(memtable), () => memtable.close());
}
