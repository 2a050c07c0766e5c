/** Version of this client, and where the rest of the installation lies. Works from sources, from dist and from the bundle. */
import { existsSync, readFileSync } from 'node:fs';
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
