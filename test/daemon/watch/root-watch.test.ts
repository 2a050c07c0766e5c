// A root that becomes another directory at any moment of the opening of its watch.
import { mkdirSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'node:test';
import { RootWatch } from '../../../daemon/watch/root-watch.ts';
import { checkLeaks } from '../../support/leaks.ts';
import { tempDir } from '../../support/temp-dir.ts';
import { Recorder } from './recorder.ts';

checkLeaks();

const FOLDERS = 12;
/** Turns of the event loop after which the root is replaced; opening takes some forty. */
const MOMENTS = Array.from({ length: 16 }, (_, i) => i * 3);

test('[5.4] a root that is replaced while its watch is being opened is followed', async (t) => {
  await Promise.all(MOMENTS.map(async (turns) => {
    const root = join(realpathSync(tempDir(t)), 'tree');
    for (let i = 0; i < FOLDERS; i++) mkdirSync(join(root, `d${i}`), { recursive: true });
    const recorder = new Recorder();
    const watch = new RootWatch(root, recorder.listener, () => Promise.resolve(() => false), { pollMs: 50 });
    t.after(() => watch.close());
    for (let turn = 0; turn < turns; turn++) await new Promise((resolve) => setImmediate(resolve));
    rmSync(root, { recursive: true });
    mkdirSync(root);
    await recorder.ready();
    // What comes before the watch of the new directory is ready may only be told as a loss.
    for (let i = 0; !recorder.paths.has('later.ts') && i < 200; i++) {
      writeFileSync(join(root, 'later.ts'), `${i}`);
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
    await recorder.named('later.ts');
  }));
});
