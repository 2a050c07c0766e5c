/** cairn index: makes or brings up to date the index of a directory. */
import { resolve } from 'node:path';
import { EXIT } from '../exit-codes.ts';
import type { ExitCode } from '../exit-codes.ts';
import { count, duration, plural } from '../format.ts';
import { withClient, writeJson } from '../io.ts';
import type { CommonOptions, Io } from '../io.ts';
import { progressLine } from '../progress.ts';
import { oneLine, styleFor } from '../style.ts';
import { gitTopLevel, indexTree } from '../target.ts';

export interface IndexOptions extends CommonOptions {
  readonly name?: string | undefined;
  /** Default; the opposite of --background. */
  readonly wait?: boolean | undefined;
  /** Return as soon as the index exists. */
  readonly background?: boolean | undefined;
  readonly lexicalOnly?: boolean | undefined;
  /** Read every file again. */
  readonly rebuild?: boolean | undefined;
}

export async function indexCommand(io: Io, directory: string | undefined, options: IndexOptions): Promise<ExitCode> {
  const root = directory === undefined ? (gitTopLevel(io.cwd) ?? io.cwd) : resolve(io.cwd, directory);
  return withClient(io, options, async (client) => {
    const params = { root, ...(options.name === undefined ? {} : { name: options.name }), ...(options.lexicalOnly === true ? { lexicalOnly: true } : {}) };
    const opened = options.background === true || options.rebuild === true ? await client.openIndex(params, { signal: io.signal }) : await indexTree(client, io, params);
    const run = options.rebuild === true ? await rebuild() : opened;
    if (options.json === true) writeJson(io, run);
    else {
      const style = styleFor(io, options);
      const facts = `${plural(run.files, 'file')}, ${plural(run.chunks, 'chunk')}, ${count(run.embedded)} embedded, ${count(run.cached)} from the cache, ${duration(run.tookMs)}`;
      io.stdout.write(`${style.bold(oneLine(run.index))} ${style.path(oneLine(run.root ?? ''))}: ${options.background === true ? run.state : facts}\n`);
    }
    return run.state === 'degraded' || run.state === 'failed' ? EXIT.damaged : EXIT.ok;

    async function rebuild(): Promise<typeof opened> {
      const progress = progressLine(io);
      try {
        return await client.rebuildIndex({ index: opened.index, wait: options.background !== true }, { signal: io.signal, onProgress: progress.update });
      } finally {
        progress.clear();
      }
    }
  });
}
