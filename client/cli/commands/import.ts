/** cairn import: an index directory that is not listed, or another program's data, as a new index. cairn migrate: old metadata. */
import { resolve } from 'node:path';
import type { IndexImportParams, IndexImportResult } from '../../../daemon/protocol/types.ts';
import { EXIT } from '../exit-codes.ts';
import type { ExitCode } from '../exit-codes.ts';
import { count, duration, plural } from '../format.ts';
import { withClient, writeJson } from '../io.ts';
import type { CommonOptions, Io } from '../io.ts';
import { progressLine } from '../progress.ts';
import { oneLine, styleFor } from '../style.ts';

interface ImportOptions extends CommonOptions {
  readonly from?: IndexImportParams['from'];
  readonly name?: string | undefined;
  readonly root?: string | undefined;
  readonly kind?: IndexImportParams['kind'];
  readonly dimension?: number | undefined;
  readonly metric?: IndexImportParams['metric'];
}

/** Exit code 3 when something was refused, though the rest was taken. */
export async function importCommand(io: Io, path: string, options: ImportOptions): Promise<ExitCode> {
  const { from, name, root, kind, dimension, metric } = options;
  const params: IndexImportParams = {
    path: resolve(io.cwd, path), ...(from === undefined ? {} : { from }), ...(name === undefined ? {} : { name }), ...(root === undefined ? {} : { root: resolve(io.cwd, root) }),
    ...(kind === undefined ? {} : { kind }), ...(dimension === undefined ? {} : { dimension }), ...(metric === undefined ? {} : { metric }),
  };
  return withClient(io, options, async (client) => {
    const progress = progressLine(io);
    const result = await client.importIndex(params, { signal: io.signal, onProgress: progress.update }).finally(progress.clear);
    if (options.json === true) writeJson(io, result);
    else print(io, options, result);
    return result.refused.length > 0 ? EXIT.damaged : EXIT.ok;
  });
}

function print(io: Io, options: CommonOptions, result: IndexImportResult): void {
  const style = styleFor(io, options);
  const what = result.kind === 'vector' ? plural(result.taken, 'record') : `${plural(result.documents, 'file')}, ${plural(result.taken, 'chunk')}`;
  const vectors = result.embedded + result.cached === 0 ? '' : ` (${count(result.embedded)} embedded, ${count(result.cached)} known)`;
  io.stdout.write(`${style.bold(oneLine(result.index))}: ${what}${vectors} from ${result.from}, ${duration(result.tookMs)}\n`);
  for (const { message } of result.warnings) io.stdout.write(`${style.warn('warning')} ${oneLine(message)}\n`);
  for (const { reason, count: n, examples } of result.refused) {
    io.stdout.write(`${style.bad('refused')} ${count(n)}: ${oneLine(reason)}\n`);
    for (const example of examples.slice(0, 3)) io.stdout.write(`         ${oneLine(example)}\n`);
  }
}

/** Exit code 3 when an index cannot be brought to the present schema. */
export async function migrateCommand(io: Io, index: string | undefined, options: CommonOptions & { readonly dryRun?: boolean | undefined }): Promise<ExitCode> {
  return withClient(io, options, async (client) => {
    const result = await client.migrateIndexes({ ...(index === undefined ? {} : { index }), dryRun: options.dryRun === true }, { signal: io.signal });
    if (options.json === true) writeJson(io, result);
    else {
      const style = styleFor(io, options);
      for (const { index: name, from, to, steps, backup } of result.migrated) {
        io.stdout.write(`${style.bold(oneLine(name))}: schema ${from} ${result.dryRun ? 'would become' : 'became'} ${to}${backup === null ? '' : `; the old metadata.json is kept at ${oneLine(backup)}`}\n`);
        for (const step of steps) io.stdout.write(`  ${oneLine(step)}\n`);
      }
      for (const { path, code, reason } of result.failed) io.stdout.write(`${style.bad('failed')} ${oneLine(path)}: ${code}: ${oneLine(reason)}\n`);
      if (result.migrated.length + result.failed.length === 0) io.stdout.write('nothing to migrate\n');
    }
    return result.failed.length > 0 ? EXIT.damaged : EXIT.ok;
  });
}
