/** cairn inspect, flush, verify, rename, delete: work on one index. */
import { ClientError } from '../../errors.ts';
import { EXIT } from '../exit-codes.ts';
import type { ExitCode } from '../exit-codes.ts';
import { bytes, count, duration, fields, plural, table } from '../format.ts';
import { withClient, writeJson } from '../io.ts';
import type { CommonOptions, Io } from '../io.ts';
import { progressLine } from '../progress.ts';
import { damageLine, oneLine, styleFor } from '../style.ts';
import { exactTargetRef, targetRef } from '../target.ts';
import type { TargetOptions } from '../target.ts';

type Options = CommonOptions & TargetOptions;

interface InspectOptions extends Options {
  readonly documents?: number;
  readonly after?: string;
  readonly vectors?: boolean;
}

export async function inspectCommand(io: Io, target: string | undefined, options: InspectOptions): Promise<ExitCode> {
  return withClient(io, options, async (client) => {
    const { documents, after, vectors } = options;
    const listing = { ...(documents === undefined ? {} : { documents }), ...(after === undefined ? {} : { after }), ...(vectors === undefined ? {} : { vectors }) };
    const found = await client.inspectIndex({ ...(await targetRef(client, io, target, options)), ...listing }, { signal: io.signal });
    if (options.json === true) {
      writeJson(io, found);
      return EXIT.ok;
    }
    const style = styleFor(io, options);
    const written = found.bytesWritten;
    io.stdout.write(`${style.bold(oneLine(found.index))}  ${style.path(oneLine(found.directory))}\n`);
    io.stdout.write(fields([
      ['content', `${plural(found.docs, 'file')}, ${plural(found.chunks, 'chunk')}, ${count(found.vectors)} vectors, ${plural(found.symbols, 'symbol')}, ${plural(found.edges, 'edge')}`],
      ['languages', found.languages.map(({ language, docs }) => `${oneLine(language === '' ? 'none' : language)} ${count(docs)}`).join(', ')],
      ['state', `generation ${found.generation}, LSN ${found.lsn}, synced ${found.syncedLsn}, in segments ${found.durableLsn}`],
      ['size', `${bytes(found.diskBytes)} on disk, ${bytes(found.memoryBytes)} in memory, ${bytes(found.walBytes)} of log`],
      ['memtable', `${plural(found.memtable.chunks, 'chunk')}, ${bytes(found.memtable.bytes)}`],
      ['commits', `${plural(found.incremental.operations, 'operation')} in ${plural(found.incremental.batches, 'batch')} and ${plural(found.incremental.logWrites, 'log write')}, mean ${duration(found.incremental.meanMs)}, ${count(found.incremental.failures)} failed, ${count(found.incremental.pending)} pending`],
      ['written', `log ${bytes(written.wal)}, flush ${bytes(written.flush)}, compaction ${bytes(written.compaction)}, manifest ${bytes(written.manifest)}`],
      ['recovery', `${plural(found.recovery.replayedBatches, 'batch')} replayed in ${duration(found.recovery.durationMs)}, ${bytes(found.recovery.tornTailBytes)} of torn log cut`],
    ]));
    for (const { file, reason } of found.recovery.quarantined) io.stdout.write(`${style.bad('quarantined')} ${oneLine(file)}: ${oneLine(reason)}\n`);
    for (const warning of found.recovery.warnings ?? []) io.stdout.write(`${style.warn('note:')} ${oneLine(warning)}\n`);
    const rows = found.segments.map((segment) => [
      oneLine(segment.file), bytes(segment.bytes), count(segment.docs), count(segment.chunks), count(segment.tombstones), `${segment.minLsn}-${segment.maxLsn}`, oneLine(segment.checksum), oneLine(segment.createdAt),
    ]);
    if (rows.length > 0) io.stdout.write(`\n${table([['SEGMENT', 'SIZE', 'FILES', 'CHUNKS', 'DELETED', 'LSN', 'CHECKSUM', 'CREATED'], ...rows])}`);
    const docs = (found.documents ?? []).map((doc) => [oneLine(doc.id), oneLine(doc.language), count(doc.chunks), doc.source === null ? '' : bytes(doc.source.size), doc.source?.modifiedAt ?? '']);
    if (docs.length > 0) io.stdout.write(`\n${table([['DOCUMENT', 'LANGUAGE', 'CHUNKS', 'SIZE', 'MODIFIED'], ...docs])}`);
    io.stdout.write(`\nmetadata.json\n${JSON.stringify(found.metadata, null, 2).split('\n').map(oneLine).join('\n')}\n`);
    return found.recovery.degraded.length > 0 ? EXIT.damaged : EXIT.ok;
  });
}

export async function flushCommand(io: Io, target: string | undefined, options: Options): Promise<ExitCode> {
  return withClient(io, options, async (client) => {
    const result = await client.flushIndex(await targetRef(client, io, target, options), { signal: io.signal });
    if (options.json === true) writeJson(io, result);
    else io.stdout.write(`${oneLine(result.index)}: everything up to LSN ${result.durableLsn} is in segments (generation ${result.generation}, ${duration(result.tookMs)})\n`);
    return EXIT.ok;
  });
}

