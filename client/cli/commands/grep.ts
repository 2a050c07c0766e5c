/** cairn grep: literal or regular-expression search over the indexed files. */
import { DEFAULT_GREP_MATCHES } from '../../../daemon/protocol/limits.ts';
import type { ExitCode } from '../exit-codes.ts';
import { plural } from '../format.ts';
import { withClient, writeJson } from '../io.ts';
import type { CommonOptions, Io } from '../io.ts';
import { answerNote, renderMatch } from '../render-hits.ts';
import { styleFor } from '../style.ts';
import { withIndex } from '../target.ts';
import type { TargetOptions } from '../target.ts';
import { noteAnswer, outcome } from './answer.ts';

export interface GrepOptions extends CommonOptions, TargetOptions {
  readonly regex?: boolean | undefined;
  readonly ignoreCase?: boolean | undefined;
  readonly word?: boolean | undefined;
  readonly context?: number | undefined;
  readonly limit?: number | undefined;
  readonly lang?: readonly string[] | undefined;
  readonly path?: readonly string[] | undefined;
}

export async function grepCommand(io: Io, pattern: string, options: GrepOptions): Promise<ExitCode> {
  return withClient(io, options, async (client) => {
    const params = {
      pattern,
      ...(options.regex === true ? { regex: true } : {}),
      ...(options.ignoreCase === true ? { ignoreCase: true } : {}),
      ...(options.word === true ? { word: true } : {}),
      ...(options.context === undefined ? {} : { context: options.context }),
      ...(options.limit === undefined ? {} : { limit: options.limit }),
      ...(options.lang === undefined ? {} : { languages: options.lang }),
      ...(options.path === undefined ? {} : { paths: options.path }),
    };
    const result = await withIndex(client, io, options, (ref) => client.grep({ ...params, ...ref }, { signal: io.signal }));
    if (options.json === true) writeJson(io, result);
    else {
      const separator = (options.context ?? 0) > 0 ? '--\n' : '';
      const style = styleFor(io, options);
      io.stdout.write(result.matches.map((match) => renderMatch(match, style, marker(pattern, options))).join(separator));
      const isAtLimit = result.truncated && result.matches.length >= (options.limit ?? DEFAULT_GREP_MATCHES);
      noteAnswer(io, options, isAtLimit ? 'there are more matches; raise --limit to see them' : answerNote(result.meta));
      if (result.matches.length === 0) io.stderr.write(`nothing found in ${plural(result.filesSearched, 'file')}\n`);
    }
    return outcome(result.matches.length, result.meta);
  }, { isRepeatable: true });
}

/** What to colour in a matching line. The daemon has its own matcher: an expression that JavaScript does not read is not coloured. */
function marker(pattern: string, options: GrepOptions): RegExp | null {
  const source = options.regex === true ? pattern : pattern.replace(/[\\^$.*+?()[\]{}|]/g, '\\$&');
  try {
    return new RegExp(source, options.ignoreCase === true ? 'gi' : 'g');
  } catch {
    return null;
  }
}
