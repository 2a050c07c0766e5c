/** Commands, options and help. The only file that knows commander; what a command does is in commands/. */
import { Command, CommanderError, InvalidArgumentError, Option } from 'commander';
import { isClientError } from '../errors.ts';
import { clientVersion } from '../version.ts';
import { backupCreateCommand, backupListCommand, backupPruneCommand, backupRestoreCommand, backupVerifyCommand } from './commands/backup.ts';
import { daemonStatusCommand, logsCommand, restartCommand, startCommand, stopCommand } from './commands/daemon.ts';
import { doctorCommand } from './commands/doctor.ts';
import { grepCommand } from './commands/grep.ts';
import { importCommand, migrateCommand } from './commands/import.ts';
import { indexCommand } from './commands/index-tree.ts';
import { deleteCommand, flushCommand, inspectCommand, renameCommand, verifyCommand } from './commands/maintain.ts';
import { repairCommand } from './commands/repair.ts';
import { searchCommand } from './commands/search.ts';
import { listCommand, statusCommand } from './commands/status.ts';
import { symbolsCommand } from './commands/symbols.ts';
import { EXIT, exitCodeOf } from './exit-codes.ts';
import { writeJson } from './io.ts';
import type { CommonOptions, Io } from './io.ts';
import { oneLine, styleFor } from './style.ts';

/** The most results that a daemon gives: hits or symbols; matching lines, and lines around each. */
const MAX_LIMIT = 1000;
const MAX_MATCHES = 10_000;
const MAX_CONTEXT = 50;

const EPILOGUE = `
Exit codes: 0 done, 1 nothing found, 2 wrong usage, 3 damaged or degraded, 4 daemon unreachable.
CAIRN_DATA_DIR names the data directory; NO_COLOR turns colour off.`;

/** Runs one command line (without node and script); never throws. */
export async function runCli(args: readonly string[], io: Io): Promise<number> {
  let exitCode: number = EXIT.ok;
  const json = args.includes('--json');
  const program = buildProgram(io, json, (code) => (exitCode = code));
  try {
    await program.parseAsync(args, { from: 'user' });
    return exitCode;
  } catch (error) {
    if (error instanceof CommanderError) return reportUsage(error, io, json);
    return reportError(error, io, json);
  }
}

/** For a reader of JSON, wrong usage is a failure like any other. Without --json commander has written it already. */
function reportUsage({ exitCode, message }: CommanderError, io: Io, json: boolean): number {
  if (exitCode === 0) return EXIT.ok;
  if (json) {
    const text = message.replace(/^error: /, '').replace(/\s+/g, ' ').trim();
    writeJson(io, { error: { code: 'INVALID_ARGUMENT', message: text, retryable: false, hint: 'See: cairn --help' } });
  }
  return EXIT.usage;
}

function reportError(error: unknown, io: Io, json: boolean): number {
  if (!isClientError(error)) {
    io.stderr.write(`cairn: this is a bug: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`);
    return EXIT.damaged;
  }
  const { code, message, hint, path, retryable } = error;
  if (json) writeJson(io, { error: { code, message, retryable, ...(hint === undefined ? {} : { hint }), ...(path === undefined ? {} : { path }) } });
  else if (code !== 'CANCELLED') io.stderr.write(`${styleFor(io, {}, 'stderr').bad('cairn:')} ${oneLine(message)}\n${hint === undefined ? '' : `${oneLine(hint)}\n`}`);
  return exitCodeOf(code);
}

function wholeNumber(min: number, max: number): (text: string) => number {
  return (text) => {
    const n = Number(text);
    if (!/^\d+$/.test(text) || n < min || n > max) throw new InvalidArgumentError(`It must be a whole number from ${min} to ${max}.`);
    return n;
  };
}

/** Repeatable, and separated by commas. */
const list = (text: string, previous: readonly string[] = []): readonly string[] => [...previous, ...text.split(',').filter((part) => part !== '')];
/** Globs may hold commas: {a,b}. */
const repeated = (text: string, previous: readonly string[] = []): readonly string[] => [...previous, text];

function notEmpty(text: string): string {
  if (text.trim() === '') throw new InvalidArgumentError('It must not be empty.');
  return text;
}

type Done = (code: number) => void;

