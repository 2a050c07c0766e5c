/** What all commands that answer from an index share: notes on stderr and the exit code. */
import type { AnswerMeta } from '../../../daemon/protocol/types.ts';
import { EXIT } from '../exit-codes.ts';
import type { ExitCode } from '../exit-codes.ts';
import type { CommonOptions, Io } from '../io.ts';
import { styleFor } from '../style.ts';

export function noteAnswer(io: Io, options: CommonOptions, note: string | null): void {
  if (note !== null) io.stderr.write(`${styleFor(io, options, 'stderr').warn('note:')} ${note}\n`);
}

/** Nothing found in an index that is not whole is no proof that there is nothing. */
export function outcome(found: number, meta: AnswerMeta): ExitCode {
  if (found > 0) return EXIT.ok;
  return meta.state === 'degraded' || meta.state === 'failed' ? EXIT.damaged : EXIT.nothingFound;
}
