/** A progress line on stderr: counts, rate, time left. Silent unless stderr is a terminal. */
import type { ProgressValue } from '../../daemon/protocol/types.ts';
import { count, duration } from './format.ts';
import type { Io } from './io.ts';

const BAR_WIDTH = 24;
const ERASE_LINE = '\r\u001b[2K';
const LABELS: Readonly<Record<ProgressValue['phase'], string>> = { crawl: 'finding files', index: 'indexing', flush: 'saving', verify: 'verifying', backup: 'backing up', restore: 'restoring', done: 'done' };

export interface Progress {
  readonly update: (value: ProgressValue) => void;
  /** Removes the line. Must be called before anything else is written. */
  readonly clear: () => void;
}

export function progressLine(io: Io): Progress {
  if (!io.stderr.isTTY) return { update: () => undefined, clear: () => undefined };
  let shown = false;
  return {
    update: (value) => {
      shown = true;
      io.stderr.write(ERASE_LINE + renderProgress(value).slice(0, Math.max(20, io.stderr.columns - 1)));
    },
    clear: () => {
      if (shown) io.stderr.write(ERASE_LINE);
      shown = false;
    },
  };
}

export function renderProgress(value: ProgressValue): string {
  const { phase, done, total, unit, chunks, rate, etaSeconds } = value;
  const part = total > 0 ? Math.min(1, done / total) : 0;
  const filled = Math.round(part * BAR_WIDTH);
  const facts = [
    total > 0 ? `${count(done)}/${count(total)} ${unit}` : `${count(done)} ${unit}`,
    ...(chunks === undefined ? [] : [`${count(chunks)} chunks`]),
    ...(rate === undefined ? [] : [`${count(rate)} ${unit}/s`]),
    ...(etaSeconds === undefined ? [] : [`${duration(Math.max(1, Math.round(etaSeconds)) * 1000).replace('.0 s', ' s')} left`]),
  ];
  const bar = total > 0 ? ` [${'#'.repeat(filled)}${'-'.repeat(BAR_WIDTH - filled)}] ${String(Math.floor(part * 100)).padStart(3)} %` : '';
  return `${LABELS[phase]}${bar}  ${facts.join('  ')}`;
}
