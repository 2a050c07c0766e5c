/**
 * Protocol mutants: one step taken out of the source, in memory only, when the module is loaded. A sweep that finds nothing wrong
 * with a mutant proves nothing about the original.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { fileURLToPath } from 'node:url';

export interface Mutant {
  readonly name: string;
  /** Relative to the project root. */
  readonly file: string;
  /** Occurs exactly once. */
  readonly from: string;
  readonly to: string;
  /** A crash scenario whose name begins with this must catch it, or the error sweep ('errors'). */
  readonly scenario: string;
}

export interface MutantRequest {
  readonly url: string;
  readonly from: string;
  readonly to: string;
  readonly scenario: string;
}

const root = fileURLToPath(new URL('../../', import.meta.url));

/** How often the text to be replaced is there; anything but 1 means that the mutant has rotted. */
export function occurrences(mutant: Mutant): number {
  return readFileSync(join(root, mutant.file), 'utf8').split(mutant.from).length - 1;
}

/** What the sweep finds wrong with the mutant; empty when it survives. */
export function runMutant(mutant: Mutant): Promise<string[]> {
  const request: MutantRequest = { url: new URL(`../../${mutant.file}`, import.meta.url).href, from: mutant.from, to: mutant.to, scenario: mutant.scenario };
  return new Promise((resolve, reject) => {
    const worker = new Worker(new URL('./mutant-worker.ts', import.meta.url), { workerData: request });
    worker.once('message', resolve);
    worker.once('error', reject);
    worker.once('exit', (code) => reject(new Error(`the worker of mutant '${mutant.name}' ended with ${code}`)));
  });
}

const ATOMIC = 'src/env/atomic-file.ts';
const WRITER = 'src/wal/wal-writer.ts';
const READER = 'src/wal/wal-reader.ts';
const STORE = 'src/manifest/manifest-store.ts';

