/**
 * What may end the process: signals and bugs. The first SIGTERM or SIGINT drains, the second one hurries; an uncaught
 * exception or rejection is logged, drained without new writes, and ends with status 70. Installed once, by main.
 */

export interface GuardHooks {
  readonly onSignal: (signal: NodeJS.Signals, count: number) => void;
  readonly onBug: (error: unknown, kind: 'uncaughtException' | 'unhandledRejection') => void;
}

/** EX_SOFTWARE of sysexits.h. */
export const EXIT_BUG = 70;

/** Returns the function that removes the handlers. */
export function guardProcess(hooks: GuardHooks, target: NodeJS.Process = process): () => void {
  let signals = 0;
  let bugs = 0;
  const onSignal = (signal: NodeJS.Signals): void => hooks.onSignal(signal, ++signals);
  const bug = (kind: 'uncaughtException' | 'unhandledRejection') => (error: unknown): void => {
    // A bug inside the drain after a bug must not keep the process alive for ever.
    if (++bugs > 10) target.exit(EXIT_BUG);
    hooks.onBug(error, kind);
  };
  const onException = bug('uncaughtException');
  const onRejection = bug('unhandledRejection');
  // A terminal that goes away is no reason to stop a daemon.
  const onHangup = (): void => undefined;
  target.on('SIGTERM', onSignal).on('SIGINT', onSignal).on('SIGHUP', onHangup);
  target.on('uncaughtException', onException).on('unhandledRejection', onRejection);
  return () => {
    target.off('SIGTERM', onSignal).off('SIGINT', onSignal).off('SIGHUP', onHangup);
    target.off('uncaughtException', onException).off('unhandledRejection', onRejection);
  };
}
