/**
 * Checks an open segment and names every damage it finds instead of stopping at the first. Shallow: the sections that are
 * held in memory, read again from the disk. Deep: every byte of the file, every text block, vector and payload, and the
 * order of all terms, postings and keys. Never repairs.
 */
import { requireNotCancelled } from '../util/cancel.ts';
import { crc32 } from '../util/crc32.ts';
import { CairnError, isCairnError } from '../util/errors.ts';
import { TAG } from './layout.ts';
import { FIELDS } from './part.ts';
import type { Segment } from './segment.ts';

export interface SegmentDamage {
  readonly file: string;
  /** Bytes from the start of the file; null when it concerns the file as a whole. */
  readonly offset: number | null;
  readonly what: string;
}

export interface SegmentVerification {
  readonly bytesChecked: number;
  readonly damages: readonly SegmentDamage[];
}

export interface VerifyOptions {
  readonly deep: boolean;
  readonly signal?: AbortSignal | undefined;
}

/** Sections that are read on demand, each piece against its own checksum. */
const ON_DISK: ReadonlySet<number> = new Set([TAG.texts, TAG.payloads, TAG.vectors, TAG.pathVectors]);

/** CANCELLED when the signal fires; any other error that is not a damage (IO) is thrown too. */
export async function verifySegment(segment: Segment, options: VerifyOptions): Promise<SegmentVerification> {
  const damages: SegmentDamage[] = [];
  let bytesChecked = 0;
  const { container } = segment;
  const check = async (work: () => unknown): Promise<void> => {
    requireNotCancelled(options.signal, `verify of ${segment.path}`);
    try {
      await work();
    } catch (error) {
      if (!isCairnError(error, 'CORRUPT', 'TRUNCATED', 'COUNT_MISMATCH')) throw error;
      damages.push({ file: segment.path, offset: error.offset ?? null, what: error.message });
    }
  };
  for (const section of container.sections) {
    if (!options.deep && ON_DISK.has(section.tag)) continue;
    await check(() => container.verifySection(section.tag));
    bytesChecked += section.length;
  }
  if (options.deep) {
    for (const rows of deepChecks(segment)) await check(rows);
    await check(async () => {
      bytesChecked = await container.verifyAll(options.signal);
    });
  }
  return { bytesChecked: damages.length === 0 ? bytesChecked : Math.min(bytesChecked, container.footer.fileLength), damages: distinct(damages) };
}

function* deepChecks(segment: Segment): Generator<() => unknown> {
  for (const name of FIELDS) yield () => segment.field(name).check();
  yield () => checkKeys(segment);
  yield () => checkLanguages(segment);
  yield () => checkBodyLengths(segment);
  for (let block = 0; block < segment.texts.blockCount; block++) yield () => segment.texts.verifyBlock(block);
  for (let doc = 0; doc < segment.docCount; doc++) yield () => checkDoc(segment, doc);
}

function checkKeys(segment: Segment): void {
  for (let doc = 1; doc < segment.docCount; doc++) {
    if (Buffer.compare(segment.docKeyBytes(doc - 1), segment.docKeyBytes(doc)) >= 0) {
      throw new CairnError('CORRUPT', `${segment.path}: keys are not in order at doc ${doc}`, { path: segment.path, offset: segment.container.section(TAG.docKeys).offset });
    }
  }
}

function checkLanguages(segment: Segment): void {
  const unused = segment.docs.unusedLanguage();
  if (unused === null) return;
  throw new CairnError('CORRUPT', `${segment.path}: language ${JSON.stringify(unused)} belongs to no document`, { path: segment.path, offset: segment.container.section(TAG.labels).offset });
}

/** The length of a chunk is the sum of its term frequencies: both go into every score. */
function checkBodyLengths(segment: Segment): void {
  const body = segment.field('body');
  const sums = new Uint32Array(segment.chunkCount);
  for (let rank = 0; rank < body.termCount; rank++) {
    const { count, ids, values } = body.postings(rank);
    for (let i = 0; i < count; i++) sums[ids[i] as number] = (sums[ids[i] as number] as number) + (values[i] as number);
  }
  const wrong = sums.findIndex((sum, chunk) => sum !== segment.chunkLengths[chunk]);
  if (wrong >= 0) {
    throw new CairnError('COUNT_MISMATCH', `${segment.path}: chunk ${wrong} has ${sums[wrong]} terms in the postings, ${segment.chunkLengths[wrong]} in its row`, {
      path: segment.path, offset: segment.container.section(TAG.chunks).offset,
    });
  }
}

function checkDoc(segment: Segment, doc: number): void {
  segment.vectors?.readRows(segment.chunkStart(doc), segment.chunkStart(doc + 1));
  segment.readPathVector(doc);
  const payload = segment.docPayload(doc);
  if (payload !== null && crc32(payload) !== segment.storedPayload(doc)?.checksum) throw new CairnError('CORRUPT', `${segment.path}: payload of doc ${doc}`, { path: segment.path });
}

/** A damage of a section is found again by the rows in it; one line for each place. */
function distinct(damages: readonly SegmentDamage[]): SegmentDamage[] {
  const seen = new Set<string>();
  return damages.filter(({ offset, what }) => {
    const key = `${offset} ${what}`;
    return seen.has(key) ? false : seen.add(key);
  });
}
