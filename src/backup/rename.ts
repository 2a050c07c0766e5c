/**
 * Renames an index together with what is kept under its name: backups and archived log. Its directory below indexes/ stays where
 * it is. The name is the one in metadata.json, and its atomic replacement is the commit point.
 * <data>/renaming/<16 hex> is the intent: written first, removed last. While it is there the kept directories may lie under either
 * name; whoever finds it after a crash moves them under the name that metadata.json has. Each moves by one rename; each step can be
 * interrupted and repeated.
 */
import { basename, dirname, join } from 'node:path';
import { moveFile, sweepTempFiles, writeFileAtomic } from '../env/atomic-file.ts';
import type { Env } from '../env/env.ts';
import { MAX_CURRENT_BYTES, RENAME_WORD } from '../format/constants.ts';
import { JsonFields } from '../format/json-fields.ts';
import { decodeTextFile, encodeTextFile } from '../format/text-file.ts';
import { readMetadata } from '../index/index-directory.ts';
import type { DurableIndex, WriterLease } from '../index/types.ts';
import { CairnError, isCairnError } from '../util/errors.ts';
import { BACKUP_FILE, encodeBackupRecord, INDEX_NAME, isBackupId } from './backup-record.ts';
import { makeDirectory, namesIn } from './files.ts';
import { directoriesOf } from './kept.ts';
import { readBackup } from './shelf.ts';
import { COMPONENT } from './swap.ts';

const RENAMING_DIRECTORY = 'renaming';
const INTENT_FILE = /^[0-9a-f]{16}$/;

export interface RenameIntent {
  /** Below <data>/indexes. */
  readonly directory: string;
  readonly from: string;
  readonly to: string;
}

export interface RenamePlaces {
  readonly env: Env;
  readonly dataDir: string;
  /** Where backups are kept. */
  readonly root: string;
  readonly lease: WriterLease;
}

/** One renaming of an open index. `commit`, then `end`; or, when `commit` fails, `revert`, as often as it takes. */
export class Renaming {
  readonly intent: RenameIntent;
  readonly #places: RenamePlaces;
  readonly #path: string;
  #isBegun = false;

  constructor(places: RenamePlaces, intent: RenameIntent) {
    this.#places = places;
    this.intent = intent;
    this.#path = join(places.dataDir, RENAMING_DIRECTORY, places.env.random.bytes(8).toString('hex'));
  }

  /** False: there is nothing to revert. */
  get isBegun(): boolean {
    return this.#isBegun;
  }

