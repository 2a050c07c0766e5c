// A daemon process with the real life cycle and a stub in place of the engine. Arguments as the real one.
// Environment: STUB_CLOSE=hang | fail, STUB_START=fail, STUB_SELF_CHECK_MS
import { appendFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArguments } from '../../../daemon/lifecycle/arguments.ts';
import { runDaemon, type DaemonCore } from '../../../daemon/lifecycle/run-daemon.ts';
import { field, params } from '../../../daemon/rpc/schema.ts';
import type { MethodTable, RequestContext } from '../../../daemon/rpc/table.ts';

process.umask(0o077);
const env = process.env;
const control = { summary: 'test', lane: 'control', params: params({}) } as const;

function table(core: DaemonCore): MethodTable {
  const partial = {
    initialize: { ...control, params: params({ clientName: field.text(100), clientVersion: field.text(100), token: field.text(100), protocol: field.object({ min: field.integer(0, 9), max: field.integer(0, 9) }) }), handler: async () => ({ pid: process.pid, epoch: core.lock.epoch }) },
    shutdown: { ...control, handler: async () => { core.requestStop('asked'); return { pid: process.pid }; } },
    'daemon/health': { ...control, handler: async () => ({ state: core.phase.state, held: core.lock.isHeld() }) },
    'index/verify': { ...control, lane: 'read', handler: (_params: unknown, { signal }: RequestContext) => new Promise((_resolve, reject) => signal.addEventListener('abort', () => reject(signal.reason))) },
    'index/flush': { ...control, lane: 'write', handler: () => new Promise((resolve) => setTimeout(() => resolve({ slow: true }), 500)) },
    'index/list': { ...control, handler: async () => { setImmediate(() => { throw new Error('planted exception'); }); return {}; } },
    'index/status': { ...control, handler: async () => { void Promise.reject(new Error('planted rejection')); return {}; } },
  };
  return partial as unknown as MethodTable;
}

process.exit(await runDaemon({
  arguments: parseArguments(process.argv.slice(2)),
  environment: env,
  version: '9.9.9',
  entry: 'test',
  stdout: (text) => process.stdout.write(text),
  stderr: (text) => process.stderr.write(text),
  ...(env['STUB_SELF_CHECK_MS'] === undefined ? {} : { selfCheckMs: Number(env['STUB_SELF_CHECK_MS']) }),
  compose: async (core) => {
    if (env['STUB_START'] === 'fail') throw new Error('planted start failure');
    return {
      table: table(core), warmUp: () => undefined, isBusy: () => false,
      close: async ({ persist }) => {
        appendFileSync(join(core.endpoint.dataDir, 'closed'), `${core.lock.epoch} persist=${persist}\n`);
        if (env['STUB_CLOSE'] === 'hang') await new Promise(() => setInterval(() => undefined, 1_000));
        if (env['STUB_CLOSE'] === 'fail') throw new Error('planted close failure');
      },
    };
  },
}));
