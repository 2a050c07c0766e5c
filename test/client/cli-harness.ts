/** Runs command lines in this process against a fake daemon, with captured output. */
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { connect } from '../../client/cairn-client.ts';
import type { Io } from '../../client/cli/io.ts';
import { runCli } from '../../client/cli/program.ts';
import type { AnswerMeta, IndexRunResult, SearchHitWire } from '../../daemon/protocol/types.ts';
import { tempDir } from '../support/temp-dir.ts';
import { FakeDaemon } from './fake-daemon.ts';

export interface Run {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

export interface Surroundings {
  readonly tty?: boolean;
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
  readonly signal?: AbortSignal;
  readonly confirm?: boolean;
}

export interface Harness {
  readonly fake: FakeDaemon;
  readonly dir: string;
  run(args: readonly string[], surroundings?: Surroundings): Promise<Run>;
}

export async function harness(t: TestContext): Promise<Harness> {
  const dir = tempDir(t);
  const fake = await FakeDaemon.start(join(dir, 'data'));
  t.after(() => fake.stop());
  return { fake, dir, run: (args, surroundings) => runWith(join(dir, 'data'), args, { cwd: dir, ...surroundings }) };
}

/** Never starts a daemon: where nobody serves, that is the answer. */
export async function runWith(dataDir: string, args: readonly string[], { tty = false, env = {}, cwd = '/', signal, confirm = false }: Surroundings = {}): Promise<Run> {
  const written = { stdout: '', stderr: '' };
  const output = (name: keyof typeof written): Io['stdout'] => ({ write: (text) => void (written[name] += text), isTTY: tty, columns: 100 });
  const io: Io = {
    stdout: output('stdout'), stderr: output('stderr'), cwd,
    env: { CAIRN_DATA_DIR: dataDir, ...env },
    signal: signal ?? new AbortController().signal,
    connect: (options) => connect({ ...options, spawn: 'never' }),
    confirm: () => Promise.resolve(confirm),
  };
  const code = await runCli(args, io);
  return { code, ...written };
}

export const META: AnswerMeta = {
  index: 'pebble', state: 'ready', reasons: [], pendingFiles: 0, lsn: 42, tookMs: 3.2,
  lanes: [{ lane: 'lexical', used: true, reason: null }, { lane: 'semantic', used: true, reason: null }],
};

export const HIT: SearchHitWire = {
  path: 'src/log-writer.ts', startLine: 10, endLine: 13, score: 1.2345, language: 'typescript',
  symbol: { name: 'frameRecord', qualified: 'LogWriter.frameRecord', kind: 'method', line: 10 },
  snippet: 'frameRecord(payload: Buffer): Buffer {\n\tconst header = Buffer.alloc(8);\n\treturn header;\n}\n',
};

export const RUN: IndexRunResult = { index: 'pebble', root: '/w/pebble', state: 'ready', files: 12, chunks: 1234, embedded: 1000, cached: 234, tookMs: 2345, created: true };
