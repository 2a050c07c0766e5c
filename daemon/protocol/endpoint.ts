/**
 * Where a daemon and its clients meet: data directory, run directory, socket, token, registration. Both sides compute the same
 * answer from the environment; only node built-ins are imported, so that the client stays one small file.
 * Reads the file system at most to resolve links; never creates, changes or removes anything.
 */
import { createHash } from 'node:crypto';
import { lstatSync, readFileSync, realpathSync, statSync } from 'node:fs';
import { homedir, tmpdir } from 'node:os';
import { basename, dirname, isAbsolute, join, resolve } from 'node:path';
import { MAX_SOCKET_PATH_BYTES } from './limits.ts';

export interface Endpoint {
  /** Canonical: links resolved as far as the path exists. */
  readonly dataDir: string;
  /** Directory of the socket. */
  readonly runDir: string;
  readonly socket: string;
  readonly tokenFile: string;
  /** daemon.json, the registration of the running daemon. */
  readonly registrationFile: string;
  readonly lockDir: string;
  /** Space kept aside for a start on a full disk. */
  readonly reserveFile: string;
  readonly logFile: string;
  readonly configFile: string;
}

/** The content of daemon.json. Information only: liveness is decided by the lock and by connecting. */
export interface Registration {
  readonly pid: number;
  readonly epoch: number;
  readonly version: string;
  readonly protocol: { readonly min: number; readonly max: number };
  readonly socket: string;
  readonly tokenFile: string;
  readonly startedAt: string;
  readonly execPath: string;
  readonly entry: string;
}

export class EndpointError extends Error {
  readonly code = 'INVALID_CONFIG';
  readonly path: string;
  readonly hint: string;

  constructor(message: string, path: string, hint: string) {
    super(message);
    this.name = 'EndpointError';
    this.path = path;
    this.hint = hint;
  }
}

export type Environment = Readonly<Record<string, string | undefined>>;

/**
 * `dataDir` (a flag) wins over CAIRN_DATA_DIR, which wins over the platform's user data directory.
 * @throws EndpointError when no usable socket path exists
 */
export function resolveEndpoint(env: Environment = process.env, dataDir?: string): Endpoint {
  const data = canonicalPath(dataDir ?? dataDirectory(env));
  const runDir = runDirectory(env, data);
  return {
    dataDir: data,
    runDir,
    socket: join(runDir, socketName(data)),
    tokenFile: join(data, 'run', 'token'),
    registrationFile: join(data, 'daemon.json'),
    lockDir: join(data, 'lock'),
    reserveFile: join(data, 'run', 'reserve'),
    logFile: join(data, 'logs', 'daemon.log'),
    configFile: join(data, 'config.json'),
  };
}

/** CAIRN_DATA_DIR, else the platform's place for user data. */
export function dataDirectory(env: Environment): string {
  const explicit = env['CAIRN_DATA_DIR'];
  if (explicit !== undefined && explicit !== '') return resolve(explicit);
  const home = env['HOME'] ?? homedir();
  if (process.platform === 'darwin') return join(home, 'Library', 'Application Support', 'cairn');
  const xdg = env['XDG_DATA_HOME'];
  // The XDG specification says that relative paths are invalid and to be ignored.
  return xdg !== undefined && isAbsolute(xdg) ? join(xdg, 'cairn') : join(home, '.local', 'share', 'cairn');
}

/** Sixteen hex digits of the data directory: two data directories never share a socket, whatever the run directory is. */
export function socketName(dataDir: string): string {
  return `${createHash('sha256').update(dataDir).digest('hex').slice(0, 16)}.sock`;
}

/**
 * $XDG_RUNTIME_DIR/cairn, else <data>/run, else (where that is too long for a socket) a per-user directory under the temp
 * directory. The caller verifies the directory before it trusts it.
 */
function runDirectory(env: Environment, dataDir: string): string {
  const candidates: string[] = [];
  const runtime = env['XDG_RUNTIME_DIR'];
  if (runtime !== undefined && isAbsolute(runtime) && isDirectory(runtime)) candidates.push(join(runtime, 'cairn'));
  candidates.push(join(dataDir, 'run'));
  const user = process.getuid?.() ?? 'user';
  for (const temp of [env['TMPDIR'] ?? tmpdir(), '/tmp']) candidates.push(join(temp, `cairn-${user}`));
  const name = socketName(dataDir);
  // The socket is bound as `<name>.<8 hex>` first and renamed into place, so the longer name has to fit.
  const fits = candidates.find((dir) => Buffer.byteLength(join(dir, name)) + BIND_SUFFIX_BYTES <= MAX_SOCKET_PATH_BYTES);
  if (fits !== undefined) return fits;
  throw new EndpointError(`no directory for the socket is short enough (${MAX_SOCKET_PATH_BYTES} bytes at most)`, dataDir, 'Set XDG_RUNTIME_DIR to a short private directory.');
}

/** '.' and eight hex digits. */
export const BIND_SUFFIX_BYTES = 9;

/** null when there is none or it cannot be read as one. */
export function readRegistration(endpoint: Pick<Endpoint, 'registrationFile'>): Registration | null {
  let value: unknown;
  try {
    value = JSON.parse(readFileSync(endpoint.registrationFile, 'utf8'));
  } catch {
    return null; // absent, or replaced at this moment: both mean "nobody is registered"
  }
  return isRegistration(value) ? value : null;
}

function isRegistration(value: unknown): value is Registration {
  if (typeof value !== 'object' || value === null) return false;
  const r = value as Record<string, unknown>;
  return typeof r['pid'] === 'number' && typeof r['epoch'] === 'number' && typeof r['version'] === 'string' &&
    typeof r['socket'] === 'string' && typeof r['tokenFile'] === 'string';
}

/**
 * Socket and token of the running daemon. The registration wins over the computed path, because the daemon may have been
 * started with another XDG_RUNTIME_DIR; it lies in the private data directory, so it is as trustworthy as the token. In a copy of a
 * data directory it leads to the daemon of the original: the name of the socket, which is that of the data directory, tells.
 */
export function liveEndpoint(endpoint: Endpoint): { readonly socket: string; readonly tokenFile: string } {
  const registered = readRegistration(endpoint);
  const isOurs = registered !== null && basename(registered.socket) === socketName(endpoint.dataDir) && isSocket(registered.socket);
  return { socket: isOurs ? registered.socket : endpoint.socket, tokenFile: endpoint.tokenFile };
}

/** Resolves links of the part that exists; the same before and after the directory is made. */
export function canonicalPath(path: string): string {
  const absolute = resolve(path);
  try {
    return realpathSync(absolute);
  } catch {
    const parent = dirname(absolute);
    return parent === absolute ? absolute : join(canonicalPath(parent), basename(absolute));
  }
}

function isDirectory(path: string): boolean {
  try {
    return statSync(path, { throwIfNoEntry: false })?.isDirectory() ?? false;
  } catch {
    return false; // not ours to look into
  }
}

function isSocket(path: string): boolean {
  try {
    return lstatSync(path, { throwIfNoEntry: false })?.isSocket() ?? false;
  } catch {
    return false; // a parent that cannot be searched: not reachable for us
  }
}