function buildProgram(io: Io, json: boolean, done: Done): Command {
  const program = new Command('cairn')
    .description('Searches source code from an index that is always warm.')
    .version(clientVersion(), '-V, --version')
    .addHelpText('after', EPILOGUE)
    .showHelpAfterError('(see cairn --help)')
    .exitOverride()
    .configureOutput({ writeOut: (text) => io.stdout.write(text), writeErr: (text) => json || io.stderr.write(text) });
  addSearching(program, io, done);
  addIndexes(program, io, done);
  addBackups(program, io, done);
  addDaemon(program, io, done);
  program.command('doctor').description('Checks what cairn needs to work').option('--fix', 'mend what can be mended: rights, leftovers').action(run(io, done, doctorCommand));
  for (const command of [...program.commands, ...program.commands.flatMap((group) => group.commands)]) addCommonOptions(command);
  return program;
}

/** An action that reports its exit code: positional arguments first, then the options. */
function run<A extends readonly unknown[]>(io: Io, done: Done, action: (io: Io, ...args: A) => Promise<number>): (...args: unknown[]) => Promise<void> {
  // Commander appends the command itself.
  return async (...args) => done(await action(io, ...(args.slice(0, -1) as unknown as A)));
}

function addCommonOptions(command: Command): void {
  if (command.commands.length > 0) return;
  command
    .option('--json', 'print JSON')
    .addOption(new Option('--color <when>', 'colour').choices(['auto', 'always', 'never']).default('auto'))
    .option('--data-dir <dir>', 'data directory (default: CAIRN_DATA_DIR, else the user data directory)');
}

function addTarget(command: Command): Command {
  return command.option('--root <dir>', 'the index of this directory').option('--index <name>', 'the index with this name');
}

function addFilters(command: Command, most = MAX_LIMIT): Command {
  return command
    .option('-n, --limit <n>', 'most results', wholeNumber(1, most))
    .option('--lang <language>', 'only these languages (repeatable)', list)
    .option('--path <glob>', 'only these paths; a leading ! excludes (repeatable)', repeated);
}

function addSearching(program: Command, io: Io, done: Done): void {
  addFilters(addTarget(program.command('search').argument('<query>', 'a question, words or a name', notEmpty)))
    .description('Finds code; starts and indexes what is needed')
    .option('--kind <kind>', 'only symbols of these kinds (repeatable)', list)
    .option('--code-only', 'no documents, data or configuration')
    .option('--fresh', 'wait until all changes made up to now are visible')
    .option('--explain', 'show how each result was found')
    .option('--without <lane>', 'leave a lane out: lexical, semantic, symbol, path (repeatable)', list)
    .option('--lines <n>', 'lines of each result', wholeNumber(0, 1000))
    .action(run(io, done, searchCommand));
  addFilters(addTarget(program.command('grep').argument('<pattern>', 'text to find', notEmpty)), MAX_MATCHES)
    .description('Finds text in the indexed files')
    .option('-e, --regex', 'the pattern is a regular expression')
    .option('-i, --ignore-case', 'ignore case')
    .option('-w, --word', 'whole words only')
    .option('-C, --context <n>', 'lines around each match', wholeNumber(0, MAX_CONTEXT))
    .action(run(io, done, grepCommand));
  addFilters(addTarget(program.command('symbols').argument('<name>', 'name or part of it', notEmpty)))
    .description('Finds definitions by name')
    .option('--kind <kind>', 'only these kinds (repeatable)', list)
    .action(run(io, done, symbolsCommand));
}

