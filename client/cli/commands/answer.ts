/** What all commands that answer from an index share: notes on stderr and the exit code. */
import type { AnswerMeta } from '../../../daemon/protocol/types.ts';
import { EXIT } from '../exit-codes.ts';
import type { ExitCode } from '../exit-codes.ts';
import type { CommonOptions, Io } from '../io.ts';
import { styleFor } from '../style.ts';

export function noteAnswer(io: Io, options: CommonOptions, note: string | null): void {
  if (note !== null) io.stderr.write(`${styleFor(io, options, 'stderr').warn('note:')} ${note}\n`);
}

/** An answer of an index that is not whole may lack something, whatever was found; scripts must be able to tell. */
export function outcome(found: number, meta: AnswerMeta): ExitCode {
  if (meta.state === 'degraded' || meta.state === 'failed') return EXIT.damaged;
  return found > 0 ? EXIT.ok : EXIT.nothingFound;
}
