/** Entry of the storage thread: receives jobs, runs them one after the other on the real file system, replies. Keeps no state. */
import { parentPort } from 'node:worker_threads';
import { nodeEnv } from '../env/node-env.ts';
import { releaseMemory } from '../util/release-memory.ts';
import { CairnError } from '../util/errors.ts';
import { Mutex } from './mutex.ts';
import { runJob } from './run-job.ts';
import { READY, type JobFailure, type JobReply, type JobRequest } from './worker-runner.ts';

const port = parentPort;
if (port === null) throw new CairnError('INTERNAL', 'storage-worker must run in a worker thread');
const env = nodeEnv();
const queue = new Mutex();

port.on('message', ({ id, job }: JobRequest) => {
  void queue.run(async () => {
    port.postMessage(await reply(id, () => runJob(env, job)));
    // The buffers of a job are several times the heap, and V8 would keep up to 64 MB of them until it sees a reason.
    releaseMemory();
  });
});
port.postMessage(READY);

async function reply(id: number, run: () => ReturnType<typeof runJob>): Promise<JobReply> {
  try {
    return { id, result: await run() };
  } catch (error) {
    return { id, failure: failureOf(error) };
  }
}

function failureOf(error: unknown): JobFailure {
  const known = error instanceof CairnError ? error : new CairnError('INTERNAL', `storage job failed: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`);
  return { code: known.code, message: known.message, path: known.path, offset: known.offset, hint: known.hint, retryable: known.retryable };
}
