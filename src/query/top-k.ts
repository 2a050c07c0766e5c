/** Selection of the k best ids by score, without sorting everything. Owns tie-breaking: equal scores go by the smaller tie value. */

/**
 * The k ids with the highest score, best first. `score` and `tie` are looked up by id; `tie` must not depend on how docs are
 * spread over parts, so that the same docs give the same selection however they are stored.
 */
export function selectTop(ids: ArrayLike<number>, count: number, k: number, score: (id: number) => number, tie: (id: number) => number): number[] {
  if (k <= 0) return [];
  const heap: number[] = [];
  const scores: number[] = [];
  const worse = (s: number, id: number, t: number, other: number): boolean => s < t || (s === t && tie(id) > tie(other));
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
  for (let i = 0; i < count; i++) {
    const id = ids[i] as number;
    const s = score(id);
    if (heap.length < k) {
      heap.push(id);
      scores.push(s);
      if (heap.length === k) for (let at = (k >> 1) - 1; at >= 0; at--) siftDown(at, scores[at] as number, heap[at] as number);
    } else if (worse(scores[0] as number, heap[0] as number, s, id)) siftDown(0, s, id);
  }
  return heap.map((id, i) => ({ id, s: scores[i] as number })).sort((a, b) => b.s - a.s || tie(a.id) - tie(b.id)).map((entry) => entry.id);
}
