/**
 * Checks the files of a backup: exactly the ones that backup.json names, plain files, of the right length and checksum. A file
 * that fails is read again by its own format, to say where it is damaged. Reads only.
 */
import { join } from 'node:path';
import type { Env } from '../env/env.ts';
import { KIND_SEGMENT, MAX_CURRENT_BYTES, MAX_MANIFEST_BYTES } from '../format/constants.ts';
import { ContainerReader } from '../format/container-reader.ts';
import { parseFileName, WAL_DIRECTORY } from '../format/file-names.ts';
import { decodeTombstones } from '../format/tombstones.ts';
import { decodeMetadata } from '../index/metadata.ts';
import type { Damage } from '../index/types.ts';
import { decodeCurrent } from '../manifest/current.ts';
import { decodeManifest, filesOf, type Manifest } from '../manifest/manifest.ts';
import { CairnError, isCairnError } from '../util/errors.ts';
import { WalFileReader } from '../wal/wal-reader.ts';
import { BACKUP_FILE, type BackupFile, type BackupRecord } from './backup-record.ts';
import { sumFile, type Watch } from './files.ts';

export interface BackupCheck {
  readonly filesChecked: number;
  readonly bytesChecked: number;
  readonly damages: readonly Damage[];
}

export const totalBytes = (record: BackupRecord): number => record.files.reduce((sum, file) => sum + file.bytes, 0);

/** Every byte of every file, and that there is nothing else. */
export async function checkBackup(env: Env, dir: string, record: BackupRecord, watch: Watch): Promise<BackupCheck> {
  const damages: Damage[] = await strangers(env, dir, record);
  let bytesChecked = 0;
  for (const file of record.files) {
    const damage = await checkFile(env, dir, file, watch);
    if (damage === null) bytesChecked += file.bytes;
    else damages.push(damage);
  }
  if (damages.length === 0) damages.push(...(await contradictions(env, dir, record)));
  return { filesChecked: record.files.length, bytesChecked, damages };
}

/** All files are there with their lengths; no byte is read. */
export async function isComplete(env: Env, dir: string, record: BackupRecord): Promise<boolean> {
  for (const { name, bytes } of record.files) {
    const stat = await env.stat(join(dir, name));
    if (stat?.kind !== 'file' || stat.size !== bytes) return false;
  }
  return true;
}

/** What is in the directory and not named: never used, and a reason to distrust the rest. */
async function strangers(env: Env, dir: string, record: BackupRecord): Promise<Damage[]> {
  const known = new Set([BACKUP_FILE, WAL_DIRECTORY, ...record.files.map((file) => file.name)]);
  const wal = join(dir, WAL_DIRECTORY);
  const isDirectory = (await env.stat(wal))?.kind === 'directory';
  const names = [...(await env.readdir(dir)), ...(isDirectory ? (await env.readdir(wal)).map((name) => `${WAL_DIRECTORY}/${name}`) : [])];
  const found = names.filter((name) => !known.has(name)).map((name) => ({ file: join(dir, name), offset: null, what: `${join(dir, name)} is not part of the backup` }));
  return isDirectory ? found : [...found, { file: wal, offset: null, what: `${wal} is no directory` }];
}

async function checkFile(env: Env, dir: string, file: BackupFile, watch: Watch): Promise<Damage | null> {
  const path = join(dir, file.name);
  try {
    const stat = await env.stat(path);
    if (stat === null) return { file: path, offset: null, what: `${path} is missing` };
    if (stat.kind !== 'file') return { file: path, offset: null, what: `${path} is a ${stat.kind}, not a file` };
    if (stat.size !== file.bytes) return { file: path, offset: Math.min(stat.size, file.bytes), what: `${path} has ${stat.size} bytes, ${file.bytes} expected` };
    const { checksum } = await sumFile(env, path, watch);
    return checksum === file.checksum ? null : await locate(env, path, file);
  } catch (error) {
    if (!isCairnError(error) || error.code === 'CANCELLED') throw error;
    return { file: path, offset: error.offset ?? null, what: error.message };
  }
}

/** The file fails its checksum: its own format may know where. */
async function locate(env: Env, path: string, file: BackupFile): Promise<Damage> {
  try {
    await readByFormat(env, path, file);
  } catch (error) {
    if (!isCairnError(error) || error.code === 'CANCELLED') throw error;
    return { file: path, offset: error.offset ?? 0, what: error.message };
  }
  return { file: path, offset: 0, what: `${path}: the file fails its checksum (${file.checksum} expected)` };
}

async function readByFormat(env: Env, path: string, { name, bytes }: BackupFile): Promise<void> {
  const parsed = parseFileName(name.startsWith(`${WAL_DIRECTORY}/`) ? name.slice(WAL_DIRECTORY.length + 1) : name);
  switch (parsed?.kind) {
    case 'segment':
      return withFile(env, path, async (opened) => void (await (await ContainerReader.inspect(opened, { kind: KIND_SEGMENT, id: parsed.segment })).verifyAll()));
    case 'wal':
      return withFile(env, path, async (opened) => {
        const reader = await WalFileReader.open(opened, parsed.firstLsn, null);
        while ((await reader.next()) !== null);
        if (!reader.atEnd) throw reader.damage(`the record of LSN ${reader.nextLsn} is damaged`);
      });
    case 'tombstones':
      return void decodeTombstones(await env.readFile(path, bytes), path);
    case 'manifest':
      return void decodeManifest(await env.readFile(path, MAX_MANIFEST_BYTES), path);
    case 'current':
      return void decodeCurrent(await env.readFile(path, MAX_CURRENT_BYTES), path);
    default:
      return void decodeMetadata(await env.readFile(path, bytes), path);
  }
}

type OpenedFile = Awaited<ReturnType<Env['open']>>;

async function withFile(env: Env, path: string, use: (file: OpenedFile) => Promise<void>): Promise<void> {
  const file = await env.open(path, 'read');
  try {
    await use(file);
  } finally {
    await file.close();
  }
}

/** What the manifest says against what backup.json says; both are whole by their checksums. */
async function contradictions(env: Env, dir: string, record: BackupRecord): Promise<Damage[]> {
  const path = join(dir, `manifest-${record.generation}`);
  try {
    const manifest = await readManifest(env, dir, record);
    const names = new Set(record.files.map((file) => file.name));
    const missing = filesOf(manifest).find((name) => !names.has(name));
    if (missing !== undefined) throw new CairnError('CORRUPT', `${path} names ${missing}, which is not part of the backup`, { path, offset: 0 });
    return [];
  } catch (error) {
    if (!isCairnError(error)) throw error;
    return [{ file: path, offset: error.offset ?? null, what: error.message }];
  }
}

export async function readManifest(env: Env, dir: string, record: BackupRecord): Promise<Manifest> {
  const path = join(dir, `manifest-${record.generation}`);
  const manifest = decodeManifest(await env.readFile(path, MAX_MANIFEST_BYTES), path);
  if (manifest.generation !== record.generation || manifest.flushedLsn !== record.flushedLsn) throw new CairnError('CORRUPT', `${path} is not the manifest of backup ${record.id}`, { path, offset: 0 });
  return manifest;
}
