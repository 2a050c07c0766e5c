/** Entry of the `cairn` command: the real terminal, signals and exit code around runCli. */
import { connect } from '../cairn-client.ts';
import { errnoOf } from '../errors.ts';
import { confirm } from './confirm.ts';
import { EXIT } from './exit-codes.ts';
import type { Io, Output } from './io.ts';
import { runCli } from './program.ts';

const interrupted = new AbortController();

function output(stream: NodeJS.WriteStream): Output {
  stream.on('error', (error) => {
    // The reader of a pipe may leave at any time (`cairn search … | head -1`): not an error.
    if (errnoOf(error) === 'EPIPE') process.exit(process.exitCode ?? EXIT.ok);
    if (stream !== process.stderr) process.stderr.write(`cairn: the output cannot be written (${errnoOf(error) ?? error.message})\n`);
    process.exit(EXIT.damaged);
  });
  return {
    write: (text) => void stream.write(text),
    get isTTY() {
      return stream.isTTY === true;
    },
    get columns() {
      return stream.columns ?? 80;
    },
  };
}

function onInterrupt(): void {
  // The second one does not wait for a clean end.
  if (interrupted.signal.aborted) process.exit(EXIT.interrupted);
  interrupted.abort();
}

async function main(): Promise<void> {
  process.on('SIGINT', onInterrupt);
  const io: Io = { stdout: output(process.stdout), stderr: output(process.stderr), env: process.env, cwd: process.cwd(), signal: interrupted.signal, connect, confirm: (question) => confirm(question, process.stdin, process.stderr, interrupted.signal) };
  process.exitCode = await runCli(process.argv.slice(2), io);
  process.off('SIGINT', onInterrupt);
}

// Not awaited at the top level: the command is bundled as CommonJS, which starts faster.
void main();
