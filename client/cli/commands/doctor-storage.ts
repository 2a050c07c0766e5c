/**
 * What doctor finds in the data directory: rights, leftovers of a daemon that died, temp files, directories without an index,
 * quarantine. Each finding may carry its fix. Nothing that holds data is ever removed, and leftovers only while no daemon runs.
 */
import { chmodSync, lstatSync, readdirSync, unlinkSync } from 'node:fs';
import type { Stats } from 'node:fs';
import { join, relative } from 'node:path';
import type { Endpoint } from '../../../daemon/protocol/endpoint.ts';
import { liveEndpoint } from '../../../daemon/protocol/endpoint.ts';
import { errnoOf } from '../../errors.ts';
import { bytes, plural } from '../format.ts';
import { oneLine } from '../style.ts';

export interface Finding {
  readonly check: string;
  readonly level: 'ok' | 'warning' | 'problem';
  readonly detail: string;
  readonly hint?: string;
  /** Mends it and says what was done. */
  readonly fix?: () => string;
}

/** `<name>.<12 hex>.tmp`: a write that was interrupted. */
const TEMP = /^.+\.[0-9a-f]{12}\.tmp$/;
/** So that a huge foreign tree below a mistaken data directory cannot hold up doctor. */
const MAX_ENTRIES = 200_000;

interface Entry {
  readonly path: string;
  readonly stat: Stats;
}

export function checkStorage(endpoint: Endpoint, isDaemonAlive: boolean): Finding[] {
  const entries = walk(endpoint.dataDir);
  return [
    ...checkRights(endpoint, entries),
    ...(isDaemonAlive ? [] : [...checkLeftovers(endpoint), ...checkTemps(endpoint, entries)]),
    ...checkOrphans(endpoint),
    ...checkQuarantine(endpoint),
  ];
}

/** Everything below the data directory; links are not followed, what cannot be listed is left out (its rights are found). */
function walk(dataDir: string): Entry[] {
  const entries: Entry[] = [];
  const open = [dataDir];
  for (let dir = open.pop(); dir !== undefined && entries.length < MAX_ENTRIES; dir = open.pop()) {
    for (const name of list(dir)) {
      const path = join(dir, name);
      const stat = lstatSync(path, { throwIfNoEntry: false });
      if (stat === undefined) continue;
      entries.push({ path, stat });
      if (stat.isDirectory()) open.push(path);
    }
  }
  return entries;
}

function list(dir: string): string[] {
  try {
    return readdirSync(dir).sort();
  } catch (error) {
    if (['ENOENT', 'EACCES', 'EPERM', 'ENOTDIR'].includes(errnoOf(error) ?? '')) return [];
    throw error;
  }
}

function checkRights({ dataDir }: Endpoint, entries: readonly Entry[]): Finding[] {
  const open = entries.filter(({ stat }) => (stat.isFile() || stat.isDirectory()) && (stat.mode & 0o077) !== 0);
  const [first] = open;
  if (first === undefined) return [];
  return [{
    check: 'rights', level: 'problem',
    detail: `${plural(open.length, 'path')} in the data directory ${open.length === 1 ? 'is' : 'are'} open to others, for example ${relative(dataDir, first.path)}`,
    hint: 'Run: cairn doctor --fix',
    fix: () => {
      for (const { path, stat } of open) chmodSync(path, stat.mode & 0o700);
      return `${plural(open.length, 'path')} closed to others`;
    },
  }];
}

/** A socket and a registration of a daemon that did not end in an orderly way. A starting daemon replaces them by itself. */
function checkLeftovers(endpoint: Endpoint): Finding[] {
  const paths = [liveEndpoint(endpoint).socket, endpoint.registrationFile].filter((path) => lstatSync(path, { throwIfNoEntry: false }) !== undefined);
  if (paths.length === 0) return [];
  return [{
    check: 'leftovers', level: 'warning', detail: `of a daemon that is gone: ${paths.join(', ')}`, hint: 'The next start replaces them; or run: cairn doctor --fix',
    fix: () => {
      for (const path of paths) remove(path);
      return `removed ${paths.join(', ')}`;
    },
  }];
}

function checkTemps({ dataDir }: Endpoint, entries: readonly Entry[]): Finding[] {
  const temps = entries.filter(({ path, stat }) => stat.isFile() && TEMP.test(path));
  if (temps.length === 0) return [];
  const total = temps.reduce((sum, { stat }) => sum + stat.size, 0);
  return [{
    check: 'temp files', level: 'warning', detail: `${plural(temps.length, 'interrupted write')} (${bytes(total)}), for example ${relative(dataDir, temps[0]?.path ?? '')}`,
    hint: 'Opening the index removes them; or run: cairn doctor --fix',
    fix: () => {
      for (const { path } of temps) remove(path);
      return `${plural(temps.length, 'temp file')} removed (${bytes(total)})`;
    },
  }];
}

function remove(path: string): void {
  try {
    unlinkSync(path);
  } catch (error) {
    if (errnoOf(error) !== 'ENOENT') throw error;
  }
}

function checkOrphans({ dataDir }: Endpoint): Finding[] {
  return directories(join(dataDir, 'indexes')).flatMap((name): Finding[] => {
    if (list(join(dataDir, 'indexes', name)).includes('metadata.json')) return [];
    return [{ check: `directory ${oneLine(name)}`, level: 'warning', detail: 'holds no metadata.json and is no index', hint: `Look what can be restored: cairn repair --index ${oneLine(name)} --dry-run` }];
  });
}

function checkQuarantine({ dataDir }: Endpoint): Finding[] {
  return directories(join(dataDir, 'indexes')).flatMap((name): Finding[] => {
    const dir = join(dataDir, 'indexes', name, 'quarantine');
    const files = list(dir);
    if (files.length === 0) return [];
    const total = files.reduce((sum, file) => sum + (lstatSync(join(dir, file), { throwIfNoEntry: false })?.size ?? 0), 0);
    return [{
      check: `quarantine of ${oneLine(name)}`, level: 'warning', detail: `${plural(files.length, 'damaged file')} kept (${bytes(total)}): ${files.map(oneLine).join(', ')}`,
      hint: `See that the index is whole: cairn verify --deep --index ${oneLine(name)}. The files are yours to remove: ${dir}`,
    }];
  });
}

const directories = (path: string): string[] => list(path).filter((name) => !name.startsWith('.') && lstatSync(join(path, name), { throwIfNoEntry: false })?.isDirectory() === true);
