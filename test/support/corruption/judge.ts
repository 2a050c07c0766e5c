/**
 * Opens a damaged data directory and judges what comes of it:
 *   refused    opening fails with a typed error that names the file
 *   reported   it serves, and recovery or a read says what was lost; everything it gives out is bit by bit what was stored
 *   named      content is whole; recovery or verify names the damage
 *   harmless   content is whole, and what is silent is listed in `harmlessReason`
 * Anything else is a violation: another error, wrong data, a loss nobody speaks of, an index that does not go on.
 */
import { basename, dirname } from 'node:path';
import { CairnError, isCairnError } from '../../../src/util/errors.ts';
import { FileVectorCache } from '../../../src/embed/vector-cache.ts';
import { decodeMetadata } from '../../../src/index/metadata.ts';
import type { DurableIndex } from '../../../src/index/types.ts';
import { DocReader, type DumpablePart } from '../../../src/segment/dump.ts';
import { encodeDoc } from '../../../src/format/doc-codec.ts';
import { MemoryEnv, type Disk } from '../memory-env.ts';
import { tinyDoc } from '../tiny-doc.ts';
import { contentOf, kindOf, type DamageKind, type FileDamage } from './damages.ts';
import { CACHE_DIRECTORY, DIMENSION, directoryOf, IDENTITY, INDEXES, openSpecimen, textOf, type Content, type IndexName, type Specimen } from './specimen.ts';

export type Outcome = 'refused' | 'reported' | 'named' | 'harmless';

export interface Judgement {
  readonly outcome: Outcome | null;
  /** Why it is harmless, or the message that names it. */
  readonly detail: string;
  readonly violation: string | null;
}

export async function judgeDamage(specimen: Specimen, disk: Disk, damage: FileDamage, n: number): Promise<Judgement> {
  const env = new MemoryEnv(disk, n);
  const judgement = await judgeOn(specimen, env, damage, n);
  return judgement.violation === null && env.openFiles !== 0 ? violation(`${env.openFiles} files stay open after ${judgement.outcome}: ${judgement.detail}`) : judgement;
}

async function judgeOn(specimen: Specimen, env: MemoryEnv, damage: FileDamage, n: number): Promise<Judgement> {
  try {
    if (damage.path.startsWith(`${CACHE_DIRECTORY}/`)) return await judgeCache(specimen, env);
    const name = INDEXES.find((one) => damage.path.startsWith(`${directoryOf(one)}/`));
    if (name === undefined) throw new Error(`${damage.path} belongs to nothing`);
    return await new Judge(specimen, env, name, damage).run(n);
  } catch (error) {
    return violation(error instanceof Error ? (error.stack ?? error.message) : String(error));
  }
}

const violation = (what: string): Judgement => ({ outcome: null, detail: '', violation: what });
const judged = (outcome: Outcome, detail: string): Judgement => ({ outcome, detail, violation: null });

class Judge {
  readonly #specimen: Specimen;
  readonly #env: MemoryEnv;
  readonly #name: IndexName;
  readonly #damage: FileDamage;
  /** Of the damaged file, before anything opened it. */
  readonly #firstChange: number;

  constructor(specimen: Specimen, env: MemoryEnv, name: IndexName, damage: FileDamage) {
    this.#specimen = specimen;
    this.#env = env;
    this.#name = name;
    this.#damage = damage;
    this.#firstChange = firstChange(contentOf(specimen.disk, damage.path), contentOf(env.disk(), damage.path));
  }

