/**
 * The daemon's log: JSON lines in <data>/logs/daemon.log, 0600. The only file that knows pino. Written synchronously, because
 * lines that say why a process died are worth nothing in a buffer. A full disk loses log lines, never the daemon.
 */
import { chmodSync, statSync } from 'node:fs';
import { pino, type DestinationStream } from 'pino';
import { redact, type LogFields } from './redact.ts';
import { shiftLogs } from './rotation.ts';

export type LogLevel = 'trace' | 'debug' | 'info' | 'warn' | 'error' | 'fatal';

/** `event` is one of a closed set of short names ('daemon.serving', 'rpc.violation'); everything variable goes into fields. */
export interface Log {
  debug(event: string, fields?: LogFields): void;
  info(event: string, fields?: LogFields): void;
  warn(event: string, fields?: LogFields): void;
  error(event: string, fields?: LogFields): void;
  fatal(event: string, fields?: LogFields): void;
}

export interface LogOptions {
  readonly path: string;
  readonly level: LogLevel;
  readonly maxBytes: number;
  readonly keep: number;
  /** Fields of every line. */
  readonly base: LogFields;
}

export interface FileLog extends Log {
  close(): void;
}

/** The directory exists and is private already. */
export function openLog(options: LogOptions): FileLog {
  const file = pino.destination({ dest: options.path, sync: true, mode: 0o600, maxLength: MAX_QUEUED_BYTES });
  // Without a listener a full disk would be an uncaught exception.
  file.on('error', () => undefined);
  chmodSync(options.path, 0o600);
  const logger = pino({ level: options.level, base: options.base, timestamp: pino.stdTimeFunctions.isoTime, serializers: { err: (described: unknown) => described } }, new RotatingStream(file, options));
  const write = (level: LogLevel) => (event: string, fields: LogFields = {}): void => logger[level](redact(fields), event);
  return {
    debug: write('debug'), info: write('info'), warn: write('warn'), error: write('error'), fatal: write('fatal'),
    close: () => file.end(),
  };
}

/** Lines that wait for a disk with space; what does not fit is dropped. */
const MAX_QUEUED_BYTES = 1024 * 1024;

interface ReopenableFile extends DestinationStream {
  reopen(): void;
}

class RotatingStream implements DestinationStream {
  readonly #file: ReopenableFile;
  readonly #options: LogOptions;
  #size: number;

  constructor(file: ReopenableFile, options: LogOptions) {
    this.#file = file;
    this.#options = options;
    this.#size = statSync(options.path).size;
  }

  write(line: string): void {
    const bytes = Buffer.byteLength(line);
    if (this.#size > 0 && this.#size + bytes > this.#options.maxBytes) this.#rotate();
    this.#size += bytes;
    this.#file.write(line);
  }

  #rotate(): void {
    this.#size = 0; // also when it fails: the next attempt is one file later, not one line later
    try {
      shiftLogs(this.#options.path, this.#options.keep);
      this.#file.reopen();
    } catch {
      // No space or no permission: the old file is written on, which keeps the lines.
    }
  }
}
