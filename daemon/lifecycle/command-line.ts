/** Command line in, exit code out. Loads the engine only after the lock is held. */
import { CairnError } from '../errors.ts';
import { daemonVersion } from '../version.ts';
import { parseArguments, USAGE, type DaemonArguments } from './arguments.ts';
import { EXIT, runDaemon } from './run-daemon.ts';

/** `entry` is the file that was started; it goes into the registration. */
export async function runCommandLine(entry: string): Promise<number> {
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
    entry,
    compose: async (core) => (await import('../compose.ts')).compose(core),
    stdout: (text) => process.stdout.write(text),
    stderr: (text) => process.stderr.write(text),
  });
}
