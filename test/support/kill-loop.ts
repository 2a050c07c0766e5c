/**
 * The kill -9 loop: a real daemon under mixed load is killed at a random moment, started again and compared with what it had
 * acknowledged. The oracle is kept outside the daemon: for each file the last content whose indexing was acknowledged by a
 * `fresh` answer, and what was written after that (which may or may not be there, but nothing else may).
 * The comparison reads the index through the daemon started again *without* its source tree, so that reconcile cannot repair
 * what storage had lost.
 */
import assert from 'node:assert/strict';
import { spawn, type ChildProcess } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { type CairnClient, connect, isClientError } from '../../client/index.ts';
import { isAlive, projectRoot, Sandbox, until } from './cli.ts';
import { seededRandom } from './random.ts';
import { generatedFile } from './trees.ts';

const FILES = 40;

interface FileState {
  /** Revision acknowledged by a fresh answer; -1 = acknowledged as deleted, or never there. */
  acked: number;
  /** Revisions written after that, not acknowledged when the daemon died; -1 = a deletion. */
  pending: number[];
}

export interface KillReport {
  readonly rounds: number;
  readonly acknowledgements: number;
  readonly writes: number;
  readonly restartMs: readonly number[];
  /** Rounds in which the daemon was frozen and its lock taken over by force. */
  readonly takeOvers: number;
}

/** What a client that does not give up at once waits for a daemon that does not answer. */
const PATIENCE_MS = 500;
const ENTRY = join(projectRoot, 'dist', 'daemon', 'main.js');

export class KillLoop {
  readonly sandbox = new Sandbox();
  readonly root = this.sandbox.path('tree');
  readonly #away = this.sandbox.path('tree-away');
  readonly #random: () => number;
  readonly #files = new Map<number, FileState>();
  #revision = 0;
  #acknowledgements = 0;
  #writes = 0;
  readonly #restartMs: number[] = [];
  /** Clients of the load, so that a round can end without a kill. */
  readonly #clients = new Set<CairnClient>();
  #isFrozen = false;
  readonly #children = new Set<ChildProcess>();
  #takeOvers = 0;

  constructor(seed: number) {
    this.#random = seededRandom(seed);
    mkdirSync(this.root);
    for (let n = 0; n < FILES; n++) this.#files.set(n, { acked: -1, pending: [] });
  }

  async run(rounds: number, onRound: (round: number) => void = () => undefined): Promise<KillReport> {
    for (let n = 0; n < FILES; n++) this.#write(n);
    for (let round = 1; round <= rounds; round++) {
      await this.#loadAndKill();
      await this.#compare();
      onRound(round);
    }
    return this.#report(rounds);
  }

  /** The same load, but the daemon is frozen and its lock taken over by force; then it wakes up. After `run`. */
  async takeOver(rounds: number, onRound: (round: number) => void = () => undefined): Promise<KillReport> {
    for (let round = 1; round <= rounds; round++) {
      await this.#freezeAndTakeOver();
      await this.#loadAndKill();
      await this.#compare();
      onRound(round);
    }
    return this.#report(rounds);
  }

  async close(): Promise<void> {
    for (const child of this.#children) {
      child.kill('SIGCONT');
      child.kill('SIGKILL');
    }
    await this.sandbox.close();
  }

  #report(rounds: number): KillReport {
    return { rounds, acknowledgements: this.#acknowledgements, writes: this.#writes, restartMs: this.#restartMs, takeOvers: this.#takeOvers };
  }

