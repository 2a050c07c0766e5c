/** What the watch worker needs of the engine, by itself: all modules behind api.ts would be half of the memory of this thread. */
export { SourceTree } from '../../src/ingest/discovery/source-tree.ts';
export { releaseMemory } from '../../src/util/release-memory.ts';
