/**
 * daemon.json and the token: what clients read to find a running daemon. Written only by the holder of the writer lock, each
 * by rename of a complete file with mode 0600. Neither decides who is alive; the lock does.
 */
import { randomBytes } from 'node:crypto';
import { closeSync, fsyncSync, openSync, renameSync, rmSync, writeSync } from 'node:fs';
import { CairnError, errnoOf, messageOf } from '../errors.ts';
import { readRegistration, type Endpoint, type Registration } from '../protocol/endpoint.ts';

/** 32 random bytes; new for each daemon, so that a token seen once is worth nothing after a restart. */
export function newToken(): string {
  return randomBytes(32).toString('hex');
}

export function writeToken(endpoint: Endpoint, token: string): void {
  writePrivately(endpoint.tokenFile, token);
}

export function register(endpoint: Endpoint, registration: Registration): void {
  writePrivately(endpoint.registrationFile, `${JSON.stringify(registration, null, 2)}\n`);
}

/** Removes daemon.json and the token if they are those of this epoch. */
export function unregister(endpoint: Endpoint, epoch: number): void {
  if (readRegistration(endpoint)?.epoch !== epoch) return;
  rmSync(endpoint.registrationFile, { force: true });
  rmSync(endpoint.tokenFile, { force: true });
}

function writePrivately(path: string, content: string): void {
  const temporary = `${path}.${process.pid}.${randomBytes(4).toString('hex')}.tmp`;
  try {
    const fd = openSync(temporary, 'wx', 0o600);
    try {
      const bytes = Buffer.from(content);
      for (let at = 0; at < bytes.length; ) at += writeSync(fd, bytes, at);
      fsyncSync(fd);
    } finally {
      closeSync(fd);
    }
    renameSync(temporary, path);
  } catch (error) {
    rmSync(temporary, { force: true });
    const code = errnoOf(error) === 'ENOSPC' ? 'DISK_FULL' : errnoOf(error) === 'EACCES' ? 'PERMISSION' : 'IO';
    throw new CairnError(code, `cannot write ${path}: ${messageOf(error)}`, { path, cause: error });
  }
}
