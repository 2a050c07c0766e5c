/** cairn status and cairn list: how the daemon and its indexes are. */
import type { DaemonStatus, IndexStatus, IndexSummary } from '../../../daemon/protocol/types.ts';
import type { CairnClient } from '../../cairn-client.ts';
import { ClientError } from '../../errors.ts';
import { EXIT } from '../exit-codes.ts';
import type { ExitCode } from '../exit-codes.ts';
import { bytes, count, duration, fields, plural, table } from '../format.ts';
import { withClient, writeJson } from '../io.ts';
import type { CommonOptions, Io } from '../io.ts';
import { oneLine, styleFor } from '../style.ts';
import type { Style } from '../style.ts';
import { targetRef } from '../target.ts';
import type { TargetOptions } from '../target.ts';

type IndexReport = IndexStatus | (IndexSummary & { readonly error: string });

export async function statusCommand(io: Io, target: string | undefined, options: CommonOptions & TargetOptions): Promise<ExitCode> {
  return withClient(io, options, async (client) => {
    const daemon = await client.status({ signal: io.signal });
    const one = target !== undefined || options.index !== undefined || options.root !== undefined;
    const indexes = one ? [await client.indexStatus(await targetRef(client, io, target, options), { signal: io.signal })] : await allIndexes(client, daemon, io);
    const { indexes: _summaries, failed, ...process } = daemon;
    if (options.json === true) writeJson(io, { daemon: process, indexes, failed });
    else io.stdout.write(renderStatus(daemon, indexes, styleFor(io, options)));
    return failed.length > 0 || indexes.some((index) => index.state === 'degraded' || index.state === 'failed') ? EXIT.damaged : EXIT.ok;
  }, { isRepeatable: true });
}

/** The full status of each index; one that cannot be opened right now is shown by what the daemon knows of it. */
function allIndexes(client: CairnClient, daemon: DaemonStatus, io: Io): Promise<IndexReport[]> {
  return Promise.all(daemon.indexes.map(async (summary) => {
    try {
      return await client.indexStatus({ index: summary.index }, { signal: io.signal });
    } catch (error) {
      if (!(error instanceof ClientError) || error.code === 'CANCELLED' || error.code === 'DAEMON_UNREACHABLE') throw error;
      return { ...summary, error: error.message };
    }
  }));
}

export function renderStatus(daemon: DaemonStatus, indexes: readonly IndexReport[], style: Style): string {
  const { memory, eventLoop, scrub } = daemon;
  const head = fields([
    ['daemon', `${style.good(daemon.state)} pid ${daemon.pid}, version ${oneLine(daemon.version)}, up ${duration(daemon.uptimeMs)}`],
    ['data', oneLine(daemon.dataDir)],
    ['memory', `${bytes(memory.rss)} resident, ${bytes(memory.heapUsed)} heap`],
    ['event loop', `p99 ${duration(eventLoop.p99Ms)}, max ${duration(eventLoop.maxMs)}`],
    ['clients', `${plural(daemon.connections, 'connection')}, ${plural(daemon.inFlight, 'request')} in flight`],
    ...(scrub === undefined ? [] : [['checked', checked(scrub)] as [string, string]]),
  ]);
  const warnings = daemon.warnings.map((warning) => `${style.warn('warning:')} ${oneLine(warning)}\n`);
  const failed = daemon.failed.map((index) => `\n${style.bad('failed')} ${oneLine(index.index)}: ${oneLine(index.reason)}\n${index.hint === undefined ? '' : `  ${oneLine(index.hint)}\n`}`);
  return [head, ...warnings, ...indexes.map((index) => `\n${renderIndex(index, style)}`), ...failed].join('');
}

function checked({ files, bytes: read, damaged, due, lastError }: NonNullable<DaemonStatus['scrub']>): string {
  return `${plural(files, 'segment')}, ${bytes(read)} against their checksums since the start, ${count(damaged)} damaged, ${count(due)} to go${lastError === null ? '' : `; ${oneLine(lastError)}`}`;
}

function renderIndex(index: IndexReport, style: Style): string {
  const paint = index.state === 'ready' ? style.good : index.state === 'degraded' || index.state === 'failed' ? style.bad : style.warn;
  const title = `${style.bold(oneLine(index.index))}  ${paint(index.state)}  ${style.path(oneLine(index.root ?? '(no source root)'))}\n`;
  const lines: [string, string][] = [['  content', `${plural(index.docs, 'file')}, ${plural(index.chunks, 'chunk')}, ${bytes(index.diskBytes)} on disk`]];
  if ('error' in index) lines.push(['  error', oneLine(index.error)]);
  else lines.push(...details(index));
  for (const reason of index.reasons) lines.push(['  note', oneLine(reason)]);
  return title + fields(lines);
}

function details(index: IndexStatus): [string, string][] {
  const { persist, watcher, embedder } = index;
  const skipped = Object.entries(index.skipped).map(([reason, n]) => `${count(n)} ${oneLine(reason)}`).join(', ');
  const saves = `${plural(persist.saves, 'save')}${persist.failures > 0 ? `, ${plural(persist.failures, 'failure')}: ${oneLine(persist.lastError ?? '')}` : ''}`;
  return [
    ['  log', `LSN ${index.lsn}, synced ${index.syncedLsn}, in segments ${index.durableLsn}; ${plural(index.segments, 'segment')}, ${count(index.memtableChunks)} chunks in memory`],
    ['  saving', `${saves}${persist.inFlight ? ', saving now' : persist.dirty ? ', to be saved' : ''}`],
    ['  watching', `${watcher.state}${watcher.reason === null ? '' : ` (${oneLine(watcher.reason)})`}, ${plural(index.pendingFiles, 'file')} pending`],
    ['  vectors', embedder === null ? 'none' : `${count(index.vectors)} by ${oneLine(embedder.name)} ${oneLine(embedder.revision)}; ${count(embedder.textsEmbedded)} texts embedded, ${count(embedder.cacheHits)} from the cache since start`],
    ...(skipped === '' ? [] : [['  skipped', skipped] as [string, string]]),
    ...(index.quarantine === undefined || index.quarantine.length === 0 ? [] : [['  quarantine', `${plural(index.quarantine.length, 'damaged file')} kept (cairn doctor lists them)`] as [string, string]]),
  ];
}

export async function listCommand(io: Io, options: CommonOptions): Promise<ExitCode> {
  return withClient(io, options, async (client) => {
    const result = await client.listIndexes({ signal: io.signal });
    if (options.json === true) writeJson(io, result);
    else {
      const rows = result.indexes.map((index) => [oneLine(index.index), index.state, count(index.docs), count(index.chunks), bytes(index.diskBytes), oneLine(index.root ?? '-')]);
      if (rows.length > 0) io.stdout.write(table([['INDEX', 'STATE', 'FILES', 'CHUNKS', 'SIZE', 'ROOT'], ...rows]));
      else io.stderr.write('no indexes yet; make one with: cairn index DIR\n');
      // An older daemon tells of none.
      const orphans = (result.orphans ?? []).filter(({ what }) => what === 'no-metadata');
      for (const { path } of orphans) io.stderr.write(`${styleFor(io, options, 'stderr').warn('orphan')} ${oneLine(path)} has no metadata.json; adopt it with: cairn import ${oneLine(path)}\n`);
      for (const index of result.failed) io.stderr.write(`${styleFor(io, options, 'stderr').bad('failed')} ${oneLine(index.index)}: ${oneLine(index.reason)}\n`);
    }
    return result.failed.length > 0 ? EXIT.damaged : EXIT.ok;
  }, { isRepeatable: true });
}