function addIndexes(program: Command, io: Io, done: Done): void {
  program.command('index').argument('[dir]', 'directory (default: the git work tree around here, else here)')
    .description('Indexes a directory and waits until that is done')
    .option('--name <name>', 'name of a new index')
    .option('--wait', 'wait until the index covers the tree (default)')
    .addOption(new Option('--background', 'return at once').conflicts('wait'))
    .option('--lexical-only', 'a new index without vectors')
    .option('--rebuild', 'read every file again')
    .action(run(io, done, indexCommand));
  program.command('import').argument('<path>', 'an index directory that is not listed, or another program\'s data', notEmpty)
    .description('Makes a new index of data that are there already')
    .addOption(new Option('--from <layout>', 'whose data').choices(['cairn', 'codanna', 'dvecdb', 'trusty']).default('cairn'))
    .option('--name <name>', 'name of the new index')
    .option('--root <dir>', 'source tree that the index belongs to')
    .addOption(new Option('--kind <kind>', 'if the data do not tell it').choices(['code', 'vector']))
    .option('--dimension <n>', 'if the data do not tell it', wholeNumber(0, 16_384))
    .addOption(new Option('--metric <metric>', 'if the data do not tell it').choices(['cosine', 'dot', 'euclidean']))
    .action(run(io, done, importCommand));
  program.command('migrate').argument('[index]', 'only this index').description('Brings indexes of an older schema to the present one').option('--dry-run', 'say what would be changed, and change nothing').action(run(io, done, migrateCommand));
  program.command('list').description('Lists all indexes').action(run(io, done, (own: Io, options: CommonOptions) => listCommand(own, options)));
  const target = (name: string, description: string, which = 'name or directory (default: the index around here)'): Command => addTarget(program.command(name).argument('[index]', which).description(description));
  target('status', 'Shows the daemon and its indexes', 'name or directory (default: all)').action(run(io, done, statusCommand));
  target('inspect', 'Shows files, segments and counts of an index')
    .option('--documents <n>', 'show so many documents', wholeNumber(1, 1_000))
    .option('--after <id>', 'only documents after this one')
    .option('--vectors', 'with their vectors (--json)')
    .action(run(io, done, inspectCommand));
  target('flush', 'Saves everything to segments and returns when that is done').action(run(io, done, flushCommand));
  target('verify', 'Checks the files of an index').option('--deep', 'read and check every block').action(run(io, done, verifyCommand));
  target('repair', 'Mends a damaged index; damaged files are kept').option('--dry-run', 'only say what would be done').action(run(io, done, repairCommand));
  program.command('rename').argument('<index>', 'name or directory', notEmpty).argument('<name>', 'its new name', notEmpty).description('Gives an index another name; its backups follow').action(run(io, done, renameCommand));
  target('delete', 'Deletes an index; the data are kept aside', 'its name or its root').option('--purge', 'remove the data too').option('--with-backups', 'with --purge: remove its backups and archived log too').option('-y, --yes', 'do not ask').action(run(io, done, deleteCommand));
}

function addBackups(program: Command, io: Io, done: Done): void {
  const backup = program.command('backup').description('Makes, checks and restores backups of an index');
  const target = (name: string, description: string): Command => addTarget(backup.command(name).argument('[index]', 'name or directory (default: the index around here)').description(description));
  const byId = ['--backup <id>', 'this backup (default: the newest)', notEmpty] as const;
  target('create', 'Makes a backup while everything goes on').action(run(io, done, backupCreateCommand));
  backup.command('list').argument('[index]', 'only of this index: its name').description('Lists backups').action(run(io, done, backupListCommand));
  target('verify', 'Reads every byte of a backup and opens it aside').option(...byId).action(run(io, done, backupVerifyCommand));
  target('restore', 'Puts a backup, or a point after it, in the place of an index')
    .option(...byId)
    .option('--to-lsn <n>', 'the state after this batch', wholeNumber(0, Number.MAX_SAFE_INTEGER))
    .option('--to-time <time>', 'the state of this time (2026-01-31T18:30:00Z)', notEmpty)
    .option('--as <name>', 'to a new index of this name', notEmpty)
    .option('--from <dir>', 'the backup in this directory, inside the data directory or backup.directory', notEmpty)
    .option('-y, --yes', 'do not ask')
    .action(run(io, done, backupRestoreCommand));
  target('prune', 'Removes old backups, never the newest good one')
    .option('--keep <n>', 'keep at most so many', wholeNumber(1, 1_000_000))
    .option('--max-age-days <n>', 'remove older ones', wholeNumber(1, 36_500))
    .option('--max-bytes <n>', 'remove the oldest until all take no more', wholeNumber(1, Number.MAX_SAFE_INTEGER))
    .option('--dry-run', 'only say what would go')
    .action(run(io, done, backupPruneCommand));
}

function addDaemon(program: Command, io: Io, done: Done): void {
  const daemon = program.command('daemon').description('Controls the daemon');
  const force = ['--force', 'kill it if it does not answer'] as const;
  daemon.command('start').description('Starts it, if it does not run').action(run(io, done, startCommand));
  daemon.command('stop').description('Stops it and returns when it is gone').option(...force).action(run(io, done, stopCommand));
  daemon.command('restart').description('Stops and starts it').option(...force).action(run(io, done, restartCommand));
  daemon.command('status').description('Shows it; never starts it').action(run(io, done, daemonStatusCommand));
  daemon.command('logs').description('Shows its log')
    .option('-n, --lines <n>', 'number of lines', wholeNumber(0, 100_000))
    .option('-f, --follow', 'go on as the log grows')
    .action(run(io, done, logsCommand));
}
