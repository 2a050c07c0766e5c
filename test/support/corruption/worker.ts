/** The thread of `runSweep`. */
import { parentPort, workerData } from 'node:worker_threads';
import { corruptionSweep, type SweepMessage, type SweepRequest } from './sweep.ts';

const { seed, wanted } = workerData as SweepRequest;
const say = (message: SweepMessage): void => parentPort?.postMessage(message);

let count = 0;
const report = await corruptionSweep(seed, wanted, { onDamage: (now) => say({ now, count: ++count }) });
say({ report });
