/** What editor and tool authors import as `cairn`. */
export { CairnClient, connect } from './cairn-client.ts';
export { connectOrSpawn, endpointOf } from './connect-or-spawn.ts';
export type { ConnectOptions, Session } from './connect-or-spawn.ts';
export { Connection } from './connection.ts';
export type { ConnectionOptions, RequestOptions } from './connection.ts';
export { ClientError, isClientError } from './errors.ts';
export type * from '../daemon/protocol/types.ts';
export type { MethodName, Methods, Notifications, ParamsOf, ResultOf } from '../daemon/protocol/methods.ts';
