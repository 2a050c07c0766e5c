/**
 * Leak check for tests: what keeps a process alive or holds a descriptor must be gone when a test file ends.
 * `checkLeaks()` called at the top of a test file compares handles, workers and descriptors before and after its tests.
 */
import assert from 'node:assert/strict';
import { readdirSync, readlinkSync } from 'node:fs';
import { after, before } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';

function descriptors(): string[] {
  try {
    return readdirSync('/proc/self/fd').flatMap((fd) => {
      try {
        const target = readlinkSync(`/proc/self/fd/${fd}`);
        return /^(pipe|anon_inode|socket):/.test(target) || target.startsWith('/proc/') || target.startsWith('/dev/') ? [] : [target];
      } catch {
        return [];
      }
    });
  } catch {
    return []; // no /proc on this platform: handles alone are compared
  }
}

/** Kinds of active resources that only a leak explains. */
const WATCHED = new Set(['Timeout', 'Immediate', 'MessagePort', 'Worker', 'TCPServerWrap', 'PipeServerWrap', 'PipeWrap', 'FSEventWrap', 'ProcessWrap']);

function resources(): string[] {
  return process.getActiveResourcesInfo().filter((kind) => WATCHED.has(kind));
}

function count(kinds: readonly string[]): Map<string, number> {
  const counts = new Map<string, number>();
  for (const kind of kinds) counts.set(kind, (counts.get(kind) ?? 0) + 1);
  return counts;
}

function grown(beforeCounts: Map<string, number>, afterCounts: Map<string, number>): string[] {
  return [...afterCounts].filter(([kind, n]) => n > (beforeCounts.get(kind) ?? 0)).map(([kind, n]) => `${kind}: ${beforeCounts.get(kind) ?? 0} -> ${n}`);
}

export function checkLeaks(): void {
  let handles = new Map<string, number>();
  let files = new Map<string, number>();
  before(() => {
    handles = count(resources());
    files = count(descriptors());
  });
  after(async () => {
    let leaks: string[] = [];
    // Workers and sockets close asynchronously: give them a bounded time, then judge. Only a leak makes anybody wait so long.
    for (const deadline = performance.now() + 60_000; performance.now() < deadline; ) {
      leaks = [...grown(handles, count(resources())), ...grown(files, count(descriptors()))].filter((line) => !line.startsWith('Timeout'));
      if (leaks.length === 0) return;
      await sleep(100);
    }
    assert.deepEqual(leaks, [], 'leaked handles or files');
  });
}
