/**
 * Retrieval engine that measures what users get: a real daemon with a private data directory, driven through the client.
 * Form of a benchmark engine: `index(dir, {lexical?}) → {search(query, k, {without?}), stats, close}`. Only code files count as
 * results, by the filter that users have (codeOnly). One daemon serves all repositories; the last close ends it.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { connect } from '../../client/index.ts';

let shared = null;
let users = 0;

async function start() {
  const dataDir = mkdtempSync(join(tmpdir(), 'cairn-retrieval-'));
  const cairn = await connect({ dataDir, clientName: 'retrieval benchmark' });
  return { dataDir, cairn };
}

async function stop() {
  const { cairn, dataDir } = await shared;
  shared = null;
  await cairn.shutdown({});
  await cairn.closed;
  cairn.close();
  while (isAlive(cairn.daemon.pid)) await sleep(20);
  rmSync(dataDir, { recursive: true, force: true });
}

function isAlive(pid) {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}

export async function index(dir, options = {}) {
  shared ??= start();
  users++;
  const { cairn } = await shared;
  const opened = await cairn.openIndex({ root: dir, wait: true, ...(options.lexical === true ? { lexicalOnly: true } : {}) }, { timeoutMs: 600_000 });
  return {
    stats: { chunks: opened.chunks, files: opened.files },
    async search(query, k, { without } = {}) {
      const { hits } = await cairn.search({ index: opened.index, query, limit: k, codeOnly: true, ...(without === undefined ? {} : { without }) });
      return hits.map(({ path, startLine, endLine, score }) => ({ file: path, startLine, endLine, score }));
    },
    async close() {
      if (--users === 0) await stop();
    },
  };
}
