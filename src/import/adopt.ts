/**
 * Takes in an index directory that no engine lists: an orphan below <data>/indexes, or one from anywhere else. Procedure:
 *  1. What is ours by name is copied to staging (segments of our own data directory are linked); links and strangers are not.
 *  2. The copy gets our epoch where its own is larger, and a metadata.json where it has none.
 *  3. It is opened and verified in full. Damage ends here: the copy goes, the original was only read.
 *  4. It moves below <data>/indexes; an original that lay there moves to <data>/trash.
 */
import { basename, dirname, join } from 'node:path';
import { writeFileAtomic } from '../env/atomic-file.ts';
import { copyFile, linkOrCopy } from '../env/copy-file.ts';
import type { Env } from '../env/env.ts';
import { METADATA_FILE, parseFileName, WAL_DIRECTORY } from '../format/file-names.ts';
import { readMetadata } from '../index/index-directory.ts';
import { encodeMetadata, momentAfter, timelineOf, timeName } from '../index/metadata.ts';
import type { DurableIndex, IndexMetadata } from '../index/types.ts';
import { requireNotCancelled } from '../util/cancel.ts';
import { CairnError, isCairnError } from '../util/errors.ts';
import type { ImportHost } from './host.ts';
import { factsOf, withGiven, type GivenFacts } from './known-facts.ts';
import { rebase } from './rebase.ts';
import { discardStaging, newStaging } from './staging.ts';

export interface AdoptRequest extends GivenFacts {
  /** Canonical path of the directory. */
  readonly path: string;
  readonly signal?: AbortSignal | undefined;
}

export interface AdoptReport {
  readonly name: string;
  readonly kind: IndexMetadata['kind'];
  readonly docs: number;
  readonly chunks: number;
  /** Where metadata.json came from: the directory, the mirror in its manifest, or what its rows tell. */
  readonly metadataFrom: 'file' | 'manifest' | 'rows';
  /** Things to know that lost nothing that was there: what was assumed, a log that is missing, batches replayed. */
  readonly warnings: readonly string[];
  /** Names in the directory that are no files of an index, or could not be taken. They are left where they are. */
  readonly left: readonly string[];
}

/** NOT_FOUND (no index there), ALREADY_EXISTS, CORRUPT (with the damage), INVALID_ARGUMENT (a fact is missing), DISK_FULL … */
export async function adopt(host: ImportHost, request: AdoptRequest): Promise<AdoptReport> {
  return new Adoption(host, request).run();
}

class Adoption {
  readonly #host: ImportHost;
  readonly #request: AdoptRequest;
  readonly #env: Env;
  readonly #left: string[] = [];
  readonly #warnings: string[] = [];
  #hasLog = false;

  constructor(host: ImportHost, request: AdoptRequest) {
    this.#host = host;
    this.#request = request;
    this.#env = host.env;
  }

