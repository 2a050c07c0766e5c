/**
 * backup.json: what a backup holds. Written last, so that a directory without it is no backup. Plain JSON for people and other
 * programs; its own checksum is in it, and a file that is not byte for byte what this module writes is CORRUPT.
 * Names of files are parsed, never trusted: none leads out of the directory.
 */
import { BACKUP_LAYOUT, MAX_BACKUP_FILES } from '../format/constants.ts';
import { METADATA_FILE, CURRENT_FILE, parseFileName, WAL_DIRECTORY } from '../format/file-names.ts';
import { JsonFields } from '../format/json-fields.ts';
import type { IndexKind } from '../index/types.ts';
import { checksumHex, crc32 } from '../util/crc32.ts';
import { CairnError } from '../util/errors.ts';
import { asGeneration, asLsn, type Generation, type Lsn } from '../util/ids.ts';

export const BACKUP_FILE = 'backup.json';

export type BackupCause = 'manual' | 'scheduled' | 'pre-restore';
export const BACKUP_CAUSES: readonly BackupCause[] = ['manual', 'scheduled', 'pre-restore'];

/** 'link': a hard link to an immutable file of the index or of an earlier backup; 'copy': bytes of its own. */
export type FileOrigin = 'link' | 'copy';

export interface BackupFile {
  /** metadata.json, CURRENT, manifest-<gen>, a segment, a tombstone file, or wal/<lsn>.wal */
  readonly name: string;
  readonly bytes: number;
  /** crc32 of the whole file, eight hex digits. */
  readonly checksum: string;
  readonly made: FileOrigin;
}

export interface BackupRecord {
  /** `<time>-<lsn>`, the name of its directory. */
  readonly id: string;
  readonly index: string;
  readonly kind: IndexKind;
  readonly cause: BackupCause;
  /** By the clock, which can be set back: for people, and for retention by age. */
  readonly createdAt: string;
  /** One more than that of the newest backup of the index; 0 in backups of before there were numbers. The order of backups. */
  readonly sequence: number;
  readonly timeline: string;
  /** The state is that after this batch. */
  readonly lsn: Lsn;
  /** Batches up to here are in segments, the others in the log files. */
  readonly flushedLsn: Lsn;
  readonly generation: Generation;
  /** Live rows. */
  readonly docs: number;
  readonly chunks: number;
  readonly vectors: number;
  readonly files: readonly BackupFile[];
  /** The backup that files were shared with, if any. */
  readonly parent: string | null;
  /** Bytes that had to be written for it, this file not counted. */
  readonly bytesWritten: number;
  readonly complete: true;
}

const ID = /^[0-9]{8}T[0-9]{9}Z-[0-9]{1,16}$/;
export const INDEX_NAME = /^[a-z0-9][a-z0-9._-]{0,63}$/;
const TIMELINE = /^[0-9]{8}T[0-9]{9}Z$/;
const CHECKSUM = /^[0-9a-f]{8}$/;
const DAMAGED_HINT = 'It stays where it is and is not used; see the others with: cairn backup list';

export const isBackupId = (name: string): boolean => ID.test(name);
export const isIndexName = (name: string): boolean => INDEX_NAME.test(name);
export const isTimeline = (name: string): boolean => TIMELINE.test(name);
export const backupId = (timeName: string, lsn: Lsn): string => `${timeName}-${lsn}`;

export function encodeBackupRecord(record: BackupRecord): Buffer {
  return Buffer.from(textOf(record));
}

/** The checksum is that of the text without it. */
function textOf(record: BackupRecord): string {
  const content = JSON.stringify({ layout: BACKUP_LAYOUT, ...record }, null, 1);
  return `{\n "checksum": "${checksumHex(crc32(Buffer.from(content)))}",${content.slice(1)}\n`;
}

