/** cairn repair: says what is damaged and mends it; with --dry-run only says so. */
import type { IndexRepairResult } from '../../../daemon/protocol/types.ts';
import { EXIT } from '../exit-codes.ts';
import type { ExitCode } from '../exit-codes.ts';
import { bytes, count, duration, plural } from '../format.ts';
import { withClient, writeJson } from '../io.ts';
import type { CommonOptions, Io } from '../io.ts';
import { progressLine } from '../progress.ts';
import { oneLine, styleFor } from '../style.ts';
import type { Style } from '../style.ts';
import { targetRef } from '../target.ts';
import type { TargetOptions } from '../target.ts';

export async function repairCommand(io: Io, target: string | undefined, options: CommonOptions & TargetOptions & { readonly dryRun?: boolean | undefined }): Promise<ExitCode> {
  return withClient(io, options, async (client) => {
    const progress = progressLine(io);
    const params = { ...(await targetRef(client, io, target, options)), ...(options.dryRun === true ? { dryRun: true } : {}) };
    const result = await client.repairIndex(params, { signal: io.signal, onProgress: progress.update }).finally(progress.clear);
    if (options.json === true) writeJson(io, result);
    else io.stdout.write(render(result, styleFor(io, options)));
    return isWhole(result) ? EXIT.ok : EXIT.damaged;
  });
}

/** Damage that was only looked at is still there. */
function isWhole({ dryRun, actions, state }: IndexRepairResult): boolean {
  if (dryRun) return actions.length === 0 && state !== 'degraded' && state !== 'failed';
  return state !== 'degraded' && state !== 'failed' && actions.every(({ done }) => done);
}

function render(result: IndexRepairResult, style: Style): string {
  const { actions, dryRun } = result;
  const damage = actions.length === 0 ? style.good('no damage') : dryRun ? style.bad('damaged; nothing was changed') : 'mended';
  const lines = [`${oneLine(result.index)}: ${damage}, ${result.state}, ${duration(result.tookMs)}\n`];
  for (const { kind, file, what, done } of actions) {
    const mark = done ? style.good('done     ') : dryRun ? style.warn('would do ') : style.bad('not done ');
    lines.push(`  ${mark} ${kind} ${oneLine(file)}: ${oneLine(what)}\n`);
  }
  if (!dryRun && actions.some(({ kind }) => kind === 'reindex')) lines.push(`  ${plural(result.embedded, 'text')} embedded again, ${count(result.cached)} from the cache\n`);
  for (const reason of result.reasons) lines.push(`  note: ${oneLine(reason)}\n`);
  if (result.quarantine.length > 0) {
    const total = result.quarantine.reduce((sum, file) => sum + file.bytes, 0);
    lines.push(`  ${plural(result.quarantine.length, 'damaged file')} kept (${bytes(total)}): ${result.quarantine.map(({ file }) => oneLine(file)).join(', ')}\n`);
  }
  return lines.join('');
}
