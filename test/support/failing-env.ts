/** An Env that fails on demand: `fail` is asked before every call that changes or syncs something. */
import type { Env, EnvFile, OpenMode } from '../../src/env/env.ts';

export type EnvCall = 'open' | 'write' | 'truncate' | 'sync' | 'datasync' | 'mkdir' | 'rename' | 'unlink' | 'syncDir';
/** Throws the error that the call is to fail with. */
export type Fail = (call: EnvCall, path: string) => void;

export interface FailingEnv extends Env {
  fail: Fail;
  /** Bytes written so far, all files together. */
  bytesWritten: number;
}

export function failingEnv(inner: Env): FailingEnv {
  const env: FailingEnv = {
    ...inner,
    fail: () => undefined,
    bytesWritten: 0,
    open: async (path, mode) => {
      if (mode !== 'read') env.fail('open', path);
      return wrap(env, await inner.open(path, mode), mode);
    },
    mkdir: async (path) => (env.fail('mkdir', path), inner.mkdir(path)),
    rename: async (from, to) => (env.fail('rename', from), inner.rename(from, to)),
    unlink: async (path) => (env.fail('unlink', path), inner.unlink(path)),
    syncDir: async (path) => (env.fail('syncDir', path), inner.syncDir(path)),
  };
  return env;
}

function wrap(env: FailingEnv, file: EnvFile, mode: OpenMode): EnvFile {
  return {
    path: file.path,
    read: (position, length) => file.read(position, length),
    readSync: (target, position) => file.readSync(target, position),
    size: () => file.size(),
    close: () => file.close(),
    write: async (data, position) => {
      env.fail('write', file.path);
      env.bytesWritten += data instanceof Uint8Array ? data.length : data.reduce((sum, part) => sum + part.length, 0);
      await file.write(data, position);
      // A durable write is both.
      if (mode === 'durable') env.fail('datasync', file.path);
    },
    truncate: async (length) => (env.fail('truncate', file.path), file.truncate(length)),
    sync: async () => (env.fail('sync', file.path), file.sync()),
    datasync: async () => (env.fail('datasync', file.path), file.datasync()),
  };
}
