/** Methods about the daemon itself. None of them touches an index, waits, or can fail because an index is in trouble. */
import { CairnError } from '../errors.ts';
import { PROTOCOL_MIN, PROTOCOL_VERSION, type InitializeParams, type InitializeResult, type ShutdownParams, type ShutdownResult, type DaemonStatus, type HealthResult } from '../protocol/types.ts';
import { compareVersions } from '../protocol/versions.ts';
import { openRpcDocument } from '../rpc/discover.ts';
import { field, params } from '../rpc/schema.ts';
import type { MethodGroup, MethodTable, RequestContext } from '../rpc/table.ts';
import { summaries } from './convert.ts';
import type { DaemonInfo, Services } from './services.ts';

type ServiceMethod = 'initialize' | 'shutdown' | 'daemon/health' | 'daemon/status' | 'daemon/metrics' | 'config/get' | 'rpc/discover';

/** Things that a client may find missing in an older daemon. */
const CAPABILITIES = ['progress', 'cancel', 'index/changed', 'search/explain', 'search/fresh', 'graph'] as const;

export function serviceMethods(services: Services, table: () => MethodTable): MethodGroup<ServiceMethod> {
  const { info, config, metrics } = services;
  return {
    initialize: {
      lane: 'control',
      summary: 'Authenticates the client and agrees on a protocol version; the first request of every connection.',
      params: params({
        clientName: field.text(128, 1), clientVersion: field.text(64, 1), token: field.text(256, 1),
        protocol: field.object({ min: field.integer(0, 1_000_000), max: field.integer(0, 1_000_000) }),
        notifications: field.list(field.oneOf(['index/changed']), 8).optional(),
      }),
      handler: async (request) => initialize(info, request),
    },
    shutdown: {
      lane: 'control',
      summary: 'Drains the daemon and ends its process.',
      params: params({ reason: field.oneOf(['user', 'handover']).optional() }),
      handler: async (request, context) => shutdown(info, request, context),
    },
    'daemon/health': {
      lane: 'control',
      summary: 'Says whether the daemon serves; never waits for anything.',
      params: params({}),
      handler: async () => health(info),
    },
    'daemon/status': {
      lane: 'control',
      summary: 'State, memory, connections and indexes of the daemon.',
      params: params({}),
      handler: async () => status(services),
    },
    'daemon/metrics': {
      lane: 'control',
      summary: 'Counters, gauges and request durations since the start.',
      params: params({}),
      handler: async () => metrics.read(),
    },
    'config/get': {
      lane: 'control',
      summary: 'Every setting with its value and where the value came from.',
      params: params({ key: field.text(128, 1).optional() }),
      handler: async ({ key }) => ({ file: config.file, values: config.describe(key) }),
    },
    'rpc/discover': {
      lane: 'control',
      summary: 'This interface as an OpenRPC document.',
      params: params({}),
      handler: async () => openRpcDocument(table(), info.version),
    },
  };
}

/** The token was checked by the connection. */
function initialize(info: DaemonInfo, { protocol }: InitializeParams): InitializeResult {
  if (protocol.min > PROTOCOL_VERSION || protocol.max < PROTOCOL_MIN) {
    throw new CairnError('VERSION_SKEW', `the client speaks protocol ${protocol.min} to ${protocol.max}, the daemon ${PROTOCOL_MIN} to ${PROTOCOL_VERSION}`, {
      hint: protocol.min > PROTOCOL_VERSION ? 'The daemon is older: restart it with the newer version.' : 'The client is older: update it.',
    });
  }
  return {
    daemonVersion: info.version, protocol: Math.min(protocol.max, PROTOCOL_VERSION), pid: info.pid, epoch: info.epoch,
    capabilities: CAPABILITIES, dataDir: info.dataDir,
  };
}

/** An older client never ends a newer daemon to start its own; a user who asks for a stop gets it. */
function shutdown(info: DaemonInfo, { reason }: ShutdownParams, { session }: RequestContext): ShutdownResult {
  if (reason === 'handover' && compareVersions(session.clientVersion, info.version) <= 0) {
    throw new CairnError('VERSION_SKEW', `this daemon (${info.version}) is not older than the client (${session.clientVersion})`, { hint: 'Use the running daemon.' });
  }
  info.requestStop(`${reason ?? 'user'}: ${session.clientName} ${session.clientVersion}`);
  return { pid: info.pid };
}

function health(info: DaemonInfo): HealthResult {
  const state = info.state();
  return { ok: state === 'serving', state, pid: info.pid, epoch: info.epoch, version: info.version, uptimeMs: Math.round(process.uptime() * 1000) };
}

function status(services: Services): DaemonStatus {
  const { info, owners, config } = services;
  const { rss, heapUsed, external } = process.memoryUsage();
  const idle = config.values['daemon.idleExitMinutes'];
  const identity = services.embedder.current()?.identity ?? null;
  return {
    ...health(info),
    protocol: PROTOCOL_VERSION, startedAt: info.startedAt.toISOString(), dataDir: info.dataDir, socket: info.socket, logFile: info.logFile,
    node: process.version, connections: info.connections(), inFlight: info.inFlight(),
    memory: { rss, heapUsed, external }, eventLoop: info.loopDelay(), scrub: info.scrub(),
    idleExitMs: idle === 0 ? null : idle * 60_000,
    embedder: identity === null ? null : { name: identity.name, revision: identity.revision, dimension: identity.dimension },
    ...summaries(owners), warnings: info.warnings(),
  };
}
