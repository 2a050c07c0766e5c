/** Crash workloads of the log alone: single commits, group commits with rotation, unsynced modes, a failed sync. */
import { openWal, type OpenedWal } from '../../../src/wal/open-wal.ts';
import type { WalOptions } from '../../../src/wal/wal-writer.ts';
import { asLsn } from '../../../src/util/ids.ts';
import type { CrashScenario } from '../crash-explorer.ts';
import { testLease } from '../fence.ts';
import { ROOT, type MemoryEnv } from '../memory-env.ts';
import { seededRandom } from '../random.ts';

const DIR = `${ROOT}/wal`;

/** Begun: appends up to here were called. Acked: appends up to here were promised to be durable. */
type Mark = { readonly begun: number } | { readonly acked: number };

const payload = (n: number): Buffer => Buffer.from(`batch ${n} `.repeat(1 + ((n * 7) % 90)));

async function open(env: MemoryEnv, options: Partial<WalOptions>, epoch: number): Promise<OpenedWal & { readonly records: number[] }> {
  const records: number[] = [];
  const opened = await openWal(env, DIR, {
    after: asLsn(0), tag: null,
    fence: testLease(epoch),
    options: { syncMode: 'always', syncIntervalMs: 1, maxFileBytes: 1 << 20, ...options },
    mayCreate: true,
    onRecord: (record) => {
      if (!record.payload.equals(payload(record.lsn))) throw new Error(`record ${record.lsn} has foreign bytes`);
      records.push(record.lsn);
    },
  });
  return { ...opened, records };
}

function walScenario(name: string, options: Partial<WalOptions>, run: (env: MemoryEnv, wal: OpenedWal['writer']) => Promise<void>): CrashScenario {
  return {
    name,
    run: async (env) => {
      const { writer } = await open(env, options, 1);
      await run(env, writer);
      await writer.close();
    },
    recover: async (env) => {
      const { writer, records } = await open(env, options, 2);
      await writer.close();
      return records.join(' ');
    },
    judge: (state, marks) => judgePrefix(state === '' ? [] : state.split(' ').map(Number), marks as readonly Mark[]),
    goOn: async (env) => {
      const first = await open(env, options, 3);
      const next = first.records.length + 1;
      await first.writer.append(payload(next));
      await first.writer.close();
      const second = await open(env, options, 4);
      await second.writer.close();
      if (second.records.at(-1) !== next) throw new Error(`record ${next} is not there after reopening`);
    },
  };
}

/** The state is a prefix of what was begun and holds everything that was acknowledged. */
export function judgePrefix(records: readonly number[], marks: readonly Mark[]): string | null {
  let [begun, acked] = [0, 0];
  for (const mark of marks) {
    if ('begun' in mark) begun = Math.max(begun, mark.begun);
    else acked = Math.max(acked, mark.acked);
  }
  if (records.some((lsn, i) => lsn !== i + 1)) return 'not a prefix';
  if (records.length < acked) return 'an acknowledged record is lost';
  return records.length > begun ? 'a record that was never written' : null;
}

async function append(env: MemoryEnv, wal: OpenedWal['writer'], n: number): Promise<void> {
  env.mark({ begun: n });
  const { lsn, durable } = await wal.append(payload(n));
  if (durable) env.mark({ acked: lsn });
}

export const walScenarios: readonly CrashScenario[] = [
  walScenario('wal, one commit at a time', {}, async (env, wal) => {
    for (let n = 1; n <= 8; n++) await append(env, wal, n);
  }),
  walScenario('wal, group commit and rotation', { maxFileBytes: 1500 }, async (env, wal) => {
    for (let n = 1; n <= 16; n += 4) await Promise.all([0, 1, 2, 3].map((i) => append(env, wal, n + i)));
    await wal.rotate();
    await append(env, wal, 17);
  }),
  walScenario('wal, sync mode off with barriers', { syncMode: 'off', maxFileBytes: 2500 }, async (env, wal) => {
    for (let n = 1; n <= 9; n++) {
      await append(env, wal, n);
      if (n % 4 !== 0) continue;
      await wal.sync();
      env.mark({ acked: n });
    }
  }),
  walScenario('wal, sync mode interval', { syncMode: 'interval' }, async (env, wal) => {
    for (let n = 1; n <= 6; n++) {
      await append(env, wal, n);
      if (n % 3 === 0) env.runTimers();
      if (wal.syncedLsn > 0) env.mark({ acked: wal.syncedLsn });
    }
  }),
  walScenario('wal, a sync fails and the log goes on in a new file', {}, async (env, wal) => {
    for (let n = 1; n <= 3; n++) await append(env, wal, n);
    env.fault = (call) => (call.kind === 'sync' ? { errno: 'EIO' } : null);
    await append(env, wal, 4).catch(() => undefined);
    env.fault = null;
    await wal.heal();
    for (let n = 4; n <= 6; n++) await append(env, wal, n);
  }),
  walScenario('wal, a sync fails after unsynced acks', { syncMode: 'off' }, async (env, wal) => {
    for (let n = 1; n <= 2; n++) await append(env, wal, n);
    await wal.sync();
    env.mark({ acked: 2 });
    for (let n = 3; n <= 4; n++) await append(env, wal, n);
    env.fault = (call) => (call.kind === 'sync' ? { errno: 'EIO' } : null);
    await wal.sync().catch(() => undefined);
    env.fault = null;
    await wal.heal();
    env.mark({ acked: 4 });
    await append(env, wal, 5);
  }),
];

/** A workload of its own for each seed: groups of appends, rotations, barriers, failing syncs and writes. */
export function randomWalScenario(seed: number): CrashScenario {
  const random = seededRandom(seed);
  const pick = (n: number): number => Math.floor(random() * n);
  const syncMode = (['always', 'always', 'interval', 'off'] as const)[pick(4)] ?? 'always';
  const options = { syncMode, maxFileBytes: 300 + pick(4000) };
  const plan = Array.from({ length: 10 + pick(8) }, () => ({ act: pick(10), size: 1 + pick(6) }));
  return walScenario(`wal, random workload ${seed} (${syncMode})`, options, async (env, wal) => {
    for (const { act, size } of plan) {
      if (act === 9 || act === 8) {
        const kind = act === 9 ? 'sync' : 'write';
        env.fault = (call) => (call.kind === kind ? { errno: 'EIO', written: size * 50 } : null);
      }
      const next = wal.ackedLsn + 1;
      if (act === 7) await wal.rotate();
      else if (act === 6) {
        await wal.sync();
        env.mark({ acked: wal.syncedLsn });
      } else await Promise.allSettled(Array.from({ length: size }, (_, i) => append(env, wal, next + i)));
      env.fault = null;
      if (act === 5) env.runTimers();
      await wal.heal();
    }
  });
}
