/**
 * The only door of the engine library: what the daemon (and a program that embeds the engine) may use. Everything else below
 * src/ is internal and may change.
 */

// errors and ids
export { CairnError, isCairnError, type CairnErrorInit, type ErrorCode } from './util/errors.ts';
export { asEpoch, asGeneration, asLsn, asSegmentId, type Epoch, type Generation, type Lsn, type SegmentId } from './util/ids.ts';
export type { Bitset } from './util/bitset.ts';

// threads
export { endThread } from './util/end-thread.ts';
export { startWatchdog } from './util/watchdog.ts';

// storage
export { Engine, type Deleted, type EngineInit, type EngineMemory, type IndexEntry } from './engine.ts';
export type { AdoptReport, AdoptRequest } from './import/adopt.ts';
export type { BuildRequest } from './import/build.ts';
export { FOREIGN_LAYOUTS, type ForeignLayout, type ForeignPlan, type ForeignRequest } from './import/foreign.ts';
export { ForeignImport, type ForeignImportInit } from './import/foreign-import.ts';
export type { ImportReport, ImportWarning, Refusal } from './import/report.ts';
export type { MigrationReport } from './import/migrate.ts';
export type { IndexDefinition } from './index/metadata.ts';
export type { BackupCause, BackupRecord } from './backup/backup-record.ts';
export type { BackupInfo, BackupList, BackupProgress, Backups, BackupWatch, PruneResult } from './backup/backups.ts';
export type { RetentionRules } from './backup/prune.ts';
export type { RestoreRequest, RestoreResult } from './backup/restoration.ts';
export { DEFAULT_INDEX_OPTIONS, indexOptions, MAX_BATCH_BYTES } from './index/options.ts';
export { describeLoss, isDamage } from './index/damage.ts';
export type { Loss } from './manifest/manifest.ts';
export { documentsOf, languagesOf, type DocumentRow, type LanguageCount } from './index/contents.ts';
export type { PartView, Snapshot } from './index/snapshot.ts';
export type {
  Batch, CommitResult, Damage, DurableIndex, IndexKind, IndexMetadata, IndexOptions, IndexStats, Metric, PersistResult,
  QuarantinedFile, RecoveryReport, RepairAction, RepairReport, ScrubPosition, ScrubStep, SegmentInfo, SyncMode, VerifyReport, WriterLease,
} from './index/types.ts';
export type { ChunkRow, EdgeRow, Field, IndexPart, Postings, SymbolRow, TermReader } from './segment/part.ts';
export { nodeEnv } from './env/node-env.ts';
export type { Clock, Env, EnvFile, FileStat, Random } from './env/env.ts';

// documents
export type { ChunkKind, ChunkRecord, DocRecord, EdgeKind, EdgeRecord, SourceStamp, SymbolKind, SymbolRecord } from './format/doc.ts';
export { decodeDoc, DOC_LIMITS, encodeDoc, peekDocHeader, type DocHeader } from './format/doc-codec.ts';

export { encodeVectorRecord, firstNotFinite, recordId, recordKey, type RecordId, type VectorRecord } from './format/vector-record.ts';

// ingest
export {
  CHUNKER_VERSION, IngestPool, isSecretPath, LANGUAGE_IDS, languageNamed, languageOfPath, PARSED_LANGUAGES, projectTermsOf, SourceTree,
  type CrawledFile, type CrawlOptions, type IngestEmbedder, type IngestPoolOptions, type IngestPoolStats, type IngestRequest, type IngestResult, type SourceTreeOptions,
} from './ingest/index.ts';
export { TOKENIZER_VERSION } from './text/index.ts';

// embedding
export type { Embedder, EmbedderIdentity, VectorCache } from './embed/embedder.ts';
export { CODE_TEMPLATE } from './embed/text-template.ts';
export { BUILT_IN_MODEL, createStaticEmbedder, embedderFromShared, StaticEmbedder } from './embed/static-embedder.ts';
export { DeferredVectorCache } from './embed/deferred-cache.ts';
export { cacheDirectory, FileVectorCache, type VectorCacheOptions, type VectorCacheStats } from './embed/vector-cache.ts';

// search
export { grep, type GrepMatch, type GrepRequest, type GrepResult } from './query/grep.ts';
export { exactScore, nearest, type NearestHit, type NearestRequest, type NearestResult } from './query/nearest.ts';
export { pathQueryText } from './query/query-plan.ts';
export { scratchBytes } from './query/scratch.ts';
export { search } from './query/search.ts';
export type { QueryVectors } from './query/semantic.ts';
export { searchSymbols, type SymbolHit, type SymbolMatch, type SymbolRequest } from './query/symbols.ts';
export type { Lane, LaneReport, SearchFilters, SearchHit, SearchRequest, SearchResult } from './query/types.ts';
