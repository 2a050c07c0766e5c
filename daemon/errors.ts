/** The one door of the daemon's own layers to the error type; adds what only a process needs to know about failures. */
export { CairnError, isCairnError, type ErrorCode } from '../src/util/errors.ts';

/** errno code of a Node system error, or null. */
export function errnoOf(error: unknown): string | null {
  const code = error instanceof Error ? (error as NodeJS.ErrnoException).code : undefined;
  return typeof code === 'string' ? code : null;
}

export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
