/** Branded numbers and strings, so that one kind of id cannot be passed for another. */

declare const brand: unique symbol;
type Branded<T, B extends string> = T & { readonly [brand]: B };

/** Log sequence number of a batch; starts at 1, monotone per index, below 2^53. 0 means "nothing yet". */
export type Lsn = Branded<number, 'Lsn'>;
/** Manifest generation; starts at 1, monotone per index. */
export type Generation = Branded<number, 'Generation'>;
/** Writer epoch (fencing token): generation of the daemon's writer lock. */
export type Epoch = Branded<number, 'Epoch'>;
/** Sixteen lower-case hex digits; never reused within an index. */
export type SegmentId = Branded<string, 'SegmentId'>;

export const asLsn = (n: number): Lsn => n as Lsn;
export const asGeneration = (n: number): Generation => n as Generation;
export const asEpoch = (n: number): Epoch => n as Epoch;
export const asSegmentId = (s: string): SegmentId => s as SegmentId;
