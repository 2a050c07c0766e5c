// Every method against the real composition: what it answers, what it refuses, and that nothing is a bug.
import assert from 'node:assert/strict';
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { METHOD_NAMES, type MethodName } from '../../../daemon/protocol/methods.ts';
import type { ProgressParams } from '../../../daemon/protocol/types.ts';
import { checkLeaks } from '../../support/leaks.ts';
import { Composed, TREE } from './composed.ts';

checkLeaks();
let daemon: Composed;

describe('methods', () => {
  before(async () => {
    // Without a watcher nothing is looked at but what a test asks for: a hint that comes late would be pending in another's answer.
    daemon = await Composed.start(['watch.enabled=false']);
  });
  after(async () => {
    await daemon.close();
  });

  describe('the table', () => {
    test('[6.6] every method refuses an unknown param and names the known ones', async () => {
      for (const method of METHOD_NAMES) {
        const { data, message } = await daemon.error(method, {
          noSuchParam: 1,
        });
        assert.equal(data.code, 'INVALID_ARGUMENT', method);
        assert.match(message, /noSuchParam/, method);
        assert.match(data.hint ?? '', /Known params: |takes no params/, method);
      }
    });

    test('[1.72] [C.9] every param of every method refuses a wrong type and prototype keys', async () => {
      for (const method of METHOD_NAMES) {
        for (const name of Object.keys(daemon.table[method].params.shape)) {
          for (const wrong of [{ deeply: { wrong: true } }, Number.NaN, null]) {
            const { data, message } = await daemon.error(method, {
              [name]: wrong,
            });
            assert.equal(data.code, 'INVALID_ARGUMENT', `${method}.${name}`);
            assert.match(message, new RegExp(name), `${method}.${name}`);
          }
        }
        const { data } = await daemon.error(method, JSON.parse('{"__proto__": {"query": "x"}}'));
        assert.equal(data.code, 'INVALID_ARGUMENT', method);
      }
    });

    test('rpc/discover lists exactly the table, with schemas that say what is required', async () => {
      const document = await daemon.call('rpc/discover', {});
      assert.match(document.openrpc, /^1\./);
      assert.deepEqual(document.methods.map(({ name }) => name).sort(), [...METHOD_NAMES].sort());
      assert.deepEqual(Object.keys(daemon.table).sort(), [...METHOD_NAMES].sort());
      const query = document.methods.find(({ name }) => name === 'search/query');
      const fields = query?.params as {
        name: string;
        required: boolean;
        schema: { type?: string; maximum?: number };
      }[];
      assert.deepEqual(
        fields.filter(({ required }) => required).map(({ name }) => name),
        ['query'],
      );
      assert.equal(fields.find(({ name }) => name === 'limit')?.schema.maximum, 1000);
      for (const { name, summary } of document.methods) assert.match(summary, /^[A-Z].*\.$/, name);
    });

    test('control methods touch no index: they are answered in every state', () => {
      const control = METHOD_NAMES.filter((name) => daemon.table[name].lane === 'control');
      assert.deepEqual([...control].sort(), ['config/get', 'daemon/health', 'daemon/metrics', 'daemon/status', 'initialize', 'rpc/discover', 'shutdown']);
    });
  });

  describe('the service', () => {
    const hello = {
      clientName: 'x',
      clientVersion: '1.0.0',
      token: 't',
      protocol: { min: 1, max: 5 },
    };

    test('initialize agrees on a protocol version or says who is older', async () => {
      const result = await daemon.call('initialize', hello);
      assert.equal(result.protocol, 1);
      assert.equal(result.epoch, daemon.core.lock.epoch);
      const newer = await daemon.error('initialize', {
        ...hello,
        protocol: { min: 7, max: 9 },
      });
      assert.equal(newer.data.code, 'VERSION_SKEW');
      assert.match(newer.data.hint ?? '', /daemon is older/);
      assert.match(
        (
          await daemon.error('initialize', {
            ...hello,
            protocol: { min: 0, max: 0 },
          })
        ).data.hint ?? '',
        /client is older/,
      );
    });

    test('only a newer client may ask for a hand-over; a user may always stop the daemon', async () => {
      for (const version of ['0.9.0', '1.2.3', '1.2.3-beta', 'nonsense', '']) assert.equal((await daemon.error('shutdown', { reason: 'handover' }, version)).data.code, 'VERSION_SKEW', version);
      assert.deepEqual(daemon.stops, []);
      await daemon.call('shutdown', { reason: 'handover' }, '1.10.0');
      await daemon.call('shutdown', {}, '0.1.0');
      assert.equal(daemon.stops.length, 2);
    });

    test('[1.70] config/get shows value and origin, and suggests a name', async () => {
      const { values, file } = await daemon.call('config/get', {});
      assert.equal(file, daemon.core.endpoint.configFile);
      assert.deepEqual(
        values.find(({ key }) => key === 'ingest.workers'),
        {
          key: 'ingest.workers',
          value: 1,
          origin: 'flag',
          source: '--set ingest.workers',
          description: 'Threads that read, parse and embed files; 0 = chosen from the number of cores.',
        },
      );
      assert.equal((await daemon.call('config/get', { key: 'log.level' })).values[0]?.origin, 'default');
      assert.match((await daemon.error('config/get', { key: 'log.levl' })).data.hint ?? '', /log\.level/);
    });

    test('[1.69, 6.13] health, status and metrics', async () => {
      assert.equal((await daemon.call('daemon/health', {})).ok, true);
      const status = await daemon.call('daemon/status', {});
      assert.equal(status.pid, process.pid);
      assert.ok(status.memory.rss > 1e6);
      assert.equal(status.idleExitMs, 1_800_000);
      assert.equal(status.embedder?.dimension, 256);
      const metrics = await daemon.call('daemon/metrics', {});
      assert.ok((metrics.requests['daemon/health']?.count ?? 0) >= 1);
      assert.ok((metrics.counters['errors.INVALID_ARGUMENT'] ?? 0) > 10);
      assert.ok((metrics.gauges['memory.rssBytes'] ?? 0) > 1e6);
    });
  });

  describe('an index', () => {
    test('roots that cannot be indexed, names that are not there', async () => {
      assert.equal(
        (
          await daemon.error('index/open', {
            root: join(daemon.dir, 'nowhere'),
          })
        ).data.code,
        'ROOT_NOT_FOUND',
      );
      writeFileSync(join(daemon.dir, 'file'), '');
      assert.equal((await daemon.error('index/create', { root: join(daemon.dir, 'file') })).data.code, 'ROOT_NOT_DIRECTORY');
      assert.equal((await daemon.error('index/status', { index: 'nobody' })).data.code, 'NOT_FOUND');
      assert.equal((await daemon.error('search/query', { query: 'x', root: daemon.root })).data.code, 'NOT_FOUND');
      assert.equal((await daemon.error('index/flush', {})).data.code, 'NOT_FOUND');
      for (const name of ['../escape', 'UPPER', '', 'a/b', '.hidden', 'x'.repeat(65)]) assert.equal((await daemon.error('index/create', { root: daemon.root, name })).data.code, 'INVALID_ARGUMENT', name);
      assert.equal((await daemon.error('index/create', { root: 'nul\0' })).data.code, 'INVALID_ARGUMENT');
    });

    test('[6.11] index/open makes it, waits, and reports progress; a second open gets it', async () => {
      const made = await daemon.call('index/open', {
        root: daemon.root,
        wait: true,
        progressToken: 'p',
      });
      assert.equal(made.created, true);
      assert.equal(made.index, 'pebble');
      assert.equal(made.files, Object.keys(TREE).length);
      assert.ok(made.chunks >= made.files);
      assert.equal(made.embedded + made.cached >= made.files, true);
      const progress = daemon.notes.filter(({ method }) => method === '$/progress').map(({ params }) => params as ProgressParams);
      assert.ok(progress.length > 0 && progress.every(({ token }) => token === 'p'));
      const again = await daemon.call('index/open', {
        root: daemon.root,
        wait: true,
      });
      assert.equal(again.created, false);
      assert.equal(again.embedded, 0, 'nothing is embedded again');
      assert.equal((await daemon.error('index/create', { root: daemon.root })).data.code, 'ALREADY_EXISTS');
      const inner = await daemon.call('index/open', {
        root: join(daemon.root, 'src'),
        enclosing: true,
      });
      assert.equal(inner.index, 'pebble');
    });

    test('[6.4, 6.5] search answers with hits, lanes and freshness; by name, by root, by a path inside', async () => {
      for (const ref of [{ index: 'pebble' }, { root: daemon.root }, { root: join(daemon.root, 'src', 'wal') }, {}]) {
        const { hits, meta } = await daemon.call('search/query', {
          query: 'frame a record of the write-ahead log',
          ...ref,
        });
        assert.equal(hits[0]?.path, 'src/wal/log-writer.ts');
        assert.ok((hits[0]?.startLine ?? 0) >= 1 && (hits[0]?.endLine ?? 0) >= (hits[0]?.startLine ?? 0));
        assert.match(hits[0]?.snippet ?? '', /frameRecord/);
        assert.equal(meta.index, 'pebble');
        assert.equal(meta.state, 'ready');
        assert.ok(meta.lsn > 0 && meta.tookMs >= 0);
        assert.deepEqual(
          meta.lanes.map(({ lane, used }) => [lane, used]),
          [
            ['lexical', true],
            ['semantic', true],
            ['symbol', true],
            ['path', true],
          ],
        );
      }
    });

    test('[6.6, 6.9] filters, lanes left out, explain', async () => {
      const python = await daemon.call('search/query', {
        query: 'append',
        languages: ['Python'],
      });
      assert.ok(python.hits.length > 0 && python.hits.every(({ language }) => language === 'python'));
      const paths = await daemon.call('search/query', {
        query: 'records',
        paths: ['**/*.md'],
      });
      assert.deepEqual([...new Set(paths.hits.map(({ path }) => path))], ['README.md']);
      const classes = await daemon.call('search/query', {
        query: 'append records',
        kinds: ['class'],
      });
      assert.ok(classes.hits.every(({ symbol }) => symbol?.kind === 'class'));
      assert.ok(
        (
          await daemon.call('search/query', {
            query: 'records',
            codeOnly: true,
          })
        ).hits.every(({ language }) => language !== 'markdown'),
      );
      const lexical = await daemon.call('search/query', {
        query: 'records',
        without: ['semantic'],
        explain: true,
        limit: 1,
      });
      assert.equal(lexical.hits.length, 1);
      assert.ok((lexical.hits[0]?.explain?.lanes.length ?? 0) > 0);
      assert.deepEqual(
        lexical.meta.lanes.find(({ lane }) => lane === 'semantic'),
        { lane: 'semantic', used: false, reason: 'asked' },
      );
      assert.equal((await daemon.error('search/query', { query: 'x', kinds: ['clas'] })).data.code, 'INVALID_ARGUMENT');
      assert.equal(
        (
          await daemon.error('search/query', {
            query: 'x',
            without: ['everything'],
          })
        ).data.code,
        'INVALID_ARGUMENT',
      );
      assert.equal((await daemon.error('search/query', { query: '   ' })).data.code, 'INVALID_ARGUMENT');
    });

    test('[6.4] fresh sees an edit that was made just before', async () => {
      daemon.write({
        'src/cache.ts': 'export function evictLeastRecentlyUsed(): void {}\n',
      });
      const { hits } = await daemon.call('search/query', {
        query: 'evictLeastRecentlyUsed',
        fresh: true,
      });
      assert.equal(hits[0]?.path, 'src/cache.ts');
    });

    test('[6.7] grep: literal, regex, word, case, context, limit', async () => {
      const literal = await daemon.call('search/grep', {
        pattern: 'frameRecord(',
        context: 1,
      });
      assert.deepEqual(
        literal.matches.map(({ path, line }) => [path, line]),
        [
          ['src/wal/log-writer.ts', 4],
          ['src/wal/log-writer.ts', 10],
        ],
      );
      assert.equal(literal.matches[0]?.column, 17);
      assert.match(literal.matches[0]?.before[0] ?? '', /write-ahead log/);
      assert.equal(literal.truncated, false);
      assert.equal(
        (
          await daemon.call('search/grep', {
            pattern: 'def \\w+\\(self',
            regex: true,
          })
        ).matches.length,
        2,
      );
      assert.equal((await daemon.call('search/grep', { pattern: 'CRC', word: true })).matches.length, 0);
      assert.ok(
        (
          await daemon.call('search/grep', {
            pattern: 'CRC',
            ignoreCase: true,
            limit: 2,
          })
        ).truncated,
      );
      assert.equal((await daemon.error('search/grep', { pattern: '(', regex: true })).data.code, 'INVALID_ARGUMENT');
    });

    test('[6.8] symbols, definition, references, callers, callees; an ambiguous name gives candidates', async () => {
      const symbols = await daemon.call('search/symbols', {
        query: 'frameRec',
      });
      assert.equal(symbols.symbols[0]?.qualified, 'frameRecord');
      const definition = await daemon.call('graph/definition', {
        name: 'crc32',
      });
      assert.deepEqual(
        definition.definitions.map(({ path, kind }) => [path, kind]),
        [['src/wal/checksum.ts', 'function']],
      );
      assert.equal(definition.ambiguous, false);
      const ambiguous = await daemon.call('graph/definition', {
        name: 'append',
      });
      assert.equal(ambiguous.ambiguous, true);
      assert.deepEqual(ambiguous.definitions.map(({ path }) => path).sort(), ['src/net/server.py', 'src/wal/log-writer.ts']);
      const callers = await daemon.call('graph/callers', {
        name: 'frameRecord',
      });
      assert.deepEqual(
        callers.references.map(({ path, line, from }) => [path, line, from?.qualified]),
        [['src/wal/log-writer.ts', 10, 'LogWriter.append']],
      );
      const references = await daemon.call('graph/references', {
        name: 'crc32',
      });
      assert.ok(references.references.length >= 1);
      assert.ok(references.references.every(({ target }) => target === 'crc32'));
      const callees = await daemon.call('graph/callees', {
        name: 'LogWriter.append',
      });
      const call = callees.callees.find(({ target }) => target === 'frameRecord');
      assert.deepEqual(
        call?.candidates.map(({ path }) => path),
        ['src/wal/log-writer.ts'],
      );
      assert.deepEqual(callees.callees.find(({ target }) => target === 'write')?.candidates, [], 'unresolved rather than guessed');
      const nothing = await daemon.call('graph/definition', {
        name: 'doesNotExistAnywhere',
      });
      assert.deepEqual([nothing.definitions, nothing.ambiguous], [[], false]);
      assert.equal((await daemon.call('graph/callers', { name: 'frameRecord', limit: 1 })).truncated, false);
    });

    test('[0.24, 0.25] flush is a barrier; status, inspect and list agree', async () => {
      const flushed = await daemon.call('index/flush', { index: 'pebble' });
      assert.equal(flushed.durableLsn, flushed.lsn);
      const status = await daemon.call('index/status', {});
      const inspected = await daemon.call('index/inspect', {});
      const { indexes, failed } = await daemon.call('index/list', {});
      assert.deepEqual(failed, []);
      assert.deepEqual(
        indexes.map(({ index }) => index),
        ['pebble'],
      );
      assert.equal(status.chunks, inspected.chunks);
      assert.equal(indexes[0]?.chunks, status.chunks);
      assert.equal(status.durableLsn, inspected.durableLsn);
      assert.ok(inspected.segments.length >= 1 && inspected.segments.every(({ checksum, bytes }) => checksum !== '' && bytes > 0));
      assert.equal(inspected.segments.reduce((sum, { chunks }) => sum + chunks, 0) >= inspected.chunks, true);
      assert.equal(inspected.metadata['sourceRoot'], daemon.root);
      assert.equal(inspected.vectors, inspected.chunks);
      const { operations, batches, failures, pending, meanMs, segments } = inspected.incremental;
      assert.ok(operations >= inspected.docs && batches > 0 && meanMs > 0);
      assert.deepEqual([failures, pending, segments], [0, 0, inspected.segments.length]);
      assert.equal(status.embedder?.dimension, 256);
      assert.ok(status.reasons.length === 0, status.reasons.join());
    });

    test('[6.13] verify reads every file and finds nothing wrong', async () => {
      for (const deep of [false, true]) {
        const report = await daemon.call('index/verify', {
          index: 'pebble',
          deep,
        });
        assert.equal(report.ok, true, JSON.stringify(report.damages));
        assert.ok(report.filesChecked > 0 && report.bytesChecked > 0);
      }
    });

    test('rebuild reads every file again and the cache answers for every text', async () => {
      const run = await daemon.call('index/rebuild', {
        index: 'pebble',
        wait: true,
      });
      assert.equal(run.created, false);
      assert.equal(run.embedded, 0);
      assert.ok(run.cached > 0);
      assert.equal((await daemon.call('search/query', { query: 'crc32' })).hits[0]?.path, 'src/wal/checksum.ts');
    });

    test('an index that is opened while it is being deleted is made again', async () => {
      const root = join(daemon.dir, 'again');
      mkdirSync(root);
      daemon.write(TREE, root);
      for (let i = 0; i < 3; i++) {
        await daemon.call('index/open', { root, wait: true });
        const [deleted, opened] = await Promise.all([daemon.call('index/delete', { index: 'again', purge: true }), daemon.call('index/open', { root, wait: true })]);
        assert.deepEqual([deleted.index, opened.index, opened.created, opened.state], ['again', 'again', true, 'ready']);
      }
      await daemon.call('index/delete', { index: 'again', purge: true });
    });

    test('[4.11] a lexical-only index works and says that it has no semantic lane', async () => {
      const root = join(daemon.dir, 'plain');
      mkdirSync(root);
      daemon.write(TREE, root);
      const made = await daemon.call('index/create', {
        root,
        name: 'plain-one',
        lexicalOnly: true,
        wait: true,
      });
      assert.equal(made.index, 'plain-one');
      assert.equal(made.embedded, 0);
      const { hits, meta } = await daemon.call('search/query', {
        query: 'crc32',
        index: 'plain-one',
      });
      assert.equal(hits[0]?.path, 'src/wal/checksum.ts');
      assert.deepEqual(
        meta.lanes.find(({ lane }) => lane === 'semantic'),
        { lane: 'semantic', used: false, reason: 'index has no vectors' },
      );
      assert.equal((await daemon.error('search/query', { query: 'crc32' })).data.code, 'INVALID_ARGUMENT', 'two indexes: which one?');
    });

    test('[6.17] delete keeps the data unless purged', async () => {
      const kept = await daemon.call('index/delete', { index: 'plain-one' });
      assert.equal(kept.purged, false);
      assert.ok(kept.keptAt !== null && existsSync(kept.keptAt));
      assert.equal((await daemon.error('index/status', { index: 'plain-one' })).data.code, 'NOT_FOUND');
      const purged = await daemon.call('index/delete', {
        root: daemon.root,
        purge: true,
      });
      assert.deepEqual(purged, { index: 'pebble', purged: true, keptAt: null, copies: 0, backups: null });
      assert.deepEqual(await daemon.call('index/delete', { index: 'plain-one', purge: true }), { index: 'plain-one', purged: true, keptAt: null, copies: 1, backups: null });
      assert.equal(existsSync(kept.keptAt), false, 'also of an index that is gone');
      assert.equal((await daemon.error('index/delete', { index: 'plain-one', purge: true })).data.code, 'NOT_FOUND');
      assert.deepEqual((await daemon.call('index/list', {})).indexes, []);
    });

    test('a cancelled wait is CANCELLED and the index goes on', async () => {
      const controller = new AbortController();
      const waiting = daemon.call('index/open', { root: daemon.root, wait: true }, '1.0.0', controller.signal);
      controller.abort();
      await assert.rejects(waiting, {
        wire: {
          code: -32800,
          message: 'the request was cancelled',
          data: { code: 'CANCELLED', retryable: false },
        },
      });
      const again = await daemon.call('index/open', {
        root: daemon.root,
        wait: true,
      });
      assert.equal(again.state, 'ready');
    });

    test('nothing of all this was a bug', () => {
      assert.deepEqual(daemon.bugs, []);
      const names: readonly MethodName[] = METHOD_NAMES;
      assert.ok(names.length >= 28, String(names.length));
    });
  });

  test('[0.20] without an embedder the other lanes serve, and making a semantic index is refused', async () => {
    const broken = await Composed.start([`embedder.model=${join(daemon.dir, 'no-such-model')}`]);
    try {
      const refused = await broken.error('index/open', {
        root: broken.root,
        wait: true,
      });
      assert.equal(refused.data.code, 'EMBEDDER_FAILED');
      assert.match(refused.message, /no-such-model/);
      await broken.call('index/open', {
        root: broken.root,
        wait: true,
        lexicalOnly: true,
      });
      assert.equal((await broken.call('search/query', { query: 'crc32' })).hits[0]?.path, 'src/wal/checksum.ts');
      assert.match((await broken.call('daemon/status', {})).warnings.join(), /no-such-model/);
    } finally {
      await broken.close();
    }
  });
});
