/** An ingest worker that hangs or dies when it reads certain files; for the tests of the pool. */
import fs from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';

const { openSync, readSync } = fs;
/** Files that change under the reader, by descriptor. */
const changing = new Map<number, string>();
const changed = new Set<string>();

fs.openSync = (path, ...rest) => {
  const name = String(path);
  if (name.endsWith('hang.ts')) {
    fs.writeFileSync(`${name}.begun`, '');
    for (;;);
  }
  if (name.endsWith('crash-always.ts')) process.exit(3);
  if (name.endsWith('heap.ts')) for (const kept: number[][] = []; ; ) kept.push(new Array<number>(1_000_000).fill(kept.length));
  if (name.endsWith('crash-once.ts') && !fs.existsSync(`${name}.crashed`)) {
    fs.writeFileSync(`${name}.crashed`, '');
    process.exit(3);
  }
  const fd = openSync(path, ...rest);
  if (/(changing|restless)\.ts$/.test(name)) changing.set(fd, name);
  else changing.delete(fd);
  return fd;
};

fs.readSync = ((fd: number, ...rest: [Buffer, number, number, null]) => {
  const name = changing.get(fd);
  if (name !== undefined && (name.endsWith('restless.ts') || !changed.has(name))) {
    changed.add(name);
    changing.delete(fd);
    fs.appendFileSync(name, '// more\n');
  }
  return readSync(fd, ...rest);
}) as typeof fs.readSync;
syncBuiltinESMExports();

await import('../../../src/ingest/worker.ts');
