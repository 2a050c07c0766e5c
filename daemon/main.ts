/** Entry of the daemon process: command line in, exit code out. Loads the engine only after the lock is held. */
import { fileURLToPath } from 'node:url';
import { CairnError } from './errors.ts';
import { parseArguments, USAGE, type DaemonArguments } from './lifecycle/arguments.ts';
import { EXIT, runDaemon } from './lifecycle/run-daemon.ts';
import { daemonVersion } from './version.ts';

async function main(): Promise<number> {
  let args: DaemonArguments;
  try {
    args = parseArguments(process.argv.slice(2));
  } catch (error) {
    process.stderr.write(`${error instanceof CairnError ? `${error.message}\n${error.hint ?? ''}` : String(error)}\n`);
    return EXIT.usage;
  }
  if (args.help) {
    process.stdout.write(USAGE);
    return EXIT.ok;
  }
  return runDaemon({
    arguments: args,
    environment: process.env,
    version: daemonVersion(),
    entry: fileURLToPath(import.meta.url),
    compose: async (core) => (await import('./compose.ts')).compose(core),
    stdout: (text) => process.stdout.write(text),
    stderr: (text) => process.stderr.write(text),
  });
}

// Everything is closed by now; what might still hold the process (a thread that ends late) must not.
process.exit(await main());
