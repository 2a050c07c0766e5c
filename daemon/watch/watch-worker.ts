/**
 * Entry of the watch worker: watches source trees and does nothing else, because the kernel's event queue overflows without a
 * word when its reader is busy. Reads only file names and ignore rules, never content.
 */
import { parentPort, workerData } from 'node:worker_threads';
import { loadIgnore } from './ignore-rules.ts';
import type { FromWorker, ToWorker, WorkerData } from './messages.ts';
import { RootWatch } from './root-watch.ts';
import { releaseMemory } from './source-rules.ts';

const port = parentPort;
if (port === null) throw new Error('watch-worker.ts must run as a worker thread');
const { options, excluded } = workerData as WorkerData;
const roots = new Map<number, RootWatch>();
const send = (message: FromWorker): void => port.postMessage(message);

function forward(id: number, event: Extract<FromWorker, { op: 'event' }>['event']): void {
  send({ op: 'event', id, event });
  // A third of the heap is garbage of the scan, and nothing much is allocated from now on that would make V8 look.
  if (event.type === 'ready') releaseMemory();
}

async function unwatch(id: number): Promise<void> {
  const watch = roots.get(id);
  roots.delete(id);
  await watch?.close();
  send({ op: 'unwatched', id });
}

port.on('message', (message: ToWorker) => {
  if (message.op === 'watch') {
    const { id, root } = message;
    roots.set(id, new RootWatch(root, (event) => forward(id, event), (path) => loadIgnore(path, excluded), options));
  } else if (message.op === 'unwatch') void unwatch(message.id);
  else void Promise.all([...roots.keys()].map(unwatch)).then(() => port.close());
});
send({ op: 'begun' });
