/**
 * Runs a workload once on a MemoryEnv, then cuts the power at every point of its operation log, in every legal way, and judges
 * what recovery makes of each state. Recovery itself is cut as well, and run twice.
 */
import { crc32 } from '../../src/util/crc32.ts';
import { CrashPoint, MODELS, type CrashModel } from './crash-states.ts';
import { DIRECTORY, MemoryEnv, type Disk, type Op } from './memory-env.ts';
import { seededRandom } from './random.ts';

export interface CrashScenario {
  readonly name: string;
  /** The workload; `env.mark` says what the caller was promised, and what was begun. Closes what it opens. */
  run(env: MemoryEnv): Promise<void>;
  /** Opens as after a crash, returns the state in words that can be compared, and closes. Throws when it cannot serve. */
  recover(env: MemoryEnv): Promise<string>;
  /** null, or what is wrong with the recovered state. */
  judge(state: string, marks: readonly unknown[]): string | null;
  /** Writes more, reopens, and throws when that does not work. */
  goOn(env: MemoryEnv): Promise<void>;
}

export interface ExploreOptions {
  readonly seed: number;
  /** Up to this many pending units all combinations are tried. */
  readonly exhaustive: number;
  /** Random combinations per crash point on top. */
  readonly samples: number;
  readonly maxStates: number;
  /** Recovery is cut in one of so many states. */
  readonly nestedEvery: number;
  /** The index goes on in one of so many states. Default 1: in all. */
  readonly goOnEvery?: number;
  readonly models?: readonly CrashModel[];
  /** End at the first violation (mutation checks). */
  readonly stopAtFirst?: boolean;
}

export interface ExploreResult {
  readonly scenario: string;
  points: number;
  /** Distinct post-crash states that were recovered. */
  states: number;
  nestedStates: number;
  readonly violations: Map<string, number>;
}

export async function explore(scenario: CrashScenario, options: ExploreOptions): Promise<ExploreResult> {
  const env = new MemoryEnv(undefined, options.seed);
  await scenario.run(env);
  const result: ExploreResult = { scenario: scenario.name, points: 0, states: 0, nestedStates: 0, violations: new Map() };
  if (env.openFiles !== 0) note(result, `the workload left ${env.openFiles} files open`);
  const explorer = new Explorer(scenario, options, result);
  for (const model of options.models ?? MODELS) await explorer.sweep(env.ops, model);
  return result;
}

class Explorer {
  readonly #scenario: CrashScenario;
  readonly #options: ExploreOptions;
  readonly #result: ExploreResult;
  readonly #seen = new Set<string>();
  readonly #random: () => number;

  constructor(scenario: CrashScenario, options: ExploreOptions, result: ExploreResult) {
    this.#scenario = scenario;
    this.#options = options;
    this.#result = result;
    this.#random = seededRandom(options.seed);
  }

  async sweep(ops: readonly Op[], model: CrashModel): Promise<void> {
    const { exhaustive, samples } = this.#options;
    const point = new CrashPoint(model);
    for (let i = 0; i <= ops.length && !this.#isDone; i++) {
      this.#result.points++;
      for (const disk of point.disks(exhaustive, samples, this.#random)) {
        if (this.#isDone) return;
        const key = `${point.marks.length} ${fingerprint(disk)}`;
        if (this.#seen.has(key)) continue;
        this.#seen.add(key);
        await this.#state(disk, point.marks, model);
      }
      const op = ops[i];
      if (op !== undefined) point.advance(op);
    }
  }

  get #isDone(): boolean {
    return this.#result.states >= this.#options.maxStates || (this.#options.stopAtFirst === true && this.#result.violations.size > 0);
  }

  async #state(disk: Disk, marks: readonly unknown[], model: CrashModel): Promise<void> {
    const n = ++this.#result.states;
    const env = new MemoryEnv(disk, n + 1000);
    const state = await this.#recover(env, marks, 'recovery');
    if (state === null) return;
    const recoveryOps = env.ops.slice();
    const again = await this.#recover(env, marks, 'second recovery');
    if (again !== null && again !== state) this.#violation(`the second recovery gives another state`, `${state} | ${again}`);
    if (n % (this.#options.goOnEvery ?? 1) === 0) await this.#goOn(env);
    if (env.openFiles !== 0) this.#violation('files are left open', String(env.openFiles));
    if (n % this.#options.nestedEvery === 0) await this.#nested(disk, recoveryOps, marks, model, state);
  }

  async #goOn(env: MemoryEnv): Promise<void> {
    try {
      await this.#scenario.goOn(env);
    } catch (error) {
      this.#violation('the recovered index does not go on', String(error));
    }
  }

  async #recover(env: MemoryEnv, marks: readonly unknown[], what: string): Promise<string | null> {
    try {
      const state = await this.#scenario.recover(env);
      const wrong = this.#scenario.judge(state, marks);
      if (wrong !== null) this.#violation(`${what}: ${wrong}`, state);
      return wrong === null ? state : null;
    } catch (error) {
      this.#violation(`${what} fails`, error instanceof Error ? error.message : String(error));
      return null;
    }
  }

  /** The power goes again while recovery runs. */
  async #nested(disk: Disk, ops: readonly Op[], marks: readonly unknown[], model: CrashModel, expected: string): Promise<void> {
    const point = new CrashPoint(model, disk);
    const seen = new Set<string>();
    for (let i = 0; i <= ops.length; i++) {
      for (const cut of point.disks(3, 2, this.#random)) {
        const key = fingerprint(cut);
        if (seen.has(key)) continue;
        seen.add(key);
        const n = ++this.#result.nestedStates;
        const state = await this.#recover(new MemoryEnv(cut, n + 5_000_000), marks, 'recovery after a crash in recovery');
        if (state !== null && state !== expected) this.#violation('a crash in recovery changes the state', `${expected} | ${state}`);
      }
      const op = ops[i];
      if (op !== undefined) point.advance(op);
    }
  }

  #violation(what: string, detail: string): void {
    note(this.#result, `${what}: ${detail.slice(0, 300)}`);
  }
}

function note(result: ExploreResult, what: string): void {
  result.violations.set(what, (result.violations.get(what) ?? 0) + 1);
}

const hashes = new WeakMap<Buffer, string>();

function hash(data: Buffer): string {
  let known = hashes.get(data);
  if (known === undefined) {
    known = `${data.length}.${crc32(data)}.${crc32(data, 0x9e3779b9)}`;
    hashes.set(data, known);
  }
  return known;
}

function fingerprint(disk: Disk): string {
  const lines: string[] = [];
  for (const [path, ino] of disk.names) lines.push(ino === DIRECTORY ? path : `${path}=${hash(disk.inodes.get(ino) ?? Buffer.alloc(0))}`);
  return lines.sort().join(';');
}

/** "name: 1234 states (56 nested), no violation", for messages. */
export function describe(result: ExploreResult): string {
  const bad = [...result.violations].map(([what, count]) => `\n  ${count} x ${what}`).slice(0, 10);
  return `${result.scenario}: ${result.points} crash points, ${result.states} states, ${result.nestedStates} nested, ${result.violations.size === 0 ? 'no violation' : bad.join('')}`;
}
