/** The daemon's own command line. Short on purpose: people use `cairn daemon`, which starts this. */
import { parseArgs } from 'node:util';
import { CairnError, messageOf } from '../errors.ts';

export interface DaemonArguments {
  readonly dataDir: string | undefined;
  /** `name=value` settings. */
  readonly settings: readonly string[];
  /** Take the lock from a living daemon that does not answer. */
  readonly takeOver: boolean;
  readonly help: boolean;
}

export const USAGE = `usage: main.js [--data-dir DIR] [--set name=value]... [--take-over]

  --data-dir DIR     where indexes live; default CAIRN_DATA_DIR, else the platform's user data directory
  --set name=value   a setting, stronger than environment and config.json; may be repeated
  --take-over        take the writer lock from a living daemon that does not answer; the old one is fenced
`;

/** @throws CairnError INVALID_ARGUMENT */
export function parseArguments(args: readonly string[]): DaemonArguments {
  try {
    const { values } = parseArgs({
      args: [...args],
      options: { 'data-dir': { type: 'string' }, set: { type: 'string', multiple: true }, 'take-over': { type: 'boolean' }, help: { type: 'boolean', short: 'h' } },
    });
    return { dataDir: values['data-dir'], settings: values.set ?? [], takeOver: values['take-over'] ?? false, help: values.help ?? false };
  } catch (error) {
    throw new CairnError('INVALID_ARGUMENT', messageOf(error), { hint: USAGE });
  }
}
