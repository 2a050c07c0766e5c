/** Segments: write, open, merge, verify, dump. */
export { BlockCache } from './block-cache.ts';
export { canonicalDoc, DocReader, readDoc, type DumpablePart } from './dump.ts';
export type { ContentVersions, SegmentMeta } from './layout.ts';
export { mergeSegments, type MergeSource } from './merge.ts';
export { openSegment, type OpenSegmentOptions, type SegmentExpectation } from './reader.ts';
export { Segment } from './segment.ts';
export { compareUtf8 } from './utf8-order.ts';
export { verifySegment, type SegmentDamage, type SegmentVerification, type VerifyOptions } from './verify.ts';
export { writeSegment, type SegmentInput, type SegmentSpec, type SegmentSummary } from './writer.ts';
