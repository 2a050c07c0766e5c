/**
 * The one table of method names with the types of their params and results. The daemon's dispatch table, the client's methods,
 * `rpc/discover` and PROTOCOL.md are all checked against it. Imports types only.
 */
import type * as T from './types.ts';

export interface Methods {
  initialize: { readonly params: T.InitializeParams; readonly result: T.InitializeResult };
  shutdown: { readonly params: T.ShutdownParams; readonly result: T.ShutdownResult };
  'daemon/health': { readonly params: T.EmptyParams; readonly result: T.HealthResult };
  'daemon/status': { readonly params: T.EmptyParams; readonly result: T.DaemonStatus };
  'daemon/metrics': { readonly params: T.EmptyParams; readonly result: T.MetricsResult };
  'config/get': { readonly params: T.ConfigGetParams; readonly result: T.ConfigGetResult };
  'rpc/discover': { readonly params: T.EmptyParams; readonly result: T.DiscoverResult };
  /** A new index; ALREADY_EXISTS when the root or the name has one. */
  'index/create': { readonly params: T.IndexCreateParams; readonly result: T.IndexRunResult };
  /** Create or get by root; with `wait`, answers when the index covers the tree. */
  'index/open': { readonly params: T.IndexOpenParams; readonly result: T.IndexRunResult };
  'index/list': { readonly params: T.EmptyParams; readonly result: T.IndexListResult };
  'index/status': { readonly params: T.IndexRef; readonly result: T.IndexStatus };
  'index/flush': { readonly params: T.IndexRef; readonly result: T.IndexFlushResult };
  'index/verify': { readonly params: T.IndexVerifyParams; readonly result: T.IndexVerifyResult };
  'index/repair': { readonly params: T.IndexRepairParams; readonly result: T.IndexRepairResult };
  'index/inspect': { readonly params: T.IndexInspectParams; readonly result: T.IndexInspectResult };
  'index/delete': { readonly params: T.IndexDeleteParams; readonly result: T.IndexDeleteResult };
  /** The data, the backups and whoever searches go on; only the name changes. */
  'index/rename': { readonly params: T.IndexRenameParams; readonly result: T.IndexRenameResult };
  'index/rebuild': { readonly params: T.IndexRebuildParams; readonly result: T.IndexRunResult };
  /** A hot backup: the state of one moment, while changes go on. */
  'backup/create': { readonly params: T.BackupCreateParams; readonly result: T.BackupCreateResult };
  'backup/list': { readonly params: T.IndexRef; readonly result: T.BackupListResult };
  'backup/verify': { readonly params: T.BackupVerifyParams; readonly result: T.BackupVerifyResult };
  'backup/restore': { readonly params: T.BackupRestoreParams; readonly result: T.BackupRestoreResult };
  'backup/prune': { readonly params: T.BackupPruneParams; readonly result: T.BackupPruneResult };
  'search/query': { readonly params: T.SearchParams; readonly result: T.SearchResultWire };
  'search/grep': { readonly params: T.GrepParams; readonly result: T.GrepResult };
  'search/symbols': { readonly params: T.SymbolsParams; readonly result: T.SymbolsResult };
  'index/import': { readonly params: T.IndexImportParams; readonly result: T.IndexImportResult };
  'index/migrate': { readonly params: T.IndexMigrateParams; readonly result: T.IndexMigrateResult };
  'vectors/put': { readonly params: T.VectorsPutParams; readonly result: T.VectorsWriteResult };
  'vectors/get': { readonly params: T.VectorsGetParams; readonly result: T.VectorsGetResult };
  'vectors/delete': { readonly params: T.VectorsDeleteParams; readonly result: T.VectorsWriteResult };
  'vectors/search': { readonly params: T.VectorsSearchParams; readonly result: T.VectorsSearchResult };
  'vectors/scan': { readonly params: T.VectorsScanParams; readonly result: T.VectorsScanResult };
  'graph/definition': { readonly params: T.GraphParams; readonly result: T.DefinitionResult };
  'graph/references': { readonly params: T.GraphParams; readonly result: T.ReferencesResult };
  'graph/callers': { readonly params: T.GraphParams; readonly result: T.ReferencesResult };
  'graph/callees': { readonly params: T.GraphParams; readonly result: T.CalleesResult };
}

export type MethodName = keyof Methods;
export type ParamsOf<M extends MethodName> = Methods[M]['params'];
export type ResultOf<M extends MethodName> = Methods[M]['result'];

export interface Notifications {
  /** daemon → client, to clients that asked for it in `initialize`. */
  'index/changed': T.IndexChanged;
  /** daemon → client, for a request that carried a `progressToken`. */
  '$/progress': T.ProgressParams;
  /** client → daemon. */
  '$/cancelRequest': T.CancelParams;
}
export type NotificationName = keyof Notifications;

const METHOD_SET: Readonly<Record<MethodName, true>> = {
  initialize: true, shutdown: true,
  'daemon/health': true, 'daemon/status': true, 'daemon/metrics': true,
  'config/get': true, 'rpc/discover': true,
  'index/create': true, 'index/open': true, 'index/list': true, 'index/status': true, 'index/flush': true,
  'index/verify': true, 'index/repair': true, 'index/inspect': true, 'index/rename': true, 'index/delete': true, 'index/rebuild': true,
  'backup/create': true, 'backup/list': true, 'backup/verify': true, 'backup/restore': true, 'backup/prune': true,
  'search/query': true, 'search/grep': true, 'search/symbols': true,
  'index/import': true, 'index/migrate': true, 'vectors/put': true, 'vectors/get': true, 'vectors/delete': true, 'vectors/search': true, 'vectors/scan': true,
  'graph/definition': true, 'graph/references': true, 'graph/callers': true, 'graph/callees': true,
};
/** All method names, complete by construction. */
export const METHOD_NAMES: readonly MethodName[] = Object.keys(METHOD_SET) as MethodName[];
