/** cairn doctor: what could keep cairn from working, and the next command for each finding. Starts nothing; changes only what --fix asks for. */
import { accessSync, chmodSync, constants, lstatSync, readFileSync, statfsSync } from 'node:fs';
import { dirname } from 'node:path';
import type { Endpoint } from '../../../daemon/protocol/endpoint.ts';
import { liveEndpoint, readRegistration } from '../../../daemon/protocol/endpoint.ts';
import type { DaemonStatus } from '../../../daemon/protocol/types.ts';
import { compareVersions } from '../../../daemon/protocol/versions.ts';
import type { CairnClient } from '../../cairn-client.ts';
import { endpointOf } from '../../connect-or-spawn.ts';
import { ClientError, errnoOf } from '../../errors.ts';
import { isOwnerAlive, readLockOwner } from '../../lock-owner.ts';
import type { LockOwner } from '../../lock-owner.ts';
import { clientVersion, daemonEntry } from '../../version.ts';
import { EXIT } from '../exit-codes.ts';
import type { ExitCode } from '../exit-codes.ts';
import { bytes, count } from '../format.ts';
import { withClient, writeJson } from '../io.ts';
import type { CommonOptions, Io } from '../io.ts';
import { oneLine, styleFor } from '../style.ts';
import { checkStorage } from './doctor-storage.ts';
import type { Finding } from './doctor-storage.ts';

/** Below this, indexing a larger tree is likely to fill the disk. */
const LOW_DISK_BYTES = 1 << 30;
/** Below this, saving a small change may fail already. */
const FULL_DISK_BYTES = 16 << 20;
/** Common default of small systems; a large tree needs more directories watched. */
const LOW_WATCHES = 16_384;

export async function doctorCommand(io: Io, options: CommonOptions & { readonly fix?: boolean | undefined }): Promise<ExitCode> {
  const endpoint = endpointOf({ env: io.env, dataDir: options.dataDir });
  const owner = readLockOwner(endpoint.lockDir);
  const isDaemonAlive = isOwnerAlive(owner);
  const found = [
    ...checkProgram(), ...checkDirectories(endpoint), ...checkStorage(endpoint, isDaemonAlive), ...checkSystem(endpoint),
    lockFinding(owner, isDaemonAlive), ...(await checkDaemon(io, options, endpoint, isDaemonAlive)),
  ];
  const findings = found.map((finding) => (options.fix === true ? fixed(finding) : without(finding)));
  if (options.json === true) writeJson(io, { ok: findings.every((finding) => finding.level !== 'problem'), findings });
  else {
    const style = styleFor(io, options);
    const mark = { ok: style.good('ok     '), warning: style.warn('warning'), problem: style.bad('problem') };
    for (const { check, level, detail, hint } of findings) {
      io.stdout.write(`${mark[level]}  ${check}: ${oneLine(detail)}\n${hint === undefined ? '' : `         ${oneLine(hint)}\n`}`);
    }
  }
  if (findings.some((finding) => finding.check === 'daemon' && finding.level === 'problem')) return EXIT.unreachable;
  return findings.some((finding) => finding.level === 'problem') ? EXIT.damaged : EXIT.ok;
}

/** After its fix, or as it was when the fix fails. */
function fixed({ fix, ...finding }: Finding): Finding {
  if (fix === undefined) return finding;
  try {
    return { check: finding.check, level: 'ok', detail: `fixed: ${fix()}` };
  } catch (error) {
    return { ...finding, level: 'problem', hint: `It could not be fixed: ${error instanceof Error ? error.message : String(error)}` };
  }
}

const without = ({ fix: _fix, ...finding }: Finding): Finding => finding;

function checkProgram(): Finding[] {
  const entry = daemonEntry();
  return [
    { check: 'version', level: 'ok', detail: `cairn ${clientVersion()} on Node ${process.versions.node}` },
    entry === null
      ? { check: 'installation', level: 'problem', detail: 'the daemon is not built', hint: 'Run: npm run build' }
      : { check: 'installation', level: 'ok', detail: entry },
  ];
}

function checkDirectories(endpoint: Endpoint): Finding[] {
  return [
    checkPrivate('data directory', endpoint.dataDir),
    checkPrivate('run directory', endpoint.runDir),
    { check: 'socket', level: 'ok', detail: `${liveEndpoint(endpoint).socket} (${Buffer.byteLength(liveEndpoint(endpoint).socket)} bytes)` },
  ];
}

function checkPrivate(check: string, path: string): Finding {
  try {
    const found = lstatSync(path);
    if (found.isSymbolicLink() || !found.isDirectory()) return { check, level: 'problem', detail: `${path} is not a directory`, hint: 'Set CAIRN_DATA_DIR to a directory of your own.' };
    if (process.getuid !== undefined && found.uid !== process.getuid()) return { check, level: 'problem', detail: `${path} belongs to user ${found.uid}`, hint: 'Set CAIRN_DATA_DIR to a directory of your own.' };
    if ((found.mode & 0o077) !== 0) return { check, level: 'problem', detail: `${path} is open to others (mode ${(found.mode & 0o777).toString(8)})`, hint: `Run: chmod 700 ${path}`, fix: () => (chmodSync(path, 0o700), `${path} closed to others`) };
    return checkWritable({ check, level: 'ok', detail: path }, path);
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return checkWritable({ check, level: 'ok', detail: `${path} (not made yet)` }, existing(path));
    return { check, level: 'problem', detail: `${path} cannot be looked at (${errnoOf(error)})` };
  }
}

