/**
 * Every number that stands in a file, once. Reader, writer and tests import it; FORMAT.md explains it, and a test pins the
 * hash of this file to the document so that the two change together. Tags and types are never reused.
 *
 * Three kinds of version:
 *   layout   how bytes are arranged; a reader refuses a file whose `minReader` is above its own LAYOUT version (NEWER_FORMAT)
 *   content  what the rows mean (chunker, tokenizer): in metadata.json and the manifest, rows of older versions are stale
 *   window   MIN_READABLE_*: oldest layout that this program still reads
 *
 * History (one line per bump):
 *   1  first format
 *   WAL 2  the header names the log that the file belongs to; readers of 1 do not look there
 */

/** Container: segments. */
export const CONTAINER_MAGIC = 'CAIRNBOX';
export const CONTAINER_END_MAGIC = 'CAIRNEND';
export const CONTAINER_LAYOUT = 1;
export const MIN_READABLE_CONTAINER = 1;
export const CONTAINER_HEADER_BYTES = 64;
export const CONTAINER_FOOTER_BYTES = 64;
export const SECTION_ALIGNMENT = 64;
export const TOC_ENTRY_BYTES = 32;
export const MAX_SECTIONS = 1024;
/** A reader that does not know the section may ignore it. */
export const SECTION_FLAG_OPTIONAL = 1;
/** Kinds of container. */
export const KIND_SEGMENT = 1;

/** Write-ahead log. */
export const WAL_MAGIC = 'CAIRNWAL';
export const WAL_LAYOUT = 2;
export const MIN_READABLE_WAL = 1;
export const WAL_HEADER_BYTES = 64;
export const WAL_RECORD_HEADER_BYTES = 24;
export const WAL_ALIGNMENT = 8;
export const MAX_WAL_PAYLOAD_BYTES = 256 * 1024 * 1024;
/** Types below this one must be understood and take an LSN; from here on a reader may skip what it does not know. */
export const WAL_OPTIONAL_FROM = 128;
export const WAL_TYPE_BATCH = 1;
/** Last record of a file that was closed in order: everything before it was synced. */
export const WAL_TYPE_SEAL = 128;
/** When the batches behind it were logged; written for logs that are archived. */
export const WAL_TYPE_TIME = 129;

/** Tombstone files. */
export const TOMBSTONE_MAGIC = 'CAIRNTMB';
export const TOMBSTONE_LAYOUT = 1;
export const TOMBSTONE_HEADER_BYTES = 32;
export const TOMBSTONE_LIST = 0;
export const TOMBSTONE_BITMAP = 1;
export const MAX_SEGMENT_DOCS = 0x7fff_ffff;

/** Text files: one header line `<word> <layout> <bytes> <crc32>`, then JSON. */
export const MANIFEST_WORD = 'cairn-manifest';
export const CURRENT_WORD = 'cairn-current';
export const TEXT_LAYOUT = 1;
export const MIN_READABLE_TEXT = 1;
export const MAX_MANIFEST_BYTES = 64 * 1024 * 1024;
export const MAX_CURRENT_BYTES = 4096;

/** Backups: backup.json, and the intents of a restore and of a renaming. */
export const BACKUP_LAYOUT = 1;
export const MAX_BACKUP_RECORD_BYTES = 64 * 1024 * 1024;
export const MAX_BACKUP_FILES = 100_000;
export const SWAP_WORD = 'cairn-swap';
export const RENAME_WORD = 'cairn-rename';

export const METADATA_SCHEMA = 1;
export const MAX_METADATA_BYTES = 1024 * 1024;