/** CORRUPT when a byte of it is not what was written, NEWER_FORMAT when a later cairn wrote it. */
export function decodeBackupRecord(bytes: Uint8Array, path: string): BackupRecord {
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('utf8');
  const fields = new JsonFields(parse(text, path), path);
  requireChecksum(text, fields.string('checksum', CHECKSUM), path);
  const layout = fields.count('layout');
  if (layout > BACKUP_LAYOUT) throw new CairnError('NEWER_FORMAT', `${path}: a backup of layout ${layout}, this cairn reads ${BACKUP_LAYOUT}`, { path, offset: 0, hint: 'Use the cairn version that made it, or a newer one.' });
  const record: BackupRecord = {
    id: fields.string('id', ID),
    index: fields.string('index', INDEX_NAME),
    kind: fields.oneOf('kind', ['code', 'vector'] as const),
    cause: fields.oneOf('cause', BACKUP_CAUSES),
    createdAt: fields.string('createdAt'),
    sequence: fields.optional('sequence', (name) => fields.count(name)) ?? 0,
    timeline: fields.string('timeline', TIMELINE),
    lsn: asLsn(fields.count('lsn')),
    flushedLsn: asLsn(fields.count('flushedLsn')),
    generation: asGeneration(fields.count('generation')),
    docs: fields.count('docs'),
    chunks: fields.count('chunks'),
    vectors: fields.count('vectors'),
    files: fields.list('files', decodeFile),
    parent: fields.nullable('parent', (name) => fields.string(name, ID)),
    bytesWritten: fields.count('bytesWritten'),
    complete: requireComplete(fields, path),
  };
  const problem = problemOf(record);
  if (problem !== null) throw new CairnError('CORRUPT', `${path}: ${problem}`, { path, offset: 0 });
  return record;
}

function parse(text: string, path: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new CairnError('CORRUPT', `${path}: the content is no JSON`, { path, offset: 0, cause, hint: DAMAGED_HINT });
  }
}

function requireChecksum(text: string, checksum: string, path: string): void {
  const head = `{\n "checksum": "${checksum}",`;
  const content = text.startsWith(head) && text.endsWith('\n') ? `{${text.slice(head.length, -1)}` : null;
  if (content === null || checksumHex(crc32(Buffer.from(content))) !== checksum) throw new CairnError('CORRUPT', `${path}: the file fails its checksum`, { path, offset: 0, hint: DAMAGED_HINT });
}

function requireComplete(fields: JsonFields, path: string): true {
  if (!fields.boolean('complete')) throw new CairnError('CORRUPT', `${path}: the backup is not complete`, { path, offset: 0 });
  return true;
}

function decodeFile(fields: JsonFields): BackupFile {
  return { name: fields.string('name', undefined, 128), bytes: fields.count('bytes'), checksum: fields.string('checksum', CHECKSUM), made: fields.oneOf('made', ['link', 'copy'] as const) };
}

/** The first contradiction, or null. */
function problemOf(record: BackupRecord): string | null {
  if (record.files.length > MAX_BACKUP_FILES) return `${record.files.length} files are more than ${MAX_BACKUP_FILES}`;
  if (record.flushedLsn > record.lsn) return `flushedLsn ${record.flushedLsn} is above LSN ${record.lsn}`;
  if (Number.isNaN(Date.parse(record.createdAt))) return 'createdAt is not a time';
  const names = new Set<string>();
  for (const { name } of record.files) {
    if (!isBackedUp(name)) return `${JSON.stringify(name)} is no name of a file of an index`;
    if (names.has(name)) return `${name} is named twice`;
    names.add(name);
  }
  const missing = [METADATA_FILE, CURRENT_FILE, `manifest-${record.generation}`].find((name) => !names.has(name));
  return missing === undefined ? null : `${missing} is missing`;
}

/** Names that a backup can hold; every part of them is one that cairn makes. */
function isBackedUp(name: string): boolean {
  if (name.startsWith(`${WAL_DIRECTORY}/`)) return parseFileName(name.slice(WAL_DIRECTORY.length + 1))?.kind === 'wal';
  return ['metadata', 'current', 'manifest', 'segment', 'tombstones'].includes(parseFileName(name)?.kind ?? '');
}