export const mutants: readonly Mutant[] = [
  { name: 'no fsync of a new file', file: ATOMIC, from: '    await file.sync();\n', to: '', scenario: 'atomic file' },
  { name: 'no fsync of a new segment', file: ATOMIC, from: '    await file.sync();\n', to: '', scenario: 'durable file' },
  { name: 'no directory fsync after a rename', file: ATOMIC, from: '    throw error;\n  }\n  await env.syncDir(dir);\n', to: '    throw error;\n  }\n', scenario: 'atomic file' },
  { name: 'no directory fsync after creating a segment', file: ATOMIC, from: 'fill);\n  await env.syncDir(dir);\n  return result;', to: 'fill);\n  return result;', scenario: 'durable file' },
  {
    name: 'written in place instead of renamed',
    file: ATOMIC,
    from: '    if (mayReplace === undefined) await env.rename(temp, join(dir, name));\n',
    to: `    if (mayReplace === undefined) {
    const path = join(dir, name);
    const target = await env.open(path, (await env.stat(path)) === null ? 'create' : 'update');
    await target.truncate(0);
    await target.write(await env.readFile(temp, 1e9), 0);
    await target.sync();
    await target.close();
    await env.unlink(temp);
    }
`,
    scenario: 'atomic file',
  },
  { name: 'temp files are not swept', file: ATOMIC, from: '  for (const name of temps) await env.unlink(join(dir, name));\n', to: '', scenario: 'atomic file' },
  { name: 'no directory fsync for the log directory', file: 'src/wal/open-wal.ts', from: '  await env.syncDir(dirname(dir));\n', to: '', scenario: 'wal, one commit' },
  { name: 'no sync of the log', file: WRITER, from: '    await this.#usableFile().datasync();\n', to: '', scenario: 'wal, sync mode off' },
  { name: 'writes of the mode always are not synced', file: WRITER, from: "syncMode === 'always' ? 'durable' : 'update'", to: "syncMode === 'always' ? 'update' : 'update'", scenario: 'wal, one commit' },
  { name: 'ack before the sync', file: WRITER, from: '    await this.#write(records);\n    this.#counters', to: '    for (const append of appends) append.resolve({ lsn: append.lsn, durable: true });\n    await this.#write(records);\n    this.#counters', scenario: 'wal, one commit' },
  { name: 'a file is left without a sync', file: WRITER, from: '    await this.#sync();\n    await this.#write([', to: '    this.#noteSynced();\n    return;\n    await this.#write([', scenario: 'wal, sync mode off' },
  {
    name: 'a log file gets its name before its header is safe',
    file: WRITER,
    from: '  await createFileAtomic(env, dir, walFile(header.firstLsn), fill, async (path) => {\n',
    to: `  const quick = async (_ask: (path: string) => Promise<void>) => {
    const path = join(dir, walFile(header.firstLsn));
    if ((await env.stat(path)) !== null) await env.unlink(path);
    const file = await env.open(path, 'create');
    await fill(file);
    await file.close();
    await env.syncDir(dir);
  };
  await quick(async (path) => {
`,
    scenario: 'wal, group commit',
  },
  { name: 'after a failure the unsynced acks are forgotten', file: WRITER, from: '    await this.#startFile(asLsn(this.#syncedLsn + 1), this.#retained);\n', to: '    await this.#startFile(asLsn(this.#syncedLsn + 1), []);\n', scenario: 'wal, a sync fails after' },
  { name: 'after a failure rejected LSNs are not taken back', file: WRITER, from: '    this.#nextLsn = this.#ackedLsn + 1;\n', to: '', scenario: 'wal, a sync fails and' },
  { name: 'records claim to be synced', file: WRITER, from: '.frame(records, asLsn(this.#syncedLsn), this.#salt)', to: '.frame(records, asLsn(this.#nextLsn), this.#salt)', scenario: 'wal, group commit' },
  { name: 'record checksums are not checked', file: 'src/wal/record.ts', from: '  return record.readUInt32LE(4) === recordChecksum(record, salt);\n', to: '  return salt !== undefined;\n', scenario: 'wal, one commit' },
  { name: 'a torn tail is taken for damage', file: READER, from: 'if (!this.done && !reader.atEnd) await reader.requireTornTail();', to: "if (!this.done && !reader.atEnd) throw reader.damage('bad');", scenario: 'wal, one commit' },
  { name: 'superseded records are replayed', file: READER, from: 'while (reader.nextLsn < next.firstLsn && !this.done) {', to: 'while (!reader.atEnd && !this.done) {', scenario: 'wal, a sync fails and' },
  { name: 'a torn tail is not cut', file: 'src/wal/open-wal.ts', from: '  await rewriteTail(env, dir, tail, header);\n  return { file: await openOwnFile(env, dir, header, syncMode),', to: "  return { file: await env.open(tail.file.path, syncMode === 'always' ? 'durable' : 'update'),", scenario: 'wal, group commit' },
  { name: 'a log file is trimmed one record early', file: 'src/wal/wal-files.ts', from: 'next.firstLsn <= flushedLsn + 1', to: 'next.firstLsn <= flushedLsn + 2', scenario: 'index, flush' },
  {
    name: 'CURRENT before its manifest',
    file: STORE,
    from: '    await writeFileAtomic(this.#env, this.#dir, manifestFile(manifest.generation), bytes);\n',
    to: '    await writeFileAtomic(this.#env, this.#dir, CURRENT_FILE, encodeCurrent(currentFor(manifest.generation, manifest.epoch, bytes)));\n    await writeFileAtomic(this.#env, this.#dir, manifestFile(manifest.generation), bytes);\n',
    scenario: 'index, flush',
  },
  {
    name: 'garbage is collected before the commit point',
    file: STORE,
    from: '    this.#known.push(current);\n',
    to: '    this.#known.push(current);\n    await collectGarbage(this.#env, this.#dir, new Set([manifestFile(manifest.generation), ...filesOf(manifest)]));\n',
    scenario: 'index, compaction',
  },
  { name: 'garbage collection forgets what is kept', file: 'src/manifest/garbage.ts', from: ' && !keep.has(name)', to: '', scenario: 'index, flush' },
  {
    name: 'tombstones are not synced',
    file: 'src/manifest/tombstone-file.ts',
    from: '  await writeFileAtomic(env, dir, file, bytes);\n',
    to: `  if ((await env.stat(join(dir, file))) !== null) await env.unlink(join(dir, file));
  const quick = await env.open(join(dir, file), 'create');
  await quick.write(bytes, 0);
  await quick.close();
`,
    scenario: 'index, tombstones',
  },
  { name: 'garbage is collected after a publish of unknown outcome', file: STORE, from: '    this.#mayDelete = false;\n', to: '', scenario: 'errors' },
  { name: 'a file stays open after an error', file: ATOMIC, from: "    await file.close().catch(() => undefined); // the first error is the one that matters\n", to: '', scenario: 'errors' },
  { name: 'a failed append is acknowledged', file: WRITER, from: '    for (const entry of [...group, ...this.#queue.splice(0)]) entry.reject(failure);\n', to: "    for (const entry of [...group, ...this.#queue.splice(0)]) entry.kind === 'append' ? entry.resolve({ lsn: entry.lsn, durable: true }) : entry.reject(failure);\n", scenario: 'errors' },
  { name: 'a new index directory is not synced into its parent', file: 'src/index/create.ts', from: '  await env.syncDir(dirname(dir));\n  const { writer }', to: '  const { writer }', scenario: 'commit, flush' },
  { name: 'metadata.json before the manifest', file: 'src/index/create.ts', from: '  const { contentVersions, embedder } = metadata;\n', to: '  await writeFileAtomic(env, dir, METADATA_FILE, encodeMetadata(metadata));\n  const { contentVersions, embedder } = metadata;\n', scenario: 'commit, flush' },
  { name: 'a flush forgets the deletes of older rows', file: 'src/index/publisher.ts', from: '  if (live === null || !hasAny(diedBetween(published, live, entry.docs))) return entry;\n', to: '  if (published !== live || !hasAny([])) return entry;\n', scenario: 'commit, flush' },
  { name: 'links of log files in a backup are not synced', file: 'src/backup/create.ts', from: '      await this.#env.syncDir(join(this.#dir, WAL_DIRECTORY));\n', to: '', scenario: 'backup, made' },
  { name: 'backup.json is written before the files it names', file: 'src/backup/create.ts', from: '      await this.#ownFiles();\n', to: '      await this.#finish(id, createdAt);\n      await this.#ownFiles();\n', scenario: 'backup, made' },
  { name: 'a backup is removed without first ceasing to be one', file: 'src/backup/shelf.ts', from: '  await moveFile(env, dir, dirname(dir), leaving);\n  await removeTree(env, join(dirname(dir), leaving));\n', to: '  await removeTree(env, dir);\n', scenario: 'backup, made' },
  { name: 'half-made backups are not swept', file: 'src/backup/shelf.ts', from: '    await removeTree(env, dir);\n    swept', to: '    swept', scenario: 'backup, made' },
  { name: 'a new shelf is not synced into its parent', file: 'src/backup/files.ts', from: '    await env.syncDir(parent);\n', to: '', scenario: 'backup, made' },
  { name: 'a restore swaps without an intent', file: 'src/backup/restoration.ts', from: '      await commitSwap(env, job, intent, lease);\n', to: '', scenario: 'backup, restored' },
  { name: 'a committed restore is not carried through at the start', file: 'src/engine.ts', from: '    engine.#unfinished = await resumeRestores(engine.#env, init.dataDir, init.lease);\n', to: '', scenario: 'backup, restored' },
  { name: 'the intent goes before the swap is durable', file: 'src/backup/swap.ts', from: '  if ((await env.stat(staged)) !== null) {\n', to: '  if ((await env.stat(staged)) !== null) {\n    await env.unlink(join(jobDir, SWAP_FILE));\n    await env.syncDir(jobDir);\n', scenario: 'backup, restored' },
  { name: 'leftovers of restores are not swept', file: 'src/backup/swap.ts', from: '    if (intent === null && error === null) await discard(env, jobDir);\n', to: '', scenario: 'backup, restored' },
  { name: 'a log file is trimmed before its place in the archive is safe', file: 'src/backup/archive.ts', from: '    await this.#env.syncDir(dir);\n', to: '', scenario: 'backup, archived' },
  { name: 'a log file is trimmed without being archived', file: 'src/wal/wal-files.ts', from: '    await options.beforeRemove?.(file);\n', to: '', scenario: 'backup, archived' },
  { name: 'a renaming without an intent', file: 'src/backup/rename.ts', from: '    await writeFileAtomic(env, dirname(this.#path), basename(this.#path), encodeTextFile(RENAME_WORD, this.intent));\n', to: '', scenario: 'backup, renamed' },
  { name: 'an unfinished renaming is not settled at the start', file: 'src/engine.ts', from: '    engine.#unsettled = await finishRenames(engine.#places);\n', to: '', scenario: 'backup, renamed' },
  { name: 'a new name is not written before it is acknowledged', file: 'src/backup/rename.ts', from: '    await write();\n', to: '    void write().catch(() => undefined);\n', scenario: 'backup, renamed' },
  { name: 'moved backups keep the former name', file: 'src/backup/rename.ts', from: '  await relabel(places, from, to);\n', to: '', scenario: 'backup, renamed' },
  { name: 'the intent of a renaming stays', file: 'src/backup/rename.ts', from: '  if ((await env.stat(path)) !== null) await env.unlink(path);\n', to: '', scenario: 'backup, renamed' },
];
