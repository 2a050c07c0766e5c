/**
 * Entry of the daemon process. Sets what must be set before anything else is loaded: private files, and the cache of compiled
 * code, which takes about a quarter off the start.
 */
import { existsSync, lstatSync } from 'node:fs';
import { enableCompileCache } from 'node:module';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { setFlagsFromString } from 'node:v8';
import { dataDirectory } from './protocol/endpoint.ts';

// A helper of V8 that compiles baseline code waits for a collection by the thread the code belongs to. While that thread waits in
// turn for the helpers (Node drains them when a thread has nothing to do, so when it starts), none of them moves again.
setFlagsFromString('--no-concurrent-sparkplug');
// Whatever any library creates is ours alone.
process.umask(0o077);
const runDir = join(dataDirectory(process.env), 'run');
if (isPrivate(runDir)) enableCompileCache(join(runDir, 'code-cache'));

// One file instead of some three hundred, made by the build (scripts/bundle-daemon.mjs). The sources run without it.
const bundle = new URL('./bundle.js', import.meta.url);
const isBundled = import.meta.url.endsWith('.js') && existsSync(bundle);
const { runCommandLine } = isBundled ? ((await import(bundle.href)) as typeof import('./lifecycle/command-line.ts')) : await import('./lifecycle/command-line.ts');
// Everything is closed by now; what might still hold the process (a thread that ends late) must not.
process.exit(await runCommandLine(fileURLToPath(import.meta.url)));

/** Nothing is verified yet, and a cache of code that others can write could be planted: without this directory there is none. */
function isPrivate(dir: string): boolean {
  try {
    const stats = lstatSync(dir);
    return stats.isDirectory() && stats.uid === process.geteuid?.() && (stats.mode & 0o077) === 0;
  } catch {
    return false; // made by the first start
  }
}
