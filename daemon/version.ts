/** The version of this installation, from package.json; the same from sources and from dist. */
import { readFileSync } from 'node:fs';

export function daemonVersion(): string {
  // daemon/version.ts is one level below package.json, dist/daemon/version.js two.
  for (const place of ['../package.json', '../../package.json']) {
    const version = versionIn(new URL(place, import.meta.url));
    if (version !== null) return version;
  }
  return '0.0.0';
}

function versionIn(file: URL): string | null {
  try {
    const { name, version } = JSON.parse(readFileSync(file, 'utf8')) as { name?: string; version?: string };
    return name === 'cairn' && version !== undefined ? version : null;
  } catch {
    return null; // not the installation's top
  }
}