  async run(n: number): Promise<Judgement> {
    const before = this.#env.disk();
    let index: DurableIndex;
    try {
      index = await openSpecimen(this.#env, this.#name);
    } catch (error) {
      return this.#refused(error, before);
    }
    let result: Judgement;
    try {
      result = await this.#serving(index);
      if (result.violation === null && n % 8 === 0) await this.#goOn(index);
    } finally {
      await index.close();
    }
    return result.violation === null ? (this.#bytesKept() ?? result) : result;
  }

  #refused(error: unknown, before: Disk): Judgement {
    if (!(error instanceof CairnError) || error.code === 'INTERNAL') return violation(`opening fails with ${error instanceof Error ? error.stack : String(error)}`);
    if (!this.#names(`${error.message} ${error.path ?? ''}`)) return violation(`the refusal does not name the file: ${error.message}`);
    for (const [path, ino] of before.names) {
      if (this.#env.names.get(path) !== ino && !path.endsWith('.tmp') && !this.#isKept(before, path)) return violation(`opening was refused and ${path} is gone`);
    }
    return judged('refused', error.message);
  }

  async #serving(index: DurableIndex): Promise<Judgement> {
    const { degraded, quarantined, tornTailBytes, warnings } = index.recovery;
    const notes = [...degraded, ...quarantined.map(({ file }) => file), ...warnings, ...(tornTailBytes > 0 ? [`wal: ${tornTailBytes} bytes of a torn tail`] : [])];
    const verified = await index.verify({ deep: true });
    const found = verified.damages.map(({ file, what }) => `${file}: ${what}`);
    if (verified.damages.some(({ file, what }) => file === '' || what === '')) return violation(`verify names no file: ${JSON.stringify(verified.damages)}`);
    const { content, read } = await this.#readAll(index);
    const history = this.#specimen.history[this.#name];
    const expected = history[index.version];
    if (expected === undefined) return violation(`version ${index.version} was never committed`);
    const wrong = differenceOf(content, expected);
    if (wrong !== null) return violation(wrong);
    const isComplete = content.size === expected.size && index.version === history.length - 1;
    if (!isComplete) return this.#incomplete(index, [...degraded, ...read], tornTailBytes);
    const named = [...notes, ...found, ...read].find((text) => this.#names(text));
    if (named !== undefined) return judged('named', named);
    const reason = harmlessReason(this.#specimen, this.#env, this.#damage, this.#firstChange);
    return reason === null ? violation(`nobody notices: ${[...notes, ...found].join('; ')}`) : judged('harmless', reason);
  }

  #incomplete(index: DurableIndex, lost: readonly string[], tornTailBytes: number): Judgement {
    const kind = kindOf(this.#damage.path);
    if (kind === 'metadata.json' || kind === 'CURRENT' || kind === 'quarantine') return violation(`damage of ${kind} costs content: ${lost.join()}`);
    const isTail = this.#damage.path === newestLog(this.#specimen, this.#name);
    if (lost.length > 0) {
      const isOpen = index.losses.length > 0 || lost.some((text) => text.includes('was passed over'));
      return isOpen ? judged('reported', lost[0] as string) : violation(`degraded, and no loss is open: ${lost.join()}`);
    }
    if (isTail && tornTailBytes > 0) return judged('reported', 'torn tail');
    // An end of the log that was never sealed is what any crash leaves: FORMAT.md, "Torn tail or damage".
    if (isTail && ['truncate', 'missing', 'older'].includes(this.#damage.kind)) return judged('harmless', 'an earlier end of the log, as after a power cut');
    return violation(`a loss that nobody speaks of: version ${index.version}`);
  }

  /** Everything the index gives out; damage met on the way is reported to it, as the daemon does. */
  async #readAll(index: DurableIndex): Promise<{ readonly content: Map<string, string>; readonly read: readonly string[] }> {
    const read: string[] = [];
    for (;;) {
      const snapshot = index.snapshot();
      try {
        const content = new Map<string, string>();
        for (const { part, docCount, live } of snapshot.parts) {
          const reader = new DocReader(part as DumpablePart);
          for (let doc = 0; doc < docCount; doc++) {
            if (live !== null && !live.has(doc)) continue;
            const key = part.docKey(doc);
            if (content.has(key)) throw new Error(`${key} is live twice`);
            content.set(key, textOf(reader.read(doc)));
          }
        }
        return { content, read };
      } catch (error) {
        if (!isCairnError(error, 'CORRUPT', 'TRUNCATED', 'COUNT_MISMATCH') || read.length > 8 || !(await index.quarantine(error))) throw error;
        read.push(error.message);
      } finally {
        snapshot.release();
      }
    }
  }

  /** It takes commits, saves, and is whole after the next opening. */
  async #goOn(index: DurableIndex): Promise<void> {
    await index.commit({ puts: [encodeDoc(tinyDoc('later', 7, DIMENSION[this.#name]))], deletes: [] });
    const repaired = await index.repair({ dryRun: false });
    if (repaired.needsReopen) return;
    await index.persist('going on');
    const { damages } = await index.verify({ deep: true });
    if (damages.length > 0) throw new Error(`repair leaves ${JSON.stringify(damages)}`);
    const snapshot = index.snapshot();
    const isFound = snapshot.find('later') !== null;
    snapshot.release();
    if (!isFound) throw new Error('what was committed is not found');
  }

  /** What was damaged is still there, in its place or in quarantine, unless it was garbage of no generation or a log that was passed. */
  #bytesKept(): Judgement | null {
    const { path, kind } = this.#damage;
    if (kind === 'missing' || kind === 'directory' || kindOf(path) !== 'segment') return null;
    const damaged = this.#env.inodes.get(this.#specimen.disk.names.get(path) as number) as Buffer;
    const isThere = [...this.#env.names].some(([, ino]) => this.#env.inodes.get(ino)?.equals(damaged) === true);
    return isThere ? null : violation(`the bytes of ${path} are gone`);
  }

  #isKept(before: Disk, path: string): boolean {
    const bytes = contentOf(before, path);
    return [...this.#env.names].some(([, ino]) => this.#env.inodes.get(ino)?.equals(bytes) === true);
  }

  #names(text: string): boolean {
    const name = basename(this.#damage.path);
    if (text.includes(name)) return true;
    // A log that is gone is named by its directory, a state that is older by CURRENT and the generation.
    return kindOf(this.#damage.path) === 'wal' ? /\bwal\b|the log/.test(text) : false;
  }
}

function newestLog(specimen: Specimen, name: IndexName): string {
  return specimen.files.filter((path) => dirname(path) === `${directoryOf(name)}/wal`).at(-1) as string;
}

function differenceOf(content: ReadonlyMap<string, string>, expected: Content): string | null {
  for (const [key, text] of content) {
    if (!expected.has(key)) return `${key} should not be there`;
    if (expected.get(key) !== text) return `${key} is ${text.slice(0, 200)}, not ${expected.get(key)?.slice(0, 200)}`;
  }
  return null;
}

/** Damage that nobody has to notice, with the proof; null for any other. */
function harmlessReason(specimen: Specimen, env: MemoryEnv, damage: FileDamage, changedFrom: number): string | null {
  switch (kindOf(damage.path)) {
    case 'quarantine':
      return 'quarantine is never read';
    case 'metadata.json':
      return sameMetadata(specimen, env, damage.path) ? 'the values of metadata.json are the same' : null;
    case 'manifest':
      // Missing, or of another index: it names files that are not there, as one does whose collection was interrupted.
      return damage.kind === 'missing' || damage.kind === 'other' ? 'an older generation that is only fallen back to' : null;
    case 'CURRENT':
      return damage.kind === 'older' ? 'an older state of the same index; the log made it whole' : null;
    case 'wal':
      return harmlessLog(damage.kind, changedFrom, contentOf(specimen.disk, damage.path).length);
    default:
      return null;
  }
}

/** Zeros in the place of padding change nothing: the first byte that differs says what was touched. */
function firstChange(whole: Buffer, damaged: Buffer): number {
  const at = whole.findIndex((byte, i) => byte !== damaged[i]);
  return at < 0 ? whole.length : at;
}

/** A record without payload. */
const SEAL_BYTES = 24;

/** Content and version are whole, so no record that counts was touched; flipped and zeroed records are named by verify wherever they are. */
function harmlessLog(kind: DamageKind, changedFrom: number, size: number): string | null {
  if (changedFrom >= size - SEAL_BYTES && kind !== 'extend') return 'the seal of a log file, and no record';
  if (kind === 'extend') return 'bytes behind the end of a log file that the next one supersedes';
  if (kind === 'missing' || kind === 'truncate' || kind === 'empty' || kind === 'older') return 'a log file without its seal, or one that segments have passed';
  return kind === 'other' ? 'a log file that segments have passed' : null;
}

function sameMetadata(specimen: Specimen, env: MemoryEnv, path: string): boolean {
  const bytes = env.inodes.get(env.names.get(path) ?? -1);
  if (bytes === undefined) return false;
  const now = decodeMetadata(bytes, path);
  const versions = [contentOf(specimen.disk, path), ...(specimen.older.get(path) ?? [])];
  return versions.some((version) => JSON.stringify(decodeMetadata(version, path).metadata) === JSON.stringify(now.metadata));
}

/** The cache gives out what was stored or nothing, whatever the disk holds. */
async function judgeCache(specimen: Specimen, env: MemoryEnv): Promise<Judgement> {
  const warnings: string[] = [];
  let cache: FileVectorCache;
  try {
    cache = await FileVectorCache.open({ env, directory: CACHE_DIRECTORY, identity: IDENTITY, onWarning: (warning) => warnings.push(warning.message) });
  } catch (error) {
    return error instanceof CairnError ? judged('refused', error.message) : violation(String(error));
  }
  try {
    const keys = [...specimen.cached.keys()];
    const found = await cache.lookup(keys.map((key) => Buffer.from(key, 'hex')));
    let misses = 0;
    for (const [i, vector] of found.entries()) {
      const stored = specimen.cached.get(keys[i] as string) as Float32Array;
      if (vector === null) misses++;
      else if (!Buffer.from(vector.buffer, vector.byteOffset, vector.byteLength).equals(Buffer.from(stored.buffer))) return violation(`the cache gives another vector for ${keys[i]}`);
    }
    return misses > 0 ? judged('reported', `${misses} vectors are computed again`) : judged('harmless', 'every vector is found');
  } finally {
    await cache.close();
  }
}