  async run(): Promise<AdoptReport> {
    const { path, signal } = this.#request;
    await this.#requireIndex(path);
    const staged = await newStaging(this.#env, this.#host.dataDir);
    try {
      await this.#copy(path, staged);
      await rebase(this.#env, staged, this.#host.lease);
      const { metadata, metadataFrom } = await this.#metadata(staged);
      this.#requireFreeName(metadata.name);
      await writeFileAtomic(this.#env, staged, METADATA_FILE, encodeMetadata(metadata));
      const counts = await this.#check(staged);
      requireNotCancelled(signal, 'the import');
      await this.#host.publish(staged, metadata, { detail: path, replaces: this.#ownDirectory });
      return { name: metadata.name, kind: metadata.kind, ...counts, metadataFrom, warnings: this.#warnings, left: this.#left };
    } catch (error) {
      await discardStaging(this.#env, staged);
      throw error;
    }
  }

  /** Name of the directory below <data>/indexes, when that is where it lies. */
  get #ownDirectory(): string | null {
    const { path } = this.#request;
    return dirname(path) === join(this.#host.dataDir, 'indexes') ? basename(path) : null;
  }

  async #requireIndex(path: string): Promise<void> {
    const own = this.#ownDirectory;
    if (own !== null && this.#host.isServed(own)) throw new CairnError('ALREADY_EXISTS', `${path} is an index that is served already`, { path });
    if ((await this.#env.stat(path))?.kind !== 'directory') throw new CairnError('NOT_FOUND', `${path} is no directory`, { path });
    const kinds = (await this.#env.readdir(path)).map((name) => parseFileName(name)?.kind);
    if (!kinds.includes('manifest')) throw new CairnError('NOT_FOUND', `${path} holds no cairn index: there is no manifest in it`, { path, hint: 'For other layouts say which: --from codanna, dvecdb or trusty.' });
  }

  /** A segment never changes, so a second name is as good as a copy; what may be written to is copied. */
  async #copy(from: string, to: string): Promise<void> {
    await this.#env.mkdir(to);
    for (const name of await this.#env.readdir(from)) {
      requireNotCancelled(this.#request.signal, 'the import');
      const source = join(from, name);
      const stat = await this.#env.stat(source);
      const kind = parseFileName(name)?.kind ?? null;
      if (kind === 'wal-directory' && stat?.kind === 'directory') await this.#copyLog(source, join(to, name));
      else if (kind === null || kind === 'wal' || kind === 'temp' || stat?.kind !== 'file') this.#left.push(name);
      else if (kind === 'segment' && this.#ownDirectory !== null && (stat.mode & 0o077) === 0) await linkOrCopy(this.#env, source, join(to, name));
      else await copyFile(this.#env, source, join(to, name));
    }
    await this.#env.syncDir(to);
    await this.#env.syncDir(dirname(to));
  }

  async #copyLog(from: string, to: string): Promise<void> {
    await this.#env.mkdir(to);
    for (const name of await this.#env.readdir(from)) {
      const source = join(from, name);
      if (parseFileName(name)?.kind !== 'wal' || (await this.#env.stat(source))?.kind !== 'file') {
        this.#left.push(`${WAL_DIRECTORY}/${name}`);
        continue;
      }
      await copyFile(this.#env, source, join(to, name));
      this.#hasLog = true;
    }
    await this.#env.syncDir(to);
  }

  async #metadata(staged: string): Promise<Pick<AdoptReport, 'metadataFrom'> & { readonly metadata: IndexMetadata }> {
    const given = this.#request;
    try {
      return { metadata: this.#ownHistory(withGiven(await readMetadata(this.#env, staged), given)), metadataFrom: 'file' };
    } catch (error) {
      if (!isCairnError(error, 'NOT_FOUND', 'CORRUPT')) throw error;
      if (error.code === 'CORRUPT') this.#warnings.push(`the metadata.json of the directory was not used: ${error.message}`);
    }
    const { metadata, source, assumed } = await factsOf(this.#env, staged, given, nameOf(this.#request.path));
    if (assumed.length > 0) this.#warnings.push(`not known, and assumed: ${assumed.join('; ')}`);
    return { metadata: this.#ownHistory(metadata), metadataFrom: source };
  }

  /** The original may go on, or have gone on: what a copy logs from now on has the same LSNs and must not be mixed with it. */
  #ownHistory(metadata: IndexMetadata): IndexMetadata {
    if (this.#ownDirectory !== null) return metadata;
    const { restoredFrom: _, ...rest } = metadata;
    return { ...rest, timeline: timeName(momentAfter(timelineOf(metadata), this.#env.clock.now())) };
  }

  #requireFreeName(name: string): void {
    const taken = this.#host.directoryOf(name);
    if (taken === null || taken === this.#ownDirectory) return;
    throw new CairnError('ALREADY_EXISTS', `there is an index '${name}' already`, { path: this.#request.path, hint: 'Choose another name: --name NAME.' });
  }

  /** Opens and verifies the copy; whatever was lost refuses it, except a log that was not there to be read. */
  async #check(staged: string): Promise<{ readonly docs: number; readonly chunks: number }> {
    const index = await this.#host.openScratch(staged);
    try {
      const { recovery } = index;
      if (recovery.quarantined.length > 0 || (this.#hasLog && recovery.degraded.length > 0)) throw this.#damaged([...recovery.degraded, ...recovery.quarantined.map(({ file, reason }) => `${file}: ${reason}`)]);
      this.#warnings.push(...recovery.degraded);
      if (recovery.replayedBatches > 0) this.#warnings.push(`${recovery.replayedBatches} batches came from the log`);
      if (recovery.tornTailBytes > 0) this.#warnings.push(`${recovery.tornTailBytes} bytes of a batch that was never acknowledged were cut off the log`);
      const { damages } = await index.verify({ deep: true, ...(this.#request.signal === undefined ? {} : { signal: this.#request.signal }) });
      if (damages.length > 0) throw this.#damaged(damages.map(({ file, offset, what }) => `${file}${offset === null ? '' : ` at ${offset}`}: ${what}`));
      return countsOf(index);
    } finally {
      await index.close();
    }
  }

  #damaged(problems: readonly string[]): CairnError {
    const more = problems.length > 3 ? `; and ${problems.length - 3} more` : '';
    const { path } = this.#request;
    return new CairnError('CORRUPT', `${path} is damaged and was not taken in: ${problems.slice(0, 3).join('; ')}${more}`, { path, hint: 'Nothing was changed. Restore it from a backup.' });
  }
}

function countsOf(index: DurableIndex): { readonly docs: number; readonly chunks: number } {
  const { docs, chunks } = index.stats();
  return { docs, chunks };
}

/** A valid name made of the directory's; '' when nothing of it can be used, which is then refused by name. */
function nameOf(path: string): string {
  return basename(path).toLowerCase().replace(/[^a-z0-9._-]+/g, '-').replace(/^[^a-z0-9]+/, '').slice(0, 64);
}
