// The three foreign layouts, whole and hostile, through the daemon's method: what is taken reads back exactly, what is refused is
// named, and no half index is ever left.
import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { Composed } from '../daemon/handlers/composed.ts';
import { checkLeaks } from '../support/leaks.ts';
import { dvecdbRecord, trustyChunk, uuidOf, writeCodanna, writeDvecdb, writeTrusty } from './foreign-fixtures.ts';

checkLeaks();

let daemon: Composed;
let made = 0;
const place = (): string => {
  mkdirSync(join(daemon.dir, 'foreign'), { recursive: true });
  return join(daemon.dir, 'foreign', String(++made));
};

const V = (...values: number[]): number[] => Array.from(Float32Array.from(values));

async function vectorsOf(index: string): Promise<[string | number, unknown, unknown][]> {
  const { records } = await daemon.call('vectors/scan', { index, limit: 1000 });
  return records.map(({ id, vector, payload }) => [id, vector, payload]);
}

/** The refusal of a whole import leaves no index, no directory and nothing in staging. */
async function refused(params: Readonly<Record<string, unknown>>, code: string, message: RegExp): Promise<void> {
  const before = readdirSync(join(daemon.core.endpoint.dataDir, 'indexes')).sort();
  const error = await daemon.error('index/import', params);
  assert.equal(error.data.code, code, error.message);
  assert.match(error.message, message);
  assert.deepEqual(readdirSync(join(daemon.core.endpoint.dataDir, 'indexes')).sort(), before);
  const staging = join(daemon.core.endpoint.dataDir, 'staging');
  assert.deepEqual(existsSync(staging) ? readdirSync(staging) : [], []);
}