export async function verifyCommand(io: Io, target: string | undefined, options: Options & { readonly deep?: boolean | undefined }): Promise<ExitCode> {
  return withClient(io, options, async (client) => {
    const progress = progressLine(io);
    const params = { ...(await targetRef(client, io, target, options)), ...(options.deep === true ? { deep: true } : {}) };
    const result = await client.verifyIndex(params, { signal: io.signal, onProgress: progress.update }).finally(progress.clear);
    const losses = result.losses ?? []; // an older daemon does not tell
    const isWhole = losses.length === 0 && result.state !== 'degraded';
    if (options.json === true) writeJson(io, result);
    else {
      const style = styleFor(io, options);
      const verdict = !result.ok ? style.bad('damaged') : isWhole ? style.good('no damage') : style.bad('degraded, no damage in what is there');
      io.stdout.write(`${oneLine(result.index)}: ${verdict}, ${plural(result.filesChecked, 'file')}, ${bytes(result.bytesChecked)}, ${duration(result.tookMs)}\n`);
      for (const damage of result.damages) io.stdout.write(damageLine(damage));
      if (!isWhole) for (const line of new Set([...losses.map(({ what }) => what), ...(result.reasons ?? [])])) io.stdout.write(`  ${oneLine(line)}\n`);
      if (!result.ok) io.stdout.write(`Mend it with: cairn repair ${oneLine(result.index)}\n`);
      else if (losses.length > 0) io.stdout.write(`Put back what is lost (index its tree, add the records again, or restore a backup), or give it up with: cairn repair ${oneLine(result.index)}\n`);
      if (result.ok && options.deep !== true) io.stdout.write(`The blocks of its segments were not read. To check them too: cairn verify --deep ${oneLine(result.index)}\n`);
    }
    return result.ok && isWhole ? EXIT.ok : EXIT.damaged;
  });
}

export async function renameCommand(io: Io, target: string, name: string, options: CommonOptions): Promise<ExitCode> {
  return withClient(io, options, async (client) => {
    const result = await client.renameIndex({ ...(await targetRef(client, io, target)), to: name }, { signal: io.signal });
    if (options.json === true) writeJson(io, result);
    else io.stdout.write(`${oneLine(result.from)}: renamed to ${oneLine(result.index)}\n`);
    return EXIT.ok;
  });
}

export async function deleteCommand(io: Io, target: string | undefined, options: Options & { readonly purge?: boolean | undefined; readonly withBackups?: boolean | undefined; readonly yes?: boolean | undefined }): Promise<ExitCode> {
  if (target === undefined && options.index === undefined && options.root === undefined) {
    throw new ClientError('INVALID_ARGUMENT', 'name the index to delete', { hint: 'See the names with: cairn list' });
  }
  const { purge = false, withBackups = false } = options;
  if (withBackups && !purge) throw new ClientError('INVALID_ARGUMENT', '--with-backups removes backups together with the data', { hint: 'Add --purge' });
  if (purge && options.yes !== true && !(await mayPurge(io, target ?? options.index ?? options.root ?? '', withBackups))) return EXIT.usage;
  return withClient(io, options, async (client) => {
    const result = await client.deleteIndex({ ...(await exactTargetRef(client, io, target, options)), ...(purge ? { purge } : {}), ...(withBackups ? { withBackups } : {}) }, { signal: io.signal });
    if (options.json === true) writeJson(io, result);
    else {
      io.stdout.write(`${oneLine(result.index)}: ${result.purged ? `deleted${older(result.copies)}` : `deleted; its data are kept at ${oneLine(result.keptAt ?? '')}`}\n`);
      if (result.backups != null) {
        const { count: backups, bytes: size, directories } = result.backups;
        io.stdout.write(`${plural(backups, 'backup')} and archived log (${bytes(size)}) are kept in ${directories.map(oneLine).join(' and ')}\nThey hold its content. To remove them too: cairn delete --purge --with-backups --index ${oneLine(result.index)}\n`);
      }
    }
    return EXIT.ok;
  });
}

/** An older daemon does not tell, and leaves them. */
function older(copies: number | undefined): string {
  return copies === undefined || copies === 0 ? '' : `, with ${count(copies)} older ${copies === 1 ? 'copy' : 'copies'} of that name`;
}

async function mayPurge(io: Io, name: string, withBackups: boolean): Promise<boolean> {
  if (io.stdout.isTTY && io.stderr.isTTY) return io.confirm(`Remove all data${withBackups ? ' and all backups' : ''} of ${oneLine(name)}, also those that were kept aside under that name before? [y/N] `);
  throw new ClientError('INVALID_ARGUMENT', 'removing data needs a confirmation', { hint: 'Add --yes' });
}
