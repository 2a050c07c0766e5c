// Asynchronous file calls take a random time more (SLOW_FILES_MS at most, 12 if not set), so that independent ones end in any order.
import fs from 'node:fs';
import promises from 'node:fs/promises';
import { syncBuiltinESMExports } from 'node:module';

const most = Number(process.env.SLOW_FILES_MS ?? '12');
// Tests may replace the timers and the generator.
const later = setTimeout;
const random = Math.random;

/** Half of the calls wait; most of those briefly. */
function pause() {
  const draw = random();
  return draw < 0.5 ? null : new Promise((resolve) => later(resolve, draw < 0.9 ? random() * 3 : random() * most));
}

function slowPromise(call) {
  return async function (...args) {
    const [before, after] = random() < 0.5 ? [pause(), null] : [null, pause()];
    if (before !== null) await before;
    try {
      return await call.apply(this, args);
    } finally {
      if (after !== null) await after;
    }
  };
}

function slowCallback(call) {
  const slow = function (...args) {
    const callback = args.at(-1);
    if (typeof callback === 'function') args[args.length - 1] = (...result) => void (pause() ?? Promise.resolve()).then(() => callback(...result));
    return call.apply(fs, args);
  };
  return Object.assign(slow, call);
}

const handle = await promises.open('/dev/null');
const ofHandle = Object.getPrototypeOf(handle);
await handle.close();
for (const name of ['read', 'write', 'writev', 'stat', 'sync', 'datasync', 'truncate', 'close', 'readFile', 'writeFile']) ofHandle[name] = slowPromise(ofHandle[name]);
for (const name of ['open', 'mkdir', 'readdir', 'rename', 'unlink', 'rmdir', 'link', 'lstat', 'stat', 'realpath', 'access', 'readFile', 'statfs', 'readlink', 'rm']) promises[name] = slowPromise(promises[name]);
for (const name of ['stat', 'lstat', 'readdir', 'open', 'close', 'read', 'write', 'realpath', 'fsync', 'fdatasync', 'readFile']) fs[name] = slowCallback(fs[name]);
syncBuiltinESMExports();