describe('foreign layouts', () => {
  before(async () => {
    daemon = await Composed.start();
  });
  after(async () => {
    assert.deepEqual(daemon.bugs, []);
    await daemon.close();
  });

  describe('codanna', () => {
    const RECORDS: readonly (readonly [number, readonly number[]])[] = [[1, [0.1, 0.2, 0.3]], [7, [-1, 0.5, 1e-40]], [4_294_967_295, [3e38, 0, 1]]];

    test('[3.13] [0.14] records, integer ids, languages and the embedder come over', async () => {
      const path = writeCodanna(place(), RECORDS, { languages: { 1: 'rust', 7: 'python', 4294967295: 'go' } });
      const result = await daemon.call('index/import', { path, from: 'codanna', name: 'codanna' });
      assert.deepEqual([result.kind, result.documents, result.taken, result.refused, result.warnings], ['vector', 3, 3, [], []]);
      assert.deepEqual(await vectorsOf('codanna'), [
        [1, V(0.1, 0.2, 0.3), { language: 'rust' }], [4_294_967_295, V(3e38, 0, 1), { language: 'go' }], [7, V(-1, 0.5, 1e-40), { language: 'python' }],
      ]);
      const { metadata } = await daemon.call('index/inspect', { index: 'codanna' });
      assert.deepEqual(metadata['embedder'], { name: 'AllMiniLML6V2', revision: 'local', dimension: 3, normalized: false, fingerprint: 'codanna:AllMiniLML6V2' });
      assert.deepEqual((await daemon.call('index/verify', { index: 'codanna', deep: true })).damages, []);
      const { hits } = await daemon.call('vectors/search', { index: 'codanna', vector: [0.1, 0.2, 0.3], limit: 1 });
      assert.equal(hits[0]?.id, 1);
      await refused({ path, from: 'codanna', name: 'codanna' }, 'ALREADY_EXISTS', /index 'codanna' already/);
    });

    test('a torn last record, disagreeing counts, orphan keys and a missing language are all said', async () => {
      const path = writeCodanna(place(), RECORDS, { cut: 5, headerCount: 9, metadata: { embedding_count: 4 }, languages: { 1: 'rust', 55: 'go', x: 'c', 7: 12 } });
      const result = await daemon.call('index/import', { path, from: 'codanna' });
      assert.equal(result.taken, 2);
      assert.deepEqual(result.warnings.map(({ code, expected, found }) => [code, expected, found]), [['COUNT_MISMATCH', 9, 2], ['COUNT_MISMATCH', 4, 2], ['COUNT_MISMATCH', undefined, 1]]);
      assert.deepEqual(result.refused.map(({ reason, count, examples }) => [reason, count, examples]), [
        ['language that is no short text', 1, ['7']], ['language of a key that is no id', 1, ['x']],
        ['record cut off at the end of the file', 1, ['offset 48: 11 of 16 bytes']], ['language of an id that has no vector', 1, ['55']],
      ]);
    });

    test('more records than the header counts are taken; without languages.json there are none; equal ids and values that are not finite are said', async () => {
      const path = writeCodanna(place(), [...RECORDS, [1, [9, 9, 9]], [8, [1, Number.NaN, 1]]], { headerCount: 3, languages: null });
      const result = await daemon.call('index/import', { path, from: 'codanna' });
      assert.equal(result.taken, 3);
      assert.match(result.warnings.map(({ message }) => message).join('\n'), /no languages\.json[\s\S]*counts 3 records, 5 are there[\s\S]*1 records have the id of an earlier one/);
      assert.deepEqual(result.refused, [{ reason: 'vector with a value that is not finite', count: 1, examples: ['8: value 1 is NaN'] }]);
      assert.deepEqual((await vectorsOf(result.index))[0], [1, [9, 9, 9], undefined]);
    });

    test('[0.3] [1.73] what cannot be trusted as a whole is refused as a whole', async () => {
      const from = 'codanna';
      await refused({ path: writeCodanna(place(), RECORDS, { magic: 'XVEC' }), from }, 'CORRUPT', /does not begin with CVEC/);
      await refused({ path: writeCodanna(place(), RECORDS, { version: 2 }), from }, 'NEWER_FORMAT', /version 2/);
      await refused({ path: writeCodanna(place(), RECORDS, { metadata: { dimension: 4 } }), from }, 'DIMENSION_MISMATCH', /dimension 3.*says 4/);
      await refused({ path: writeCodanna(place(), RECORDS, { dimension: 0xffff_ffff }), from }, 'CORRUPT', /dimension 4294967295/);
      await refused({ path: writeCodanna(place(), RECORDS), from, dimension: 4 }, 'DIMENSION_MISMATCH', /says dimension 3, not 4/);
      await refused({ path: writeCodanna(place(), RECORDS), from, metric: 'dot' }, 'INVALID_ARGUMENT', /cosine, not dot/);
      await refused({ path: writeCodanna(place(), RECORDS, { metadata: { version: 2 } }), from }, 'NEWER_FORMAT', /version 2/);
      await refused({ path: writeCodanna(place(), RECORDS, { metadata: null }), from }, 'NOT_FOUND', /metadata\.json/);
      await refused({ path: writeCodanna(place(), RECORDS, { languages: '{"1": "rust"' }), from }, 'TRUNCATED', /languages\.json/);
      await refused({ path: writeCodanna(place(), [], { cut: 10 }), from }, 'TRUNCATED', /6 bytes are no header/);
      await refused({ path: writeCodanna(place(), [[1, [Number.NaN, 0, 0]]]), from }, 'CORRUPT', /nothing could be taken: vector with a value that is not finite/);
      await refused({ path: place(), from }, 'NOT_FOUND', /metadata\.json/);
      await refused({ path: writeCodanna(place(), RECORDS), from, root: daemon.dir }, 'INVALID_ARGUMENT', /root/);
      const empty = await daemon.call('index/import', { path: writeCodanna(place(), []), from });
      assert.deepEqual([empty.taken, empty.refused], [0, []]);
    });
  });

  describe('d-vecDB', () => {
    const A = { id: 0xaa, vector: [1, 2, 3] };
    const B = { id: 0x0b, vector: [-4, 5, 6] };

    test('[3.13] [3.1] records end at the padding; name, metric and index config come over', async () => {
      const path = writeDvecdb(place(), [A, B].map(dvecdbRecord), { metadata: { distance_metric: 'DotProduct' } });
      const result = await daemon.call('index/import', { path, from: 'dvecdb' });
      assert.deepEqual([result.index, result.taken, result.refused, result.warnings], ['notes-of-mine', 2, [], []]);
      assert.deepEqual(await vectorsOf(result.index), [[uuidOf(0x0b), [-4, 5, 6], undefined], [uuidOf(0xaa), [1, 2, 3], undefined]]);
      const { metadata } = await daemon.call('index/inspect', { index: result.index });
      assert.equal(metadata['distanceMetric'], 'dot');
      assert.deepEqual(metadata['indexConfig'], { max_connections: 32, ef_construction: 100, ef_search: 20, max_layer: 8 });
    });

    test('a record with metadata ends what can be read, with its position; a log is not read and said', async () => {
      const path = writeDvecdb(place(), [dvecdbRecord(A), dvecdbRecord({ ...B, tag: 1 }), Buffer.from('some metadata'), dvecdbRecord(A)], { wal: Buffer.alloc(10, 1), size: 0 });
      const result = await daemon.call('index/import', { path, from: 'dvecdb' });
      assert.equal(result.taken, 1);
      assert.deepEqual(result.refused, [{ reason: 'metadata that cannot be read without its types; what stands behind it is not reached', count: 1, examples: ['record 1 at offset 45; 58 bytes behind it'] }]);
      assert.match(result.warnings[0]?.message ?? '', /wal holds 10 bytes that are not read/);
    });

    test('[1.73] a wrong n, an impossible n, tag or length, a torn record and bytes behind the padding are refused where they stand', async () => {
      const cases: readonly (readonly [string, readonly Uint8Array[], number, RegExp, number?])[] = [
        ['wrong n', [dvecdbRecord(A), dvecdbRecord({ id: 1, vector: [1, 2] }), dvecdbRecord(B)], 2, /another dimension than 3.*record 1 at offset 45.*2 values/],
        ['hostile n', [dvecdbRecord(A), dvecdbRecord({ ...B, n: 2n ** 63n })], 1, /impossible dimension.*9223372036854775808 values/],
        ['n beyond the file', [dvecdbRecord(A), dvecdbRecord({ ...B, n: 16_000n })], 1, /cut off.*record 1/, 0],
        ['tag', [dvecdbRecord(A), dvecdbRecord({ ...B, tag: 7 })], 1, /impossible tag.*tag 7/],
        ['length', [dvecdbRecord(A), Buffer.alloc(45, 1)], 1, /does not begin with a UUID.*length 72340172838076673/],
        ['torn', [dvecdbRecord(A), dvecdbRecord(B).subarray(0, 40)], 1, /cut off.*record 1 at offset 45/, 0],
        ['torn head', [dvecdbRecord(A), dvecdbRecord(B).subarray(0, 20)], 1, /cut off/, 0],
        ['tail', [dvecdbRecord(A), Buffer.alloc(5)], 1, /no record/, 0],
        ['behind', [dvecdbRecord(A), Buffer.alloc(100), Buffer.from([1]), Buffer.alloc(10)], 1, /behind the padding.*offset 145/],
      ];
      for (const [what, records, taken, message, size] of cases) {
        const path = writeDvecdb(place(), records, size === undefined ? {} : { size });
        const result = await daemon.call('index/import', { path, from: 'dvecdb' });
        assert.equal(result.taken, taken, what);
        assert.equal(result.refused.length, 1, what);
        assert.match(`${result.refused[0]?.reason} ${result.refused[0]?.examples[0]}`, message, what);
      }
    });

    test('Manhattan has no counterpart; without metadata.json the caller must say what it would', async () => {
      const from = 'dvecdb';
      await refused({ path: writeDvecdb(place(), [dvecdbRecord(A)], { metadata: { distance_metric: 'Manhattan' } }), from }, 'UNSUPPORTED', /Manhattan.*no counterpart/);
      await refused({ path: writeDvecdb(place(), [dvecdbRecord(A)], { metadata: { dimension: 0 } }), from }, 'CORRUPT', /dimension 0/);
      await refused({ path: writeDvecdb(place(), [dvecdbRecord(A)], { metadata: { vector_type: 'Float8' } }), from }, 'CORRUPT', /vector_type/);
      const bare = writeDvecdb(place(), [dvecdbRecord(A)], { metadata: null });
      const error = await daemon.error('index/import', { path: bare, from });
      assert.deepEqual([error.data.code, error.data.hint], ['INVALID_ARGUMENT', 'Give what it would say: --name, --dimension, --metric.']);
      const result = await daemon.call('index/import', { path: bare, from, name: 'bare', dimension: 3, metric: 'euclidean' });
      assert.equal(result.taken, 1);
      const { metadata, directory } = await daemon.call('index/inspect', { index: 'bare' });
      assert.equal(metadata['distanceMetric'], 'euclidean');
      assert.equal((JSON.parse(readFileSync(join(directory, 'metadata.json'), 'utf8')) as { dimension: number }).dimension, 3);
      const int8 = await daemon.call('index/import', { path: writeDvecdb(place(), [dvecdbRecord(A)], { metadata: { vector_type: 'Int8' } }), from });
      assert.match(int8.warnings[0]?.message ?? '', /Int8 is not kept/);
    });
  });

  describe('trusty', () => {
    const CHUNKS = [
      trustyChunk('src/parser.rs', 1, 40, 'pub struct Parser {\n  tokens: Vec<Token>,\n}', { chunk_type: 'Struct', function_name: 'Parser', language: 'rust' }),
      trustyChunk('src/wal/log.rs', 5, 9, 'fn append_record(&mut self) { self.flush_log(); }', { chunk_type: 'Method', function_name: 'append_record', language: 'rust', calls: ['self.flush_log', 'crc::crc32'], virtual_terms: ['durability'] }),
      trustyChunk('src/parser.rs', 10, 20, 'fn parse_expression(&self) -> Expr { self.next_token() }', { chunk_type: 'Method', function_name: 'parse_expression', parent_chunk_id: 'src/parser.rs:1:40', chunk_depth: 1, calls: ['next_token'], inherits_from: ['Visitor'] }),
      trustyChunk('README.md', 1, 3, '# Pebble\nA small store.'),
    ];

    test('[3.13] [4.13] [6.3] a code index that is searched in all lanes, its chunks embedded through the cache', async () => {
      const path = writeTrusty(place(), CHUNKS);
      const result = await daemon.call('index/import', { path, from: 'trusty', name: 'trusty' });
      assert.deepEqual([result.kind, result.documents, result.taken, result.refused, result.embedded, result.cached], ['code', 3, 4, [], 4, 0]);
      assert.match(result.warnings.map(({ message }) => message).join(), /entities of 1 files are not imported/);
      const status = await daemon.call('index/status', { index: 'trusty' });
      assert.deepEqual([status.state, status.root, status.docs, status.vectors], ['ready', null, 3, 4]);
      const query = async (text: string) => (await daemon.call('search/query', { index: 'trusty', query: text })).hits.map(({ path }) => path);
      assert.equal((await query('append_record'))[0], 'src/wal/log.rs');
      assert.equal((await query('durability'))[0], 'src/wal/log.rs', 'virtual terms count as body');
      const { meta } = await daemon.call('search/query', { index: 'trusty', query: 'where are expressions parsed' });
      assert.deepEqual(meta.lanes.filter(({ used }) => !used), []);
      const { symbols } = await daemon.call('search/symbols', { index: 'trusty', query: 'parse_expression' });
      assert.deepEqual(symbols[0], { name: 'parse_expression', qualified: 'Parser.parse_expression', kind: 'method', path: 'src/parser.rs', language: 'rust', startLine: 10, endLine: 20 });
      const { references } = await daemon.call('graph/callers', { index: 'trusty', name: 'flush_log' });
      assert.deepEqual(references.map(({ path, line, from }) => [path, line, from?.name]), [['src/wal/log.rs', 5, 'append_record']]);
      const { matches } = await daemon.call('search/grep', { index: 'trusty', pattern: 'Vec<Token>' });
      assert.equal(matches[0]?.path, 'src/parser.rs');
      assert.deepEqual((await daemon.call('index/verify', { index: 'trusty', deep: true })).damages, []);
      assert.equal((await daemon.error('index/rebuild', { index: 'trusty' , wait: true })).data.code, 'UNSUPPORTED');
      const again = await daemon.call('index/import', { path, from: 'trusty', name: 'again' });
      assert.deepEqual([again.embedded, again.cached], [0, 4]);
    });

    test('with a root the index follows that tree: what differs is read again, what is gone goes', async () => {
      const root = join(daemon.dir, 'attached');
      daemon.write({ 'src/parser.rs': 'pub struct Parser {}\nimpl Parser {\n  fn parse_statement(&self) {}\n}\n' }, root);
      const path = writeTrusty(place(), CHUNKS);
      const result = await daemon.call('index/import', { path, from: 'trusty', name: 'attached', root });
      assert.equal(result.documents, 3);
      await daemon.call('index/open', { root, wait: true });
      const status = await daemon.call('index/status', { index: 'attached' });
      assert.deepEqual([status.root, status.docs], [root, 1]);
      const found = await daemon.call('search/symbols', { index: 'attached', query: 'parse_statement' });
      assert.equal(found.symbols[0]?.path, 'src/parser.rs');
      await refused({ path, from: 'trusty', name: 'twice', root }, 'ALREADY_EXISTS', /is indexed already, as 'attached'/);
    });

    test('[1.73] wrong chunks are refused one by one, with where they stand; secrets and paths that lead outside are never taken', async () => {
      const bad: readonly (readonly [object | number, RegExp])[] = [
        [5, /no object/], [{ ...CHUNKS[0], id: '' }, /without an id/], [CHUNKS[0] as object, /id of another/],
        [trustyChunk('../up.rs', 1, 2, 'x'), /no plain relative path/], [trustyChunk('/etc/passwd', 1, 2, 'x'), /no plain relative path/], [trustyChunk('.env', 1, 2, 'TOKEN=1'), /secrets/],
        [trustyChunk('a.rs', 9, 2, 'x'), /impossible lines/], [trustyChunk('a.rs', 1, 2 ** 40, 'x'), /impossible lines/], [{ ...trustyChunk('a.rs', 1, 2, 'x'), content: 7 }, /content is no text/],
        [trustyChunk('b.rs', 1, 2, 'x', { chunk_type: 'Poem' }), /unknown type/], [trustyChunk('c.rs', 1, 2, 'x', { calls: [1] }), /no list of texts/], [trustyChunk('d.rs', 1, 2, '\ud800'), /content is no text/],
      ];
      const path = writeTrusty(place(), [...CHUNKS, ...bad.map(([chunk]) => chunk), trustyChunk('lost.rs', 1, 2, 'fn lost() {}', { parent_chunk_id: 'nobody' })]);
      const result = await daemon.call('index/import', { path, from: 'trusty', name: 'partly' });
      assert.equal(result.taken, 5);
      assert.equal(result.refused.reduce((sum, { count }) => sum + count, 0), bad.length);
      const reasons = result.refused.flatMap(({ reason, examples }) => examples.map((example) => `${example} ${reason}`));
      bad.forEach(([, message], i) => assert.ok(reasons.some((reason) => reason.startsWith(`chunk ${CHUNKS.length + i} `) && message.test(reason)), `${i}: ${message}`));
      assert.match(result.warnings.map(({ message }) => message).join(), /1 parents are named and not there/);
      const redacted = await daemon.call('index/import', { path: writeTrusty(place(), [trustyChunk('k.ts', 1, 1, "const key = 'AKIAIOSFODNN7EXAMPLQ';")]), from: 'trusty', name: 'redacted' });
      assert.equal(redacted.taken, 1);
      assert.equal((await daemon.call('search/grep', { index: 'redacted', pattern: 'AKIAIOSFODNN7EXAMPLQ' })).matches.length, 0);
    });

    test('[3.13] a file that is cut off, of another version, or none of this kind is refused whole', async () => {
      const from = 'trusty';
      const whole = readFileSync(writeTrusty(place(), CHUNKS));
      for (const end of [0, 1, 40, Math.floor(whole.length / 2), whole.length - 1]) {
        const path = place();
        writeFileSync(path, whole.subarray(0, end));
        await refused({ path, from }, 'TRUNCATED', /ends inside|offset/);
      }
      await refused({ path: writeTrusty(place(), CHUNKS, { version: 2 }), from }, 'NEWER_FORMAT', /version 2/);
      await refused({ path: writeTrusty(place(), CHUNKS, { version: 'x' }), from }, 'CORRUPT', /no version 1/);
      await refused({ path: writeTrusty(place(), CHUNKS, { chunks: { a: 1 } }), from }, 'CORRUPT', /chunks is no list/);
      await refused({ path: writeTrusty(place(), [1, 2]), from }, 'CORRUPT', /nothing could be taken/);
      await refused({ path: place(), from }, 'NOT_FOUND', /./);
      await refused({ path: writeTrusty(place(), CHUNKS), from, dimension: 3 }, 'INVALID_ARGUMENT', /dimension/);
      const signal = AbortSignal.abort();
      await assert.rejects(daemon.call('index/import', { path: writeTrusty(place(), CHUNKS), from, name: 'cancelled' }, '1.0.0', signal));
      assert.ok(!(await daemon.call('index/list', {})).indexes.some(({ index }) => index === 'cancelled'));
    });
  });

  test('[3.7] [3.8] a cairn directory is adopted through the method; orphans and what was deleted are listed', async () => {
    const { directory } = await daemon.call('index/inspect', { index: 'codanna' });
    await daemon.call('index/flush', { index: 'codanna' });
    const result = await daemon.call('index/import', { path: directory, name: 'copy' }).catch((error: unknown) => error);
    assert.match(String((result as Error).message), /served already/);
    const { cpSync } = await import('node:fs');
    const copy = place();
    cpSync(directory, copy, { recursive: true });
    const taken = await daemon.call('index/import', { path: copy, name: 'copy' });
    assert.deepEqual([taken.from, taken.kind, taken.documents, taken.metadataFrom], ['cairn', 'vector', 3, 'file']);
    assert.deepEqual(await vectorsOf('copy'), await vectorsOf('codanna'));
    const { keptAt } = await daemon.call('index/delete', { index: 'copy' });
    const { orphans } = await daemon.call('index/list', {});
    assert.deepEqual(orphans, [{ path: keptAt, what: 'deleted' }]);
  });
});
