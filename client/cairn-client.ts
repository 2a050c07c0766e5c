/**
 * The client library: one typed method per protocol method.
 *
 *   import { connect } from 'cairn';
 *   const cairn = await connect({ clientName: 'my-editor' });
 *   const { hits } = await cairn.search({ root: '/home/me/project', query: 'where are sessions refreshed' });
 *   cairn.close();
 *
 * Every call may fail with a ClientError (`code`, `retryable`, `hint`). After the connection closed, every call fails with
 * DAEMON_UNREACHABLE: connect again. Options of each call: `signal` cancels it, `timeoutMs` limits it, `onProgress` follows it.
 */
import type { MethodName, Notifications, ParamsOf, ResultOf } from '../daemon/protocol/methods.ts';
import type { Connection, RequestOptions } from './connection.ts';
import type { ClientError } from './errors.ts';
import { connectOrSpawn } from './connect-or-spawn.ts';
import type { ConnectOptions, Session } from './connect-or-spawn.ts';

/** Connects to the daemon of the data directory and starts it if necessary. Errors as connectOrSpawn. */
export async function connect(options: ConnectOptions = {}): Promise<CairnClient> {
  return new CairnClient(await connectOrSpawn(options));
}

type Call<M extends MethodName> = (params: ParamsOf<M>, options?: RequestOptions) => Promise<ResultOf<M>>;
type CallWithoutParams<M extends MethodName> = (options?: RequestOptions) => Promise<ResultOf<M>>;

export class CairnClient {
  /** What the daemon said of itself. */
  readonly daemon: Session['hello'];
  readonly dataDir: string;
  readonly #connection: Connection;

  constructor(session: Session) {
    this.#connection = session.connection;
    this.daemon = session.hello;
    this.dataDir = session.endpoint.dataDir;
  }

  /** Any method by its protocol name. */
  request<M extends MethodName>(method: M, params: ParamsOf<M>, options?: RequestOptions): Promise<ResultOf<M>> {
    return this.#connection.request(method, params, options);
  }

  // search
  readonly search: Call<'search/query'> = (params, options) => this.request('search/query', params, options);
  readonly grep: Call<'search/grep'> = (params, options) => this.request('search/grep', params, options);
  readonly symbols: Call<'search/symbols'> = (params, options) => this.request('search/symbols', params, options);

  // graph
  readonly definition: Call<'graph/definition'> = (params, options) => this.request('graph/definition', params, options);
  readonly references: Call<'graph/references'> = (params, options) => this.request('graph/references', params, options);
  readonly callers: Call<'graph/callers'> = (params, options) => this.request('graph/callers', params, options);
  readonly callees: Call<'graph/callees'> = (params, options) => this.request('graph/callees', params, options);

  // indexes
  readonly createIndex: Call<'index/create'> = (params, options) => this.request('index/create', params, options);
  readonly openIndex: Call<'index/open'> = (params, options) => this.request('index/open', params, options);
  readonly listIndexes: CallWithoutParams<'index/list'> = (options) => this.request('index/list', {}, options);
  readonly indexStatus: Call<'index/status'> = (params, options) => this.request('index/status', params, options);
  readonly flushIndex: Call<'index/flush'> = (params, options) => this.request('index/flush', params, options);
  readonly verifyIndex: Call<'index/verify'> = (params, options) => this.request('index/verify', params, options);
  readonly repairIndex: Call<'index/repair'> = (params, options) => this.request('index/repair', params, options);
  readonly inspectIndex: Call<'index/inspect'> = (params, options) => this.request('index/inspect', params, options);
  readonly renameIndex: Call<'index/rename'> = (params, options) => this.request('index/rename', params, options);
  readonly deleteIndex: Call<'index/delete'> = (params, options) => this.request('index/delete', params, options);
  readonly rebuildIndex: Call<'index/rebuild'> = (params, options) => this.request('index/rebuild', params, options);

  // vector indexes: createIndex({ kind: 'vector', name, dimension, metric }), then records
  readonly putVectors: Call<'vectors/put'> = (params, options) => this.request('vectors/put', params, options);
  readonly getVectors: Call<'vectors/get'> = (params, options) => this.request('vectors/get', params, options);
  readonly deleteVectors: Call<'vectors/delete'> = (params, options) => this.request('vectors/delete', params, options);
  readonly searchVectors: Call<'vectors/search'> = (params, options) => this.request('vectors/search', params, options);
  readonly scanVectors: Call<'vectors/scan'> = (params, options) => this.request('vectors/scan', params, options);

  // backups
  readonly createBackup: Call<'backup/create'> = (params, options) => this.request('backup/create', params, options);
  readonly listBackups: Call<'backup/list'> = (params, options) => this.request('backup/list', params, options);
  readonly verifyBackup: Call<'backup/verify'> = (params, options) => this.request('backup/verify', params, options);
  readonly restoreBackup: Call<'backup/restore'> = (params, options) => this.request('backup/restore', params, options);
  readonly pruneBackups: Call<'backup/prune'> = (params, options) => this.request('backup/prune', params, options);

  readonly importIndex: Call<'index/import'> = (params, options) => this.request('index/import', params, options);

  readonly migrateIndexes: Call<'index/migrate'> = (params, options) => this.request('index/migrate', params, options);

  // the daemon
  readonly health: CallWithoutParams<'daemon/health'> = (options) => this.request('daemon/health', {}, options);
  readonly status: CallWithoutParams<'daemon/status'> = (options) => this.request('daemon/status', {}, options);
  readonly metrics: CallWithoutParams<'daemon/metrics'> = (options) => this.request('daemon/metrics', {}, options);
  readonly config: Call<'config/get'> = (params, options) => this.request('config/get', params, options);
  readonly discover: CallWithoutParams<'rpc/discover'> = (options) => this.request('rpc/discover', {}, options);
  /** Asks the daemon to drain and end; it answers first and closes the connection when it is done. */
  readonly shutdown: Call<'shutdown'> = (params, options) => this.request('shutdown', params, options);

  /** Only kinds that were asked for in `connect({ notifications })` arrive, and $/progress. Returns how to stop. */
  onNotification<N extends keyof Notifications>(method: N, handler: (params: Notifications[N]) => void): () => void {
    return this.#connection.onNotification(method, handler);
  }

  /** Resolves, with the reason, when the connection is closed. */
  get closed(): Promise<ClientError> {
    return this.#connection.closed;
  }

  close(): void {
    this.#connection.close();
  }
}
