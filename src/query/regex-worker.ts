/** Worker entry: runs regular expressions of users, which may never end; the parent kills it when time is up. */
import { parentPort, workerData } from 'node:worker_threads';
import { matchLines, type CompiledLinePattern } from './line-matcher.ts';

const { source, flags } = workerData as CompiledLinePattern;
const regex = new RegExp(source, flags);
parentPort?.on('message', (texts: readonly string[]) => {
  parentPort?.postMessage(texts.map((text) => matchLines(text, regex)));
});
