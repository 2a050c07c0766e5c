/** The one place where an errno of the operating system becomes a CairnError. */
import { CairnError, type ErrorCode } from '../util/errors.ts';

interface Rule {
  readonly code: ErrorCode;
  readonly what: string;
  readonly hint?: string;
  /** True when trying the same again later can work without changing anything in cairn. */
  readonly retryable?: boolean;
}

const diskFull: Rule = { code: 'DISK_FULL', what: 'no space left', hint: 'Free some disk space; nothing acknowledged was lost.', retryable: true };
const tooMany: Rule = { code: 'TOO_MANY_FILES', what: 'too many open files', hint: 'Raise the limit of open files (ulimit -n).', retryable: true };
const denied: Rule = { code: 'PERMISSION', what: 'access denied', hint: 'Check owner and mode of the file and its directories.' };

const RULES: Readonly<Record<string, Rule>> = {
  ENOSPC: diskFull,
  EDQUOT: diskFull,
  EMFILE: tooMany,
  ENFILE: tooMany,
  EACCES: denied,
  EPERM: denied,
  EROFS: { code: 'READ_ONLY', what: 'the file system is read-only' },
  ENOENT: { code: 'NOT_FOUND', what: 'no such file or directory' },
  EEXIST: { code: 'ALREADY_EXISTS', what: 'already exists' },
  ENOTEMPTY: { code: 'ALREADY_EXISTS', what: 'directory is not empty' },
  // O_NOFOLLOW: a link in the place of one of our files is never opened.
  ELOOP: { code: 'PERMISSION', what: 'a symbolic link stands in the place of a file', hint: 'Remove the link; cairn follows none in its data directory.' },
  EISDIR: { code: 'CORRUPT', what: 'it is a directory, not a file' },
  ENOTDIR: { code: 'IO', what: 'a file stands in the place of a directory', hint: 'Move the file away.' },
  EIO: { code: 'IO', what: 'input/output error', hint: 'The disk reported an error; look at the system log.' },
};

export function errnoOf(error: unknown): string | undefined {
  const code = (error as { code?: unknown } | null | undefined)?.code;
  return typeof code === 'string' && !(error instanceof CairnError) ? code : undefined;
}

/** `action` is the failed call in words: 'open', 'write', 'sync'. A CairnError passes unchanged. */
export function toCairnError(error: unknown, action: string, path: string): CairnError {
  if (error instanceof CairnError) return error;
  const errno = errnoOf(error);
  const rule = errno === undefined ? undefined : RULES[errno];
  const what = rule?.what ?? (error instanceof Error ? error.message : String(error));
  return new CairnError(rule?.code ?? 'IO', `cannot ${action} ${path}: ${what}`, {
    path,
    hint: rule?.hint,
    retryable: rule?.retryable ?? false,
    cause: error,
  });
}