  async #freezeAndTakeOver(): Promise<void> {
    const client = await this.#connect();
    await client.openIndex({ root: this.root, wait: true });
    const { pid, epoch } = client.daemon;
    const load = [this.#editor(client), this.#searcher(), this.#flusher()];
    await sleep(5 + Math.floor(this.#random() ** 2 * 800));
    process.kill(pid, 'SIGSTOP');
    // What it was asked is in its socket: it goes on with that when it wakes up. Nobody waits for its answers any more.
    this.#isFrozen = true;
    for (const one of [client, ...this.#clients]) one.close();
    await Promise.all(load);
    this.#isFrozen = false;
    try {
      await this.#expectNoRobbery(pid);
      const successor = await this.#startByForce(epoch);
      for (let i = 0; i < 3; i++) this.#edit(this.#below(FILES));
      await this.#acknowledgeAll(successor);
      process.kill(pid, 'SIGCONT');
      await this.#acknowledgeAll(successor);
      await successor.flushIndex({ root: this.root });
      await until(() => !isAlive(pid), 'the fenced daemon ends');
      const status = await successor.status();
      assert.equal(status.epoch, this.#publishedEpoch(), 'the last generation is the successor\'s');
      const verified = await successor.verifyIndex({ root: this.root, deep: true });
      assert.ok(verified.ok, JSON.stringify(verified));
      successor.close();
    } finally {
      if (isAlive(pid)) process.kill(pid, 'SIGCONT');
    }
    this.#takeOvers++;
  }

  /** A frozen owner is alive: a client is told who it is, and a second daemon goes away without a word to the files. */
  async #expectNoRobbery(pid: number): Promise<void> {
    const told = await this.#connect(PATIENCE_MS).then(() => null, (error: unknown) => error);
    assert.ok(isClientError(told) && told.code === 'DAEMON_UNREACHABLE' && told.message.includes(String(pid)), `the caller is told: ${String(told)}`);
    assert.match(told.hint ?? '', /kill -CONT \d+|--force/);
    const { code, output } = await this.#daemon([]).ended;
    assert.equal(code, 0, output);
    assert.match(output, new RegExp(`running already: pid ${pid}`));
  }

  async #startByForce(epoch: number): Promise<CairnClient> {
    const started = this.#daemon(['--take-over']);
    let client: CairnClient | null = null;
    await until(async () => {
      client = await connect({ env: this.sandbox.env, spawn: 'never' }).catch(() => null);
      if (client !== null && client.daemon.epoch > epoch) return true;
      client?.close();
      return false;
    }, 'the successor serves');
    assert.ok(client !== null, started.child.pid === undefined ? 'not started' : '');
    return client;
  }

  #daemon(args: readonly string[]): { readonly child: ChildProcess; readonly ended: Promise<{ readonly code: number | null; readonly output: string }> } {
    const child = spawn(process.execPath, [ENTRY, ...args], { env: this.sandbox.env, stdio: ['ignore', 'pipe', 'pipe'] });
    this.#children.add(child);
    let output = '';
    for (const stream of [child.stdout, child.stderr]) stream.setEncoding('utf8').on('data', (text: string) => (output += text));
    const ended = new Promise<{ code: number | null; output: string }>((resolve) => {
      child.once('close', (code) => {
        this.#children.delete(child);
        resolve({ code, output });
      });
    });
    return { child, ended };
  }

  async #acknowledgeAll(client: CairnClient): Promise<void> {
    const covered = [...this.#files].map(([n, state]) => ({ n, upTo: state.pending.length }));
    await client.search({ root: this.root, query: 'widget', limit: 1, fresh: true });
    this.#acknowledge(covered);
  }

  /** Of CURRENT of the only index. */
  #publishedEpoch(): number {
    const indexes = join(this.sandbox.dataDir, 'indexes');
    const [name = ''] = readdirSync(indexes);
    return Number(/"epoch": (\d+)/.exec(readFileSync(join(indexes, name, 'CURRENT'), 'utf8'))?.[1]);
  }

  #connect(startTimeoutMs?: number): Promise<CairnClient> {
    return connect({ env: this.sandbox.env, clientName: 'kill-loop', entry: ENTRY, startTimeoutMs });
  }