  /** ALREADY_EXISTS when something is kept under the new name, NOT_FOUND when the directory for backups is not there. */
  async check(): Promise<void> {
    await requireNothingKept(this.#places, this.intent.to);
  }

  /** `write` makes the new name durable. Runs while the index publishes and archives nothing. */
  async commit(write: () => Promise<void>): Promise<void> {
    const { env, dataDir, lease } = this.#places;
    const { from, to } = this.intent;
    await makeDirectory(env, dataDir, RENAMING_DIRECTORY);
    lease.assertHeld();
    this.#isBegun = true;
    await writeFileAtomic(env, dirname(this.#path), basename(this.#path), encodeTextFile(RENAME_WORD, this.intent));
    await moveKept(this.#places, from, to);
    await write();
  }

  async revert(index: DurableIndex): Promise<void> {
    await index.updateMetadata({ name: this.intent.from });
    await moveKept(this.#places, this.intent.to, this.intent.from);
    await this.end();
  }

  async end(): Promise<void> {
    await removeIntent(this.#places.env, this.#path);
  }
}

/** A renaming that is neither done nor undone: nothing may be made under its names before `retry` has returned. */
export interface UnsettledRename {
  readonly names: readonly string[];
  /** For people. */
  readonly what: string;
  readonly retry: () => Promise<void>;
}

/** Settles what a crash has left. Runs before indexes are looked for. Returns what cannot be settled now, because a disk fails or an index cannot be read. */
export async function finishRenames(places: RenamePlaces): Promise<UnsettledRename[]> {
  const { env, dataDir } = places;
  const dir = join(dataDir, RENAMING_DIRECTORY);
  await sweepTempFiles(env, dir);
  const unsettled: UnsettledRename[] = [];
  for (const file of (await namesIn(env, dir)).filter((name) => INTENT_FILE.test(name))) {
    const path = join(dir, file);
    let names: readonly string[] = []; // a damaged intent does not tell them: what is kept stays where it is
    const retry = async (): Promise<void> => {
      const intent = await readIntent(env, path);
      names = [intent.from, intent.to];
      await settle(places, intent);
      await removeIntent(env, path);
    };
    try {
      await retry();
    } catch (error) {
      if (!isCairnError(error) || error.code === 'FENCED') throw error;
      unsettled.push({ names, what: `${path}: a renaming${names.length === 0 ? '' : ` of '${names.join("' to '")}'`} is not settled: ${error.message}`, retry });
    }
  }
  return unsettled;
}

async function readIntent(env: Env, path: string): Promise<RenameIntent> {
  const fields = new JsonFields(decodeTextFile(RENAME_WORD, await env.readFile(path, MAX_CURRENT_BYTES), path), path);
  return { directory: fields.string('directory', COMPONENT), from: fields.string('from', INDEX_NAME), to: fields.string('to', INDEX_NAME) };
}

/** The kept directories follow the name that the index has. An index that is gone has none. */
async function settle(places: RenamePlaces, { directory, from, to }: RenameIntent): Promise<void> {
  const { env, dataDir } = places;
  const indexDir = join(dataDir, 'indexes', directory);
  if ((await env.stat(indexDir)) === null) return;
  const { name } = await readMetadata(env, indexDir);
  // What we read may be in memory only, and what follows depends on it.
  await env.syncDir(indexDir);
  await requireRoot(places);
  if (name === from) await moveKept(places, to, from);
  else if (name === to) await moveKept(places, from, to);
}

async function requireRoot({ env, dataDir, root }: RenamePlaces): Promise<void> {
  if (root !== join(dataDir, 'backups') && (await env.stat(root))?.kind !== 'directory') {
    throw new CairnError('NOT_FOUND', `the directory for backups ${root} is not there`, { path: root, hint: 'The backups of the index move with its name: make the directory available, or change backup.directory.' });
  }
}

/** What a deleted index has left never becomes that of another one. */
async function requireNothingKept(places: RenamePlaces, name: string): Promise<void> {
  const { env, lease } = places;
  await requireRoot(places);
  for (const path of directoriesOf(places, name)) {
    if ((await env.stat(path)) === null) continue;
    if ((await namesIn(env, path)).length > 0) {
      throw new CairnError('ALREADY_EXISTS', `${path} holds what an index '${name}' that is gone has left`, { path, hint: `Choose another name, or remove that: cairn delete --purge --with-backups --index ${name}` });
    }
    lease.assertHeld();
    await env.rmdir(path);
    await env.syncDir(dirname(path));
  }
}

/** Both directories, and what the backups say of themselves. Durable on return, also what an earlier attempt has moved. */
async function moveKept(places: RenamePlaces, from: string, to: string): Promise<void> {
  const { env, lease } = places;
  const targets = directoriesOf(places, to);
  for (const [i, source] of directoriesOf(places, from).entries()) {
    const target = targets[i] as string;
    const parent = dirname(target);
    if ((await env.stat(parent)) === null) continue;
    lease.assertHeld();
    if ((await env.stat(source)) !== null && (await env.stat(target)) === null) await moveFile(env, source, parent, to);
    else await env.syncDir(parent);
  }
  await relabel(places, from, to);
}

/** backup.json names the index. One that cannot be read stays as it is, and is reported as unreadable as before. */
async function relabel({ env, root, lease }: RenamePlaces, from: string, to: string): Promise<void> {
  for (const id of (await namesIn(env, join(root, to))).filter(isBackupId)) {
    const dir = join(root, to, id);
    await sweepTempFiles(env, dir); // of an attempt that was cut off
    const record = await readBackup(env, dir).catch((error: unknown) => {
      if (isCairnError(error, 'CORRUPT', 'TRUNCATED', 'NEWER_FORMAT')) return null;
      throw error;
    });
    if (record?.index !== from) continue;
    lease.assertHeld();
    await writeFileAtomic(env, dir, BACKUP_FILE, encodeBackupRecord({ ...record, index: to }));
  }
}

async function removeIntent(env: Env, path: string): Promise<void> {
  await sweepTempFiles(env, dirname(path));
  if ((await env.stat(path)) !== null) await env.unlink(path);
  await env.syncDir(dirname(path));
}
