/** What one method is: its lane, its params, its handler. One table of these is the whole surface of the daemon. */
import type { MethodName, NotificationName, Notifications, ParamsOf, ResultOf } from '../protocol/methods.ts';
import type { ProgressValue } from '../protocol/types.ts';
import type { Schema } from './schema.ts';

/**
 * 'control' answers in every state of the daemon and touches no index; 'read' works on snapshots; 'write' changes an index.
 * Reads and writes are refused with NOT_SERVING (retryable) while the daemon starts or drains, and both keep it from idling.
 */
export type Lane = 'read' | 'write' | 'control';

/** The client of a request, as far as handlers may know it. */
export interface Session {
  readonly id: number;
  readonly clientName: string;
  readonly clientVersion: string;
  notify<N extends NotificationName>(method: N, params: Notifications[N]): void;
}

export interface RequestContext {
  readonly session: Session;
  /** Aborted when the client cancels or disconnects, and when the daemon's drain runs out of time. */
  readonly signal: AbortSignal;
  /** Sends `$/progress` with this token; nothing when there is no token. Rate-limited; a last value always goes out. */
  progress(token: string | undefined): (value: ProgressValue) => void;
}

export interface MethodDefinition<M extends MethodName = MethodName> {
  readonly lane: Lane;
  /** One sentence, for rpc/discover. */
  readonly summary: string;
  readonly params: Schema;
  readonly handler: (params: ParamsOf<M>, context: RequestContext) => Promise<ResultOf<M>>;
}

export type MethodTable = { readonly [M in MethodName]: MethodDefinition<M> };

/** A group of methods of one handler file. */
export type MethodGroup<M extends MethodName> = { readonly [K in M]: MethodDefinition<K> };

export function isMethodName(table: MethodTable, name: string): name is MethodName {
  return Object.hasOwn(table, name);
}
