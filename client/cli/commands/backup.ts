/** cairn backup create, list, verify, restore, prune. */
import { resolve } from 'node:path';
import { ClientError } from '../../errors.ts';
import { EXIT } from '../exit-codes.ts';
import type { ExitCode } from '../exit-codes.ts';
import { bytes, count, duration, plural, table } from '../format.ts';
import { withClient, writeJson } from '../io.ts';
import type { CommonOptions, Io } from '../io.ts';
import { progressLine } from '../progress.ts';
import { damageLine, oneLine, styleFor } from '../style.ts';
import { targetRef } from '../target.ts';
import type { TargetOptions } from '../target.ts';

type Options = CommonOptions & TargetOptions;

export async function backupCreateCommand(io: Io, target: string | undefined, options: Options): Promise<ExitCode> {
  return withClient(io, options, async (client) => {
    const progress = progressLine(io);
    const result = await client.createBackup(await targetRef(client, io, target, options), { signal: io.signal, onProgress: progress.update }).finally(progress.clear);
    const { backup } = result;
    if (options.json === true) writeJson(io, result);
    else io.stdout.write(`${oneLine(backup.index)}: backup ${styleFor(io, options).bold(oneLine(backup.id))} of ${plural(backup.docs, 'file')}, ${plural(backup.chunks, 'chunk')}; ${bytes(backup.bytes)}, ${bytes(backup.bytesWritten)} of it written, ${duration(result.tookMs)}\n`);
    return EXIT.ok;
  });
}

export async function backupListCommand(io: Io, name: string | undefined, options: CommonOptions): Promise<ExitCode> {
  return withClient(io, options, async (client) => {
    const { backups, unreadable, diskBytes } = await client.listBackups(name === undefined ? {} : { index: name }, { signal: io.signal });
    const exit = unreadable.length > 0 ? EXIT.damaged : backups.length === 0 ? EXIT.nothingFound : EXIT.ok;
    if (options.json === true) {
      writeJson(io, { backups, unreadable, diskBytes });
      return exit;
    }
    const rows = backups.map((one) => [oneLine(one.index), oneLine(one.id), oneLine(one.cause), count(one.docs), count(one.chunks), bytes(one.bytes), bytes(one.bytesWritten)]);
    if (rows.length === 0) io.stdout.write('no backups\n');
    else io.stdout.write(`${table([['INDEX', 'BACKUP', 'CAUSE', 'FILES', 'CHUNKS', 'SIZE', 'WRITTEN'], ...rows])}${bytes(diskBytes)} on disk\n`);
    for (const { path, reason } of unreadable) io.stdout.write(`${styleFor(io, options).bad('unreadable')} ${oneLine(path)}: ${oneLine(reason)}\n`);
    return exit;
  });
}

export async function backupVerifyCommand(io: Io, target: string | undefined, options: Options & { readonly backup?: string | undefined }): Promise<ExitCode> {
  return withClient(io, options, async (client) => {
    const progress = progressLine(io);
    const params = { ...(await targetRef(client, io, target, options)), ...(options.backup === undefined ? {} : { backup: options.backup }) };
    const result = await client.verifyBackup(params, { signal: io.signal, onProgress: progress.update }).finally(progress.clear);
    if (options.json === true) writeJson(io, result);
    else {
      const style = styleFor(io, options);
      io.stdout.write(`${oneLine(result.index)}: backup ${oneLine(result.backup)}: ${result.ok ? style.good('no damage') : style.bad('damaged')}, ${plural(result.filesChecked, 'file')}, ${bytes(result.bytesChecked)}, ${duration(result.tookMs)}\n`);
      for (const damage of result.damages) io.stdout.write(damageLine(damage));
    }
    return result.ok ? EXIT.ok : EXIT.damaged;
  });
}

export interface RestoreOptions extends Options {
  readonly backup?: string | undefined;
  readonly toLsn?: number | undefined;
  readonly toTime?: string | undefined;
  readonly as?: string | undefined;
  readonly from?: string | undefined;
  readonly yes?: boolean | undefined;
}

export async function backupRestoreCommand(io: Io, target: string | undefined, options: RestoreOptions): Promise<ExitCode> {
  const { backup, toLsn, toTime, as, from } = options;
  if (as === undefined && options.yes !== true && !(await mayReplace(io, target ?? options.index ?? options.root ?? 'the index around here'))) return EXIT.usage;
  return withClient(io, options, async (client) => {
    const progress = progressLine(io);
    const params = {
      ...(await targetRef(client, io, target, options)),
      ...(backup === undefined ? {} : { backup }), ...(toLsn === undefined ? {} : { toLsn }), ...(toTime === undefined ? {} : { toTime }),
      ...(as === undefined ? {} : { as }), ...(from === undefined ? {} : { from: resolve(io.cwd, from) }),
    };
    const result = await client.restoreBackup(params, { signal: io.signal, onProgress: progress.update }).finally(progress.clear);
    if (options.json === true) {
      writeJson(io, result);
      return EXIT.ok;
    }
    io.stdout.write(`${styleFor(io, options).bold(oneLine(result.index))}: restored from backup ${oneLine(result.backup)} at LSN ${result.lsn}: ${plural(result.docs, 'file')}, ${plural(result.chunks, 'chunk')}, ${duration(result.tookMs)}\n`);
    if (result.savedAs !== null) io.stdout.write(`The state before is backup ${oneLine(result.savedAs)}\n`);
    if (result.keptAt !== null) io.stdout.write(`The files before are kept at ${oneLine(result.keptAt)}\n`);
    return EXIT.ok;
  });
}

export interface PruneOptions extends Options {
  readonly keep?: number | undefined;
  readonly maxAgeDays?: number | undefined;
  readonly maxBytes?: number | undefined;
  readonly dryRun?: boolean | undefined;
}

export async function backupPruneCommand(io: Io, target: string | undefined, options: PruneOptions): Promise<ExitCode> {
  const { keep, maxAgeDays, maxBytes, dryRun } = options;
  if (keep === undefined && maxAgeDays === undefined && maxBytes === undefined) {
    throw new ClientError('INVALID_ARGUMENT', 'say what may go', { hint: 'Add --keep N, --max-age-days N or --max-bytes N' });
  }
  return withClient(io, options, async (client) => {
    const progress = progressLine(io);
    const params = {
      ...(await targetRef(client, io, target, options)), ...(keep === undefined ? {} : { keep }), ...(maxAgeDays === undefined ? {} : { maxAgeDays }),
      ...(maxBytes === undefined ? {} : { maxBytes }), ...(dryRun === true ? { dryRun } : {}),
    };
    const result = await client.pruneBackups(params, { signal: io.signal, onProgress: progress.update }).finally(progress.clear);
    if (options.json === true) writeJson(io, result);
    else {
      for (const id of result.removed) io.stdout.write(`${result.dryRun ? 'would remove' : 'removed'} ${oneLine(id)}\n`);
      io.stdout.write(`${oneLine(result.index)}: ${plural(result.removed.length, 'backup')} ${result.dryRun ? 'would go' : 'removed'} (${bytes(result.freedBytes)}), ${count(result.kept)} kept\n`);
    }
    return EXIT.ok;
  });
}

async function mayReplace(io: Io, name: string): Promise<boolean> {
  if (io.stdout.isTTY && io.stderr.isTTY) return io.confirm(`Replace ${oneLine(name)} by its backup? Its state now is saved first. [y/N] `);
  throw new ClientError('INVALID_ARGUMENT', 'replacing an index needs a confirmation', { hint: 'Add --yes, or restore to another name with --as NAME' });
}
