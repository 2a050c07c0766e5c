/** What other parts use of ingestion. */
export { CHUNKER_VERSION } from './chunking/chunker.ts';
export { projectTermsOf } from './discovery/repository.ts';
export { SourceTree, type CrawlOptions, type SourceTreeOptions } from './discovery/source-tree.ts';
export { isSecretPath } from './guards/paths.ts';
export { LANGUAGE_IDS, languageNamed, languageOfPath, PARSED_LANGUAGES } from './languages.ts';
export { IngestPool, type IngestEmbedder, type IngestPoolOptions, type IngestPoolStats } from './pool.ts';
export type { CrawledFile, IngestRequest, IngestResult } from './types.ts';
