/** The documented exit codes, and which failure gives which. */
export const EXIT = {
  ok: 0,
  nothingFound: 1,
  usage: 2,
  /** An index (or the data directory) is damaged or degraded, or the work failed. */
  damaged: 3,
  unreachable: 4,
  /** 128 + SIGINT. */
  interrupted: 130,
} as const;

export type ExitCode = (typeof EXIT)[keyof typeof EXIT];

const USAGE = ['INVALID_ARGUMENT', 'INVALID_CONFIG', 'NOT_FOUND', 'ALREADY_EXISTS', 'UNSUPPORTED', 'UNKNOWN_METHOD', 'ROOT_NOT_FOUND', 'ROOT_NOT_DIRECTORY', 'ROOT_UNREADABLE'];
const UNREACHABLE = ['DAEMON_UNREACHABLE', 'TIMEOUT', 'VERSION_SKEW', 'UNAUTHORIZED', 'PROTOCOL', 'NOT_SERVING', 'OVERLOADED'];

/** Exit code for an error code of the client or the daemon. */
export function exitCodeOf(code: string): ExitCode {
  if (code === 'CANCELLED') return EXIT.interrupted;
  if (USAGE.includes(code)) return EXIT.usage;
  return UNREACHABLE.includes(code) ? EXIT.unreachable : EXIT.damaged;
}
