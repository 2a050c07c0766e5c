// A new lock is above everything that was ever published below its data directory.
import assert from 'node:assert/strict';
import { cpSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { highestPublishedEpoch } from '../../../daemon/lifecycle/epoch-floor.ts';
import { readRegistration } from '../../../daemon/protocol/endpoint.ts';
import { currentFor, encodeCurrent } from '../../../src/manifest/current.ts';
import { asEpoch, asGeneration } from '../../../src/util/ids.ts';
import { checkLeaks } from '../../support/leaks.ts';
import { tempDir } from '../../support/temp-dir.ts';
import { DaemonBox } from './daemon-process.ts';

checkLeaks();

const FIXTURE = fileURLToPath(new URL('../../compat/fixtures/format-1/index', import.meta.url));

test('[3.14] [5.2] an index directory copied into a fresh data directory raises the epoch of the next daemon', async (t) => {
  const box = new DaemonBox(t);
  cpSync(FIXTURE, join(box.dataDir, 'indexes', 'fixture'), { recursive: true });
  await box.start();
  assert.equal(readRegistration(box.endpoint)?.epoch, 8);
});

test('only whole CURRENT files with a possible epoch count', (t) => {
  const dataDir = tempDir(t);
  assert.equal(highestPublishedEpoch(dataDir), 0);
  const put = (name: string, bytes: Uint8Array | string): void => {
    mkdirSync(join(dataDir, 'indexes', name), { recursive: true });
    writeFileSync(join(dataDir, 'indexes', name, 'CURRENT'), bytes);
  };
  const current = (epoch: number): Buffer => encodeCurrent(currentFor(asGeneration(1), asEpoch(epoch), new Uint8Array(3)));
  put('a', current(41));
  put('b', current(40));
  writeFileSync(join(dataDir, 'indexes', 'file'), 'no directory');
  mkdirSync(join(dataDir, 'indexes', 'empty'));
  assert.equal(highestPublishedEpoch(dataDir), 41);
  put('torn', current(99).subarray(0, 40));
  put('flipped', current(98).toString().replace('"epoch": 98', '"epoch": 88'));
  put('huge', current(Number.MAX_SAFE_INTEGER));
  put('text', 'cairn-current 1 2 00000000\n{}\n');
  assert.equal(highestPublishedEpoch(dataDir), 41);
  put('real', readFileSync(join(FIXTURE, 'CURRENT')));
  assert.equal(highestPublishedEpoch(dataDir), 41);
});
