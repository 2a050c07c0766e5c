/** Selection of the k best ids by score, without sorting everything. Owns tie-breaking: equal scores go by the smaller tie value. */

import type { TouchList } from './scratch.ts';

/** Scores by id: values[id * stride]. */
export interface Scores {
  readonly values: Float32Array | Float64Array;
  readonly stride: number;
}

/**
 * The k ids with the highest score, in no order. `tie` is looked up by id and must not depend on how docs are spread over parts,
 * so that the same docs give the same selection however they are stored.
 */
export function selectTop({ ids, count }: TouchList, k: number, { values, stride }: Scores, tie: (id: number) => number): number[] {
  if (k <= 0) return [];
  const heap: number[] = [];
  const scores: number[] = [];
  const worse = (s: number, id: number, other: number, otherId: number): boolean => s < other || (s === other && tie(id) > tie(otherId));
  const siftDown = (at: number, s: number, id: number): void => {
    const size = heap.length;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= size) break;
      const right = child + 1;
      if (right < size && worse(scores[right] as number, heap[right] as number, scores[child] as number, heap[child] as number)) child = right;
      if (!worse(scores[child] as number, heap[child] as number, s, id)) break;
      heap[at] = heap[child] as number;
      scores[at] = scores[child] as number;
      at = child;
    }
    heap[at] = id;
    scores[at] = s;
  };
  const first = Math.min(k, count);
  for (let i = 0; i < first; i++) {
    heap.push(ids[i] as number);
    scores.push(values[(ids[i] as number) * stride] as number);
  }
  if (first === k) for (let at = (k >> 1) - 1; at >= 0; at--) siftDown(at, scores[at] as number, heap[at] as number);
  let floor = scores[0] as number;
  for (let i = first; i < count; i++) {
    const id = ids[i] as number;
    const s = values[id * stride] as number;
    if (s < floor || !worse(floor, heap[0] as number, s, id)) continue;
    siftDown(0, s, id);
    floor = scores[0] as number;
  }
  return heap;
}
