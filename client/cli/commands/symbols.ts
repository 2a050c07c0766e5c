/** cairn symbols: definitions by name. */
import type { ExitCode } from '../exit-codes.ts';
import { withClient, writeJson } from '../io.ts';
import type { CommonOptions, Io } from '../io.ts';
import { answerNote, renderSymbol } from '../render-hits.ts';
import { styleFor } from '../style.ts';
import { withIndex } from '../target.ts';
import type { TargetOptions } from '../target.ts';
import { noteAnswer, outcome } from './answer.ts';

export interface SymbolsOptions extends CommonOptions, TargetOptions {
  readonly limit?: number | undefined;
  readonly kind?: readonly string[] | undefined;
  readonly lang?: readonly string[] | undefined;
  readonly path?: readonly string[] | undefined;
}

export async function symbolsCommand(io: Io, query: string, options: SymbolsOptions): Promise<ExitCode> {
  return withClient(io, options, async (client) => {
    const params = {
      query,
      ...(options.limit === undefined ? {} : { limit: options.limit }),
      ...(options.kind === undefined ? {} : { kinds: options.kind }),
      ...(options.lang === undefined ? {} : { languages: options.lang }),
      ...(options.path === undefined ? {} : { paths: options.path }),
    };
    const result = await withIndex(client, io, options, (ref) => client.symbols({ ...params, ...ref }, { signal: io.signal }));
    if (options.json === true) writeJson(io, result);
    else {
      const style = styleFor(io, options);
      io.stdout.write(result.symbols.map((symbol) => renderSymbol(symbol, style)).join(''));
      noteAnswer(io, options, answerNote(result.meta));
      if (result.symbols.length === 0) io.stderr.write('nothing found\n');
    }
    return outcome(result.symbols.length, result.meta);
  }, { isRepeatable: true });
}
