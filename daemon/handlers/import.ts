/** index/import: takes an index in from a directory or file. Thin: daemon/owner/importer.ts does the work. */
import { field, params } from '../rpc/schema.ts';
import type { MethodGroup } from '../rpc/table.ts';
import { round } from './convert.ts';
import type { Services } from './services.ts';

const LAYOUTS = ['cairn', 'codanna', 'dvecdb', 'trusty'] as const;

export function importMethods(services: Services): MethodGroup<'index/import' | 'index/migrate'> {
  return {
    'index/import': {
      lane: 'write',
      summary: 'Makes a new index of an index directory that is not listed, or of another program\'s data; all of it, or none.',
      params: params({
        path: field.path(), from: field.oneOf(LAYOUTS).optional(), name: field.indexName().optional(), root: field.path().optional(),
        kind: field.oneOf(['code', 'vector']).optional(), dimension: field.integer(0, 16_384).optional(), metric: field.oneOf(['cosine', 'dot', 'euclidean']).optional(),
        progressToken: field.progressToken().optional(),
      }),
      handler: async ({ from = 'cairn', progressToken, ...request }, context) => {
        const started = performance.now();
        const { metadataFrom, ...outcome } = await services.importer.import({ ...request, from, signal: context.signal, onProgress: context.progress(progressToken) });
        return { ...outcome, from, ...(metadataFrom === null ? {} : { metadataFrom }), tookMs: round(performance.now() - started) };
      },
    },
    'index/migrate': {
      lane: 'write',
      summary: 'Brings the metadata.json of indexes of an older schema to the present one, keeping the old file.',
      params: params({ index: field.indexName().optional(), dryRun: field.flag().optional() }),
      handler: async ({ index, dryRun = false }) => {
        const { migrated, failed } = await services.importer.migrate({ name: index, dryRun });
        return {
          dryRun,
          migrated: migrated.map(({ directory, from, to, steps, backup, metadata }) => ({ index: metadata.name, path: directory, from, to, steps, backup, metadata: { ...metadata } })),
          failed: failed.map(({ path, code, message }) => ({ path: path ?? '', code, reason: message })),
        };
      },
    },
  };
}