  /** Writes, queries, flushes and acknowledgements from several clients until the daemon is killed under them. */
  async #loadAndKill(): Promise<void> {
    const client = await this.#connect();
    await client.openIndex({ root: this.root, wait: true });
    const pid = client.daemon.pid;
    const load = [this.#editor(client), this.#searcher(), this.#flusher()];
    // A run must have something that may not be lost, also on a machine where an acknowledgement takes longer than a round.
    await until(() => this.#acknowledgements > 0, 'the first acknowledgement');
    await sleep(5 + Math.floor(this.#random() ** 2 * 1500));
    process.kill(pid, 'SIGKILL');
    await Promise.all(load);
    client.close();
    await until(() => !isAlive(pid), 'the killed daemon is gone');
  }

  async #editor(client: CairnClient): Promise<void> {
    try {
      for (;;) {
        for (let i = 1 + this.#below(8); i > 0; i--) this.#edit(this.#below(FILES));
        // What is pending now is on the disk of the tree; a fresh answer acknowledges at least that.
        const covered = [...this.#files].map(([n, state]) => ({ n, upTo: state.pending.length }));
        await client.search({ root: this.root, query: 'widget', limit: 1, fresh: true });
        this.#acknowledge(covered);
      }
    } catch (error) {
      if (!isClientError(error)) throw error;
    }
  }

  async #searcher(): Promise<void> {
    await this.#untilKilled(async (client) => {
      await client.search({ root: this.root, query: `assembleGadget${this.#below(FILES)}`, limit: 5 });
    });
  }

  async #flusher(): Promise<void> {
    await this.#untilKilled(async (client) => {
      await sleep(this.#below(200));
      await client.flushIndex({ root: this.root });
    });
  }

  async #untilKilled(step: (client: CairnClient) => Promise<void>): Promise<void> {
    let client: CairnClient | null = null;
    try {
      client = await connect({ env: this.sandbox.env, spawn: 'never' });
      this.#clients.add(client);
      if (this.#isFrozen) client.close(); // greeted just before
      for (;;) await step(client);
    } catch (error) {
      if (!isClientError(error)) throw error;
    } finally {
      if (client !== null) this.#clients.delete(client);
    }
  }

  #edit(n: number): void {
    const state = this.#stateOf(n);
    const newest = state.pending.at(-1) ?? state.acked;
    if (newest >= 0 && this.#random() < 0.2) {
      rmSync(join(this.root, `widget-${n}.ts`));
      state.pending.push(-1);
    } else this.#write(n);
    this.#writes++;
  }

  #write(n: number): void {
    const revision = ++this.#revision;
    // Atomically, and made outside of the tree: a walk that meets the temp file would index it as a file of its own.
    const part = this.sandbox.path('widget.part');
    writeFileSync(part, generatedFile(n, revision));
    renameSync(part, join(this.root, `widget-${n}.ts`));
    this.#stateOf(n).pending.push(revision);
  }

  #acknowledge(covered: readonly { readonly n: number; readonly upTo: number }[]): void {
    this.#acknowledgements++;
    for (const { n, upTo } of covered) {
      const state = this.#stateOf(n);
      if (upTo === 0) continue;
      state.acked = state.pending[upTo - 1] ?? state.acked;
      state.pending = state.pending.slice(upTo);
    }
  }

  async #compare(): Promise<void> {
    renameSync(this.root, this.#away);
    const started = performance.now();
    const client = await this.#connect();
    const { indexes } = await client.listIndexes();
    const name = indexes[0]?.index;
    assert.ok(name !== undefined, 'the index is discovered');
    const { matches, truncated } = await this.#wholeGrep(client, name);
    this.#restartMs.push(performance.now() - started);
    assert.equal(truncated, false);
    const stored = new Map(matches.map((match) => [Number(/widget-(\d+)\.ts/.exec(match.path)?.[1]), Number(/revision (\d+)/.exec(match.text)?.[1])]));
    assert.equal(stored.size, matches.length, `one row per file: ${matches.map(({ path }) => path).join(', ')}`);
    for (const [n, state] of this.#files) {
      const found = stored.get(n) ?? -1;
      const allowed = [state.acked, ...state.pending];
      assert.ok(allowed.includes(found), `widget-${n}.ts: stored revision ${found}, acknowledged ${state.acked}, later ${state.pending.join(', ')}`);
      state.acked = found;
      state.pending = state.pending.slice(state.pending.indexOf(found) + 1);
    }
    const verified = await client.verifyIndex({ index: name, deep: true });
    assert.ok(verified.ok, JSON.stringify(verified));
    renameSync(this.#away, this.root);
    client.close();
  }

  /** An answer that was cut short because the machine stood still says so, and is asked for again. */
  async #wholeGrep(client: CairnClient, index: string): Promise<Awaited<ReturnType<CairnClient['grep']>>> {
    let answer: Awaited<ReturnType<CairnClient['grep']>> | null = null;
    await until(async () => {
      answer = await client.grep({ index, pattern: 'revision \\d+: turns gadget\\d+', regex: true, limit: 1000 });
      return !answer.meta.reasons.some((reason) => reason.startsWith('time ran out'));
    }, 'a search of all files has the time that it needs');
    assert.ok(answer !== null);
    return answer;
  }

  #below(limit: number): number {
    return Math.floor(this.#random() * limit);
  }

  #stateOf(n: number): FileState {
    const state = this.#files.get(n);
    assert.ok(state !== undefined);
    return state;
  }
}
