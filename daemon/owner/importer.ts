/**
 * Imports: index directories of cairn that nobody lists, and the three foreign layouts. Decides names and roots; reading is done
 * by the engine's import worker, building and publishing by the engine. Either a whole new index is there afterwards, or none.
 */
import { basename } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import { ForeignImport, type DurableIndex, type ForeignLayout, type IndexDefinition, type StaticEmbedder, type VectorCache } from '../../src/api.ts';
import { CairnError } from '../errors.ts';
import type { ImportOutcome, ImportRequest, IndexImporter, IndexOwners } from '../handlers/services.ts';
import type { EnginePort, IngestPort, OwnerLog } from './ports.ts';
import { canonical, checkRoot, nameFor } from './root-path.ts';

export interface ImporterServices {
  readonly engine: EnginePort;
  readonly owners: IndexOwners;
  readonly embedder: StaticEmbedder | null;
  readonly cache: VectorCache | null;
  readonly contentVersions: IngestPort['contentVersions'];
  readonly log: OwnerLog;
}

export class Importer implements IndexImporter {
  readonly #services: ImporterServices;

  constructor(services: ImporterServices) {
    this.#services = services;
  }

  async import(request: ImportRequest): Promise<ImportOutcome> {
    const path = await canonical(request.path);
    const root = request.root === undefined ? undefined : await this.#freeRoot(request.root);
    const outcome = request.from === 'cairn' ? await this.#adopt({ ...request, path, root }) : await this.#foreign(request.from, { ...request, path, root });
    await this.#services.owners.resolve({ index: outcome.index });
    this.#services.log.info('index.imported', { index: outcome.index, from: request.from, path, taken: outcome.taken, refused: outcome.refused.length });
    return outcome;
  }

  migrate(options: { readonly name?: string | undefined; readonly dryRun: boolean }): ReturnType<IndexImporter['migrate']> {
    return this.#services.engine.migrate(options);
  }

  async #freeRoot(wanted: string): Promise<string> {
    const root = await checkRoot(wanted);
    const same = this.#services.engine.list().find(({ metadata }) => metadata?.sourceRoot === root);
    if (same === undefined) return root;
    throw new CairnError('ALREADY_EXISTS', `${root} is indexed already, as '${same.name}'`, { path: root, hint: `Delete that index first, or import without --root.` });
  }

  async #adopt({ path, name, root, kind, dimension, metric, signal }: ImportRequest): Promise<ImportOutcome> {
    const report = await this.#services.engine.adopt({ path, name, root, kind, dimension, metric, signal });
    const warnings = [
      ...report.warnings.map((message) => ({ code: 'NOT_FOUND' as const, message })),
      ...(report.left.length === 0 ? [] : [{ code: 'UNSUPPORTED' as const, message: `left where they are, as no files of an index: ${report.left.slice(0, 10).join(', ')}${report.left.length > 10 ? ` and ${report.left.length - 10} more` : ''}`, found: report.left.length }]),
    ];
    return { index: report.name, kind: report.kind, documents: report.docs, taken: report.chunks, refused: [], warnings, embedded: 0, cached: 0, metadataFrom: report.metadataFrom };
  }

  async #foreign(layout: ForeignLayout, request: ImportRequest): Promise<ImportOutcome> {
    const { path, name, dimension, metric, signal, kind } = request;
    const { cache, log } = this.#services;
    if (kind !== undefined) throw new CairnError('INVALID_ARGUMENT', `kind: a ${layout} layout decides it`);
    const embedder = layout === 'trusty' ? this.#requireEmbedder(request) : null;
    if (layout !== 'trusty' && request.root !== undefined) throw new CairnError('INVALID_ARGUMENT', `root: a ${layout} layout becomes a vector index, which has no source root`);
    const foreign = await ForeignImport.open({
      request: { layout, path, name, dimension, metric }, embedder, cache, signal, onCacheError: (error) => log.warn('cache.failed', { err: error }),
    });
    try {
      const definition = this.#definition(foreign, request);
      const counts = { embedded: 0, cached: 0 };
      await this.#services.engine.build({ definition, origin: path, fill: (index) => fill(index, foreign, request, counts) });
      const { report, documents } = foreign.result;
      return { index: definition.name, kind: definition.kind, documents, ...report, ...counts, metadataFrom: null };
    } finally {
      await foreign.close();
    }
  }

  #definition({ plan }: ForeignImport, { path, name, root }: ImportRequest): IndexDefinition {
    const { engine, embedder, contentVersions } = this.#services;
    const taken = new Set(engine.list().map((entry) => entry.name));
    if (name !== undefined && taken.has(name)) throw new CairnError('ALREADY_EXISTS', `there is an index '${name}' already`, { hint: 'Choose another name: --name NAME.' });
    const free = name ?? nameFor(plan.name ?? basename(path).replace(/\.json$/i, ''), (candidate) => taken.has(candidate));
    if (plan.kind === 'code') return { name: free, kind: 'code', dimension: embedder?.identity.dimension ?? 0, embedder: embedder?.identity ?? null, sourceRoot: root ?? null, contentVersions };
    const { dimension, metric, embedder: theirs, indexConfig } = plan;
    return { name: free, kind: 'vector', dimension, distanceMetric: metric, embedder: theirs, sourceRoot: null, contentVersions, ...(indexConfig === null ? {} : { indexConfig }) };
  }

  /** Dimension and metric of a code index are those of its embedder. */
  #requireEmbedder({ dimension, metric }: ImportRequest): StaticEmbedder {
    if (dimension !== undefined || metric !== undefined) throw new CairnError('INVALID_ARGUMENT', `${dimension === undefined ? 'metric' : 'dimension'}: chunks are embedded here, which decides it`);
    const { embedder } = this.#services;
    if (embedder === null) throw new CairnError('EMBEDDER_FAILED', 'there is no embedder to make vectors for the chunks', { hint: 'Mend the setting embedder.model.' });
    return embedder;
  }
}

/** Documents of one batch are one commit; segments are made as the memtable fills. */
async function fill(index: DurableIndex, foreign: ForeignImport, { signal, onProgress }: ImportRequest, counts: { embedded: number; cached: number }): Promise<number> {
  let chunks = 0;
  for await (const { docs, doneBytes, embedded, cached } of foreign.batches()) {
    signal.throwIfAborted();
    if (docs.length > 0) await index.commit({ puts: docs, deletes: [] });
    if (index.wantsPersist) await index.persist('import');
    counts.embedded += embedded;
    counts.cached += cached;
    chunks += docs.length;
    onProgress?.({ phase: 'index', done: doneBytes, total: foreign.totalBytes, unit: 'bytes', chunks });
    await setImmediate();
  }
  const { report, documents } = foreign.result;
  if (documents === 0 && report.refused.length > 0) {
    const [first] = report.refused;
    throw new CairnError('CORRUPT', `nothing could be taken: ${first?.reason} (${first?.count}, for example ${first?.examples[0]})`, { hint: 'No index was made.' });
  }
  return documents;
}
