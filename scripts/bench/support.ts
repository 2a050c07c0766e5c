/** Shared by the benchmarks: percentiles, a private daemon, process figures, one line of JSON or a readable table. */
import { readdirSync, readFileSync } from 'node:fs';
import { type CairnClient, connect } from '../../client/index.ts';
import { projectRoot, Sandbox } from '../../test/support/cli.ts';
import { join } from 'node:path';

export function percentile(values: readonly number[], p: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * p))] ?? Number.NaN;
}

export function round(value: number, digits = 2): number {
  return Number(value.toFixed(digits));
}

/** `--name value` or `--name` from the command line. */
export function option(name: string): string | undefined {
  const at = process.argv.indexOf(`--${name}`);
  return at < 0 ? undefined : (process.argv[at + 1] ?? '');
}

export function required(name: string): string {
  const value = option(name);
  if (value === undefined || value === '') throw new Error(`--${name} is missing`);
  return value;
}

export function report(title: string, figures: Readonly<Record<string, unknown>>): void {
  if (process.argv.includes('--json')) {
    console.log(JSON.stringify({ title, ...figures }));
    return;
  }
  console.log(title);
  for (const [name, value] of Object.entries(figures)) console.log(`  ${name.padEnd(28)} ${typeof value === 'object' ? JSON.stringify(value) : String(value)}`);
}

/** A daemon of its own with an empty data directory (or the one of --data-dir, kept). */
export class BenchDaemon {
  readonly sandbox = new Sandbox(option('data-dir') === undefined ? {} : { CAIRN_DATA_DIR: option('data-dir') });

  connect(): Promise<CairnClient> {
    return connect({ env: this.sandbox.env, clientName: 'bench', entry: join(projectRoot, 'dist', 'daemon', 'main.js') });
  }

  async close(): Promise<void> {
    await this.sandbox.run(['daemon', 'stop']);
    await this.sandbox.close();
  }
}

/** Peak and current resident memory of a process in MB (threads included), and of its child processes. Linux only. */
export function residentMb(pid: number): { current: number; peak: number; children: number } {
  const status = readFileSync(`/proc/${pid}/status`, 'latin1');
  const kb = (name: string): number => Number(new RegExp(`${name}:\\s+(\\d+)`).exec(status)?.[1] ?? 0);
  const children = readdirSync(`/proc/${pid}/task`).flatMap((tid) => readFileSync(`/proc/${pid}/task/${tid}/children`, 'latin1').split(' ').filter(Boolean));
  const childKb = children.reduce((sum, child) => {
    try {
      return sum + Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${child}/status`, 'latin1'))?.[1] ?? 0);
    } catch {
      return sum; // it has just ended
    }
  }, 0);
  return { current: kb('VmRSS') / 1024, peak: kb('VmHWM') / 1024, children: childKb / 1024 };
}