/** A mount that became read-only, or somebody else's directory around it. */
function checkWritable(good: Finding, path: string): Finding {
  try {
    accessSync(path, constants.W_OK | constants.X_OK);
    return good;
  } catch (error) {
    return { check: good.check, level: 'problem', detail: `${path} cannot be written (${errnoOf(error)})`, hint: 'Make it writable, or set CAIRN_DATA_DIR to a directory of your own.' };
  }
}

function checkSystem(endpoint: Endpoint): Finding[] {
  const findings: Finding[] = [];
  try {
    const { bavail, bsize } = statfsSync(existing(endpoint.dataDir));
    findings.push(diskFinding(bavail * bsize, endpoint.dataDir));
  } catch (error) {
    findings.push({ check: 'disk', level: 'warning', detail: `free space is not known (${errnoOf(error)})` });
  }
  const watches = readNumber('/proc/sys/fs/inotify/max_user_watches');
  if (watches !== null) {
    const hint = 'Run: sudo sysctl fs.inotify.max_user_watches=524288';
    findings.push({ check: 'file watches', level: watches < LOW_WATCHES ? 'warning' : 'ok', detail: `${count(watches)} allowed per user`, ...(watches < LOW_WATCHES ? { hint } : {}) });
  }
  return findings;
}

export function diskFinding(free: number, dataDir: string): Finding {
  const detail = `${bytes(free)} free`;
  if (free >= LOW_DISK_BYTES) return { check: 'disk', level: 'ok', detail };
  const hint = 'What cairn itself can give back: old backups (cairn backup prune) and indexes that nobody needs (cairn list, cairn delete --purge).';
  if (free >= FULL_DISK_BYTES) return { check: 'disk', level: 'warning', detail: `${detail}; indexing a large tree may fill it`, hint };
  return { check: 'disk', level: 'problem', detail: `${detail}: the disk is full. Searches go on, changes cannot be saved`, hint: `Free space on the file system of ${dataDir}; saving goes on by itself then. ${hint}` };
}

function existing(path: string): string {
  for (let dir = path; ; dir = dirname(dir)) {
    if (lstatSync(dir, { throwIfNoEntry: false }) !== undefined || dir === dirname(dir)) return dir;
  }
}

function readNumber(path: string): number | null {
  try {
    return Number(readFileSync(path, 'utf8'));
  } catch {
    return null; // not on this platform
  }
}

function lockFinding(owner: LockOwner | null, isAlive: boolean): Finding {
  const detail = owner === null ? 'free' : `${isAlive ? 'held' : 'left'} by pid ${owner.pid}, epoch ${owner.epoch}, version ${owner.version}${isAlive ? '' : ' (gone)'}`;
  return { check: 'lock', level: 'ok', detail };
}

/** Whether it answers (the finding `daemon`), and what it says of itself, its indexes and their backups. */
async function checkDaemon(io: Io, options: CommonOptions, endpoint: Endpoint, isAlive: boolean): Promise<Finding[]> {
  try {
    return await withClient(io, options, async (client) => {
      const status = await client.status({ signal: io.signal });
      return [versionFinding(status), ...checkStatus(status), ...(await checkBackups(client, io))];
    }, { spawn: 'never' });
  } catch (error) {
    if (!(error instanceof ClientError) || error.code === 'CANCELLED') throw error;
    if (!isAlive && error.code === 'DAEMON_UNREACHABLE') {
      const crashed = readRegistration(endpoint) === null ? '' : '; the last one did not end in an orderly way';
      return [{ check: 'daemon', level: 'ok', detail: `not running${crashed}`, hint: 'It starts by itself; or run: cairn daemon start' }];
    }
    return [{ check: 'daemon', level: 'problem', detail: error.message, ...(error.hint === undefined ? {} : { hint: error.hint }) }];
  }
}

function versionFinding(status: DaemonStatus): Finding {
  const skew = compareVersions(clientVersion(), status.version);
  const detail = `pid ${status.pid}, version ${status.version}, epoch ${status.epoch}`;
  return { check: 'daemon', level: skew === 0 ? 'ok' : 'warning', detail, ...(skew > 0 ? { hint: 'It is older than this command; replace it with: cairn daemon restart' } : {}) };
}

async function checkBackups(client: CairnClient, io: Io): Promise<Finding[]> {
  try {
    const { unreadable } = await client.listBackups({}, { signal: io.signal });
    return unreadable.map(({ index, path, code, reason }): Finding => ({
      check: `backup of ${oneLine(index)}`, level: 'problem', detail: `${path} cannot be read: ${code}: ${reason}`,
      hint: 'See all with: cairn backup list. Copy it in whole again, or remove that directory.',
    }));
  } catch (error) {
    if (!(error instanceof ClientError) || error.code === 'CANCELLED') throw error;
    return [{ check: 'backups', level: 'warning', detail: `they cannot be listed: ${error.message}`, ...(error.hint === undefined ? {} : { hint: error.hint }) }];
  }
}

function checkStatus(status: DaemonStatus): Finding[] {
  return [
    ...status.warnings.map((warning): Finding => ({ check: 'warning', level: 'warning', detail: warning })),
    ...status.failed.map((index): Finding => ({ check: `index ${oneLine(index.index)}`, level: 'problem', detail: `${index.code}: ${index.reason}`, ...(index.hint === undefined ? {} : { hint: index.hint }) })),
    ...status.indexes.map((index): Finding => {
      const bad = index.state === 'degraded' || index.state === 'failed';
      return { check: `index ${oneLine(index.index)}`, level: bad ? 'problem' : 'ok', detail: [index.state, ...index.reasons].join('; '), ...(bad ? { hint: `Look closer with: cairn verify ${oneLine(index.index)}; mend it with: cairn repair ${oneLine(index.index)}` } : {}) };
    }),
  ];
}
