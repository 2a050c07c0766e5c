/** Version of this client, and where the rest of the installation lies. Works from sources, from dist and from the bundle. */
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** From client/, dist/client/ or dist/ (bundle): the first that exists. */
function find(candidates: readonly string[]): string | null {
  const paths = candidates.map((candidate) => fileURLToPath(new URL(candidate, import.meta.url)));
  return paths.find((path) => existsSync(path)) ?? null;
}

export function clientVersion(): string {
  const path = find(['../package.json', '../../package.json']);
  return path === null ? '0.0.0' : (JSON.parse(readFileSync(path, 'utf8')) as { version: string }).version;
}

/** The daemon's entry file of this installation; null when it is not there (an unbuilt clone, a lone bundle). */
export function daemonEntry(): string | null {
  const inSources = import.meta.url.endsWith('.ts');
  return find(inSources ? ['../daemon/main.ts'] : ['./daemon/main.js', '../daemon/main.js']);
}

/** The oldest Node that the daemon runs on; client/bin/cairn.cjs, which imports nothing, has the same. */
export const WANTED_NODE = [22, 22] as const;

/**
 * The Node to run the daemon with: this one, or, where this one is too old or no plain Node (an editor's), the one that was installed
 * with cairn. null when there is none.
 */
export function daemonNode(versions: Readonly<Record<string, string | undefined>> = process.versions): string | null {
  const [major = 0, minor = 0] = (versions['node'] ?? '').split('.').map(Number);
  const isNewEnough = major > WANTED_NODE[0] || (major === WANTED_NODE[0] && minor >= WANTED_NODE[1]);
  if (isNewEnough && versions['electron'] === undefined) return process.execPath;
  for (let dir = dirname(fileURLToPath(import.meta.url)); ; dir = dirname(dir)) {
    const path = join(dir, 'node_modules', 'node', 'bin', 'node');
    if (existsSync(path)) return path;
    if (dir === dirname(dir)) return null;
  }
}
