/** cairn search: answers a question about the code around the user; indexes it first if it is not. */
import type { SearchParams } from '../../../daemon/protocol/types.ts';
import type { ExitCode } from '../exit-codes.ts';
import { withClient, writeJson } from '../io.ts';
import type { CommonOptions, Io } from '../io.ts';
import { answerNote, renderHit } from '../render-hits.ts';
import { styleFor } from '../style.ts';
import { withIndex } from '../target.ts';
import type { TargetOptions } from '../target.ts';
import { noteAnswer, outcome } from './answer.ts';

export interface SearchOptions extends CommonOptions, TargetOptions {
  readonly limit?: number | undefined;
  readonly lang?: readonly string[] | undefined;
  readonly path?: readonly string[] | undefined;
  readonly kind?: readonly string[] | undefined;
  readonly without?: readonly string[] | undefined;
  readonly codeOnly?: boolean | undefined;
  readonly fresh?: boolean | undefined;
  readonly explain?: boolean | undefined;
  /** Lines of each snippet. */
  readonly lines?: number | undefined;
}

const DEFAULT_LINES = 8;

export async function searchCommand(io: Io, query: string, options: SearchOptions): Promise<ExitCode> {
  return withClient(io, options, async (client) => {
    const params = searchParams(query, options);
    const result = await withIndex(client, io, options, (ref) => client.search({ ...params, ...ref }, { signal: io.signal }));
    if (options.json === true) writeJson(io, result);
    else {
      const style = styleFor(io, options);
      io.stdout.write(result.hits.map((hit) => renderHit(hit, style, query, options.lines ?? DEFAULT_LINES)).join('\n'));
      noteAnswer(io, options, answerNote(result.meta));
      if (result.hits.length === 0) io.stderr.write('nothing found\n');
    }
    return outcome(result.hits.length, result.meta);
  }, { isRepeatable: true });
}

/** Only what was given: absent parameters keep the daemon's defaults. */
function searchParams(query: string, options: SearchOptions): SearchParams {
  return {
    query,
    ...(options.limit === undefined ? {} : { limit: options.limit }),
    ...(options.lang === undefined ? {} : { languages: options.lang }),
    ...(options.path === undefined ? {} : { paths: options.path }),
    ...(options.kind === undefined ? {} : { kinds: options.kind }),
    ...(options.without === undefined ? {} : { without: options.without }),
    ...(options.codeOnly === true ? { codeOnly: true } : {}),
    ...(options.fresh === true ? { fresh: true } : {}),
    ...(options.explain === true ? { explain: true } : {}),
  };
}

