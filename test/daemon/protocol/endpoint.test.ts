// Where daemon and clients meet: the same answer on both sides, short enough for a socket, never shared between data directories.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { basename, join } from 'node:path';
import test from 'node:test';
import { BIND_SUFFIX_BYTES, canonicalPath, dataDirectory, EndpointError, liveEndpoint, readRegistration, resolveEndpoint } from '../../../daemon/protocol/endpoint.ts';
import { ERROR_NUMBERS, errorNumber, SERVER_ERROR } from '../../../daemon/protocol/errors.ts';
import { METHOD_NAMES } from '../../../daemon/protocol/methods.ts';
import { tempDir } from '../../support/temp-dir.ts';

test('CAIRN_DATA_DIR wins over XDG, a relative XDG path is ignored, a flag wins over all', { skip: process.platform !== 'linux' }, (t) => {
  assert.equal(dataDirectory({ CAIRN_DATA_DIR: '/a/b', XDG_DATA_HOME: '/x' }), '/a/b');
  assert.equal(dataDirectory({ XDG_DATA_HOME: '/x', HOME: '/h' }), '/x/cairn');
  assert.equal(dataDirectory({ XDG_DATA_HOME: 'x', HOME: '/h' }), '/h/.local/share/cairn');
  assert.equal(dataDirectory({ CAIRN_DATA_DIR: '', HOME: '/h' }), '/h/.local/share/cairn');
  const dir = tempDir(t);
  assert.equal(resolveEndpoint({ CAIRN_DATA_DIR: '/a/b' }, dir).dataDir, dir);
});

test('the endpoint is the same before and after the directory exists, and through a link', (t) => {
  const dir = tempDir(t);
  const env = { CAIRN_DATA_DIR: join(dir, 'deep', 'data') };
  const before = resolveEndpoint(env);
  mkdirSync(env.CAIRN_DATA_DIR, { recursive: true });
  assert.deepEqual(resolveEndpoint(env), before);
  symlinkSync(join(dir, 'deep'), join(dir, 'link'));
  assert.equal(resolveEndpoint({ CAIRN_DATA_DIR: join(dir, 'link', 'data') }).socket, before.socket);
  assert.equal(canonicalPath('/'), '/');
});

test('the run directory is the private one of the session when there is one', (t) => {
  const dir = tempDir(t);
  assert.equal(resolveEndpoint({ XDG_RUNTIME_DIR: dir }, '/a').runDir, join(dir, 'cairn'));
  for (const runtime of ['relative', join(dir, 'missing'), '']) assert.equal(resolveEndpoint({ XDG_RUNTIME_DIR: runtime }, '/a').runDir, '/a/run');
  assert.notEqual(resolveEndpoint({ XDG_RUNTIME_DIR: dir }, '/a').socket, resolveEndpoint({ XDG_RUNTIME_DIR: dir }, '/b').socket);
});

test('[5.3] socket paths have at most 103 bytes, in bytes not characters, whatever the data directory', () => {
  for (const length of [10, 60, 66, 67, 80, 95, 120, 1_000]) {
    for (const letter of ['a', 'ä', '𝒳']) {
      const { socket, runDir, dataDir } = resolveEndpoint({ TMPDIR: '/tmp' }, `/${letter.repeat(length)}`);
      assert.ok(Buffer.byteLength(socket) + BIND_SUFFIX_BYTES <= 103, `${Buffer.byteLength(socket)} bytes`);
      assert.equal(runDir === join(dataDir, 'run'), Buffer.byteLength(join(dataDir, 'run')) + 22 + BIND_SUFFIX_BYTES <= 103);
    }
  }
  const long = resolveEndpoint({ TMPDIR: `/${'t'.repeat(100)}` }, `/${'a'.repeat(100)}`);
  assert.match(long.runDir, /^\/tmp\/cairn-/, 'a long TMPDIR is no way out');
});

test('EndpointError says what and what to do', () => {
  const error = new EndpointError('m', '/p', 'h');
  assert.deepEqual([error.code, error.path, error.hint, error.message], ['INVALID_CONFIG', '/p', 'h', 'm']);
});

test('a registration that is absent, broken or of another shape is none; a live one wins over the computed path only if its socket is one', (t) => {
  const endpoint = resolveEndpoint({}, tempDir(t));
  assert.equal(readRegistration(endpoint), null);
  for (const content of ['', '{', '[]', 'null', '{"pid":"1"}', '{"pid":1,"epoch":1,"version":"1","socket":"/x"}']) {
    writeFileSync(endpoint.registrationFile, content);
    assert.equal(readRegistration(endpoint), null, content);
  }
  const registration = { pid: 1, epoch: 2, version: '1', protocol: { min: 1, max: 1 }, socket: join(endpoint.dataDir, 'no.sock'), tokenFile: '/t', startedAt: '', execPath: '', entry: '' };
  writeFileSync(endpoint.registrationFile, JSON.stringify(registration));
  assert.equal(readRegistration(endpoint)?.epoch, 2);
  assert.equal(liveEndpoint(endpoint).socket, endpoint.socket);
});

test('[3.14] a copy of a data directory, made while its daemon ran, does not lead to that daemon', async (t) => {
  const endpoint = resolveEndpoint({}, tempDir(t));
  const elsewhere = tempDir(t);
  const listen = async (path: string): Promise<string> => {
    const server = createServer().listen(path);
    t.after(() => server.close());
    await once(server, 'listening');
    return path;
  };
  const register = (socket: string): void =>
    writeFileSync(endpoint.registrationFile, JSON.stringify({ pid: 1, epoch: 2, version: '1', protocol: { min: 1, max: 1 }, socket, tokenFile: join(elsewhere, 'token'), startedAt: '', execPath: '', entry: '' }));
  register(await listen(join(elsewhere, 'a-socket-of-another-directory.sock')));
  assert.deepEqual(liveEndpoint(endpoint), { socket: endpoint.socket, tokenFile: endpoint.tokenFile });
  const otherRunDirectory = await listen(join(elsewhere, basename(endpoint.socket)));
  register(otherRunDirectory);
  assert.deepEqual(liveEndpoint(endpoint), { socket: otherRunDirectory, tokenFile: endpoint.tokenFile }, 'started with another run directory');
});

test('[1.71] error numbers are the ones of JSON-RPC where it has one, and one number for the rest', () => {
  assert.equal(errorNumber('UNKNOWN_METHOD'), -32601);
  assert.equal(errorNumber('INVALID_ARGUMENT'), -32602);
  assert.equal(errorNumber('CORRUPT'), SERVER_ERROR);
  assert.equal(new Set(Object.values(ERROR_NUMBERS)).size, Object.keys(ERROR_NUMBERS).length);
  assert.equal(new Set(METHOD_NAMES).size, METHOD_NAMES.length);
});
