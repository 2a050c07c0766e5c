/** The real engine behind the ports of the owners: pools of ingest workers and source trees. */
import { IngestPool, SourceTree, type Embedder, type IndexMetadata, type IngestEmbedder, type IngestRequest, type IngestResult, type VectorCache } from '../../src/api.ts';
import { isOwn, ownPaths } from '../watch/ignore-rules.ts';
import type { IngestPort, SourceTree as Tree } from './ports.ts';

export interface IngestInit {
  readonly workers: number;
  /** How documents get vectors; null: all indexes are lexical. `identity` is what new indexes are stamped with. */
  readonly embedding: { readonly embedder: IngestEmbedder; readonly identity: Embedder['identity'] } | null;
  readonly cache: VectorCache | null;
  readonly contentVersions: IndexMetadata['contentVersions'];
  /** Never indexed, wherever it lies. */
  readonly dataDir: string;
  readonly onCacheError?: (error: unknown) => void;
}

/** Owns its pools: close it after all owners are closed. */
export class EngineIngest implements IngestPort {
  readonly contentVersions: IndexMetadata['contentVersions'];
  readonly embedder: Embedder['identity'] | null;
  readonly #init: IngestInit;
  readonly #pool: IngestPool;
  /** Makes documents without vectors; exists only when an index wants them. */
  #lexical: IngestPool | null = null;

  constructor(init: IngestInit) {
    this.#init = init;
    this.contentVersions = init.contentVersions;
    this.embedder = init.embedding?.identity ?? null;
    this.#pool = this.#makePool(init.embedding?.embedder ?? null);
  }

  get capacity(): number {
    return this.#pool.capacity;
  }

  get stats(): IngestPool['stats'] {
    return this.#pool.stats;
  }

  ingest(request: IngestRequest, options: { readonly lexicalOnly: boolean }): Promise<IngestResult> {
    if (!options.lexicalOnly || this.embedder === null) return this.#pool.ingest(request);
    this.#lexical ??= this.#makePool(null);
    return this.#lexical.ingest(request);
  }

  async openTree(root: string): Promise<Tree> {
    const tree = await SourceTree.open(root);
    const own = ownPaths(root, [this.#init.dataDir]);
    return {
      async *crawl({ signal, unreadable }) {
        for await (const files of tree.crawl({ signal, skipped: unreadable })) {
          yield own.length === 0 ? files : files.filter((file) => !isOwn(file.path, own));
        }
      },
      isIgnored: (path) => isOwn(path, own) || !tree.accepts(path, 'file'),
    };
  }

  async close(): Promise<void> {
    await Promise.all([this.#pool.close(), this.#lexical?.close()]);
  }

  #makePool(embedder: IngestEmbedder | null): IngestPool {
    const { workers, cache, onCacheError } = this.#init;
    return new IngestPool({ workers, embedder, cache: embedder === null ? null : cache, onCacheError });
  }
}
