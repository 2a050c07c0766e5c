// The architecture as a test: who may import whom, one adapter per third-party package, one door to the file system.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import test from 'node:test';
import { projectRoot, sourcesUnder, type SourceFile } from './sources.ts';

/** Layer of a file under src: its folder, or its own name for the files directly in src. */
const layerOf = (path: string): string => path.split('/').length > 2 ? path.split('/').slice(0, 2).join('/') : path;

const MAY_IMPORT: Readonly<Record<string, readonly string[]>> = {
  'src/util': [],
  'src/text': ['src/util'],
  'src/env': ['src/util'],
  'src/format': ['src/util', 'src/env'],
  'src/wal': ['src/util', 'src/env', 'src/format'],
  'src/manifest': ['src/util', 'src/env', 'src/format'],
  'src/quantize': ['src/util', 'src/env', 'src/format'],
  'src/segment': ['src/util', 'src/env', 'src/format', 'src/quantize'],
  'src/memtable': ['src/util', 'src/env', 'src/format', 'src/quantize', 'src/segment'],
  'src/index': ['src/util', 'src/env', 'src/format', 'src/wal', 'src/manifest', 'src/segment', 'src/memtable', 'src/quantize'],
  'src/backup': ['src/util', 'src/env', 'src/format', 'src/wal', 'src/manifest', 'src/segment', 'src/index'],
  'src/import': ['src/util', 'src/text', 'src/env', 'src/format', 'src/wal', 'src/manifest', 'src/segment', 'src/index', 'src/backup', 'src/embed', 'src/ingest'],
  'src/embed': ['src/util', 'src/text', 'src/env', 'src/format'],
  'src/ingest': ['src/util', 'src/text', 'src/format', 'src/embed'],
  'src/query': ['src/util', 'src/text', 'src/format', 'src/segment', 'src/index', 'src/quantize'],
};

/** Types of the layer above that a lower layer may name (contracts, no code). */
const TYPE_ONLY: Readonly<Record<string, readonly string[]>> = {
  'src/manifest': ['src/index', 'src/embed'],
  'src/index': ['src/embed'],
};

function violations(files: readonly SourceFile[], allowed: (from: SourceFile, to: string, typeOnly: boolean) => boolean): string[] {
  return files.flatMap((file) =>
    file.imports.filter(({ specifier, typeOnly }) => !allowed(file, specifier, typeOnly)).map(({ specifier }) => `${file.path} imports ${specifier}`),
  );
}

test('layers of src import only downwards', () => {
  const bad = violations(sourcesUnder('src'), (file, to, typeOnly) => {
    if (!to.startsWith('src/')) return !to.startsWith('daemon') && !to.startsWith('client') && !to.startsWith('test');
    const from = layerOf(file.path);
    const target = layerOf(to);
    if (from === target || from === 'src/engine.ts' || from === 'src/api.ts') return true;
    return (MAY_IMPORT[from] ?? []).includes(target) || (typeOnly && (TYPE_ONLY[from] ?? []).includes(target));
  });
  assert.deepEqual(bad, []);
});

test('query reads parts and snapshots, never the code that writes', () => {
  const bad = violations(sourcesUnder('src/query'), (_file, to) => !/^src\/(wal|manifest|memtable)\//.test(to) && !/^src\/segment\/(writer|merge)/.test(to));
  assert.deepEqual(bad, []);
});

test('daemon imports the engine only through src/api.ts, client only daemon/protocol', () => {
  const daemon = violations(sourcesUnder('daemon'), (file, to) => {
    if (file.path.startsWith('daemon/protocol/')) return to.startsWith('daemon/protocol/') || to.startsWith('node:');
    // The error type is a leaf: lock, socket and command line use it without loading the engine.
    if (file.path === 'daemon/errors.ts') return to === 'src/util/errors.ts';
    // A thread that only watches does not load all of the engine.
    if (file.path === 'daemon/watch/source-rules.ts') return to === 'src/ingest/discovery/source-tree.ts' || to === 'src/util/release-memory.ts';
    return !to.startsWith('src/') ? !to.startsWith('client/') : to === 'src/api.ts';
  });
  const client = violations(sourcesUnder('client'), (_file, to) => {
    if (to.startsWith('daemon/')) return to.startsWith('daemon/protocol/');
    return to.startsWith('client/') || to.startsWith('node:') || to === 'commander';
  });
  assert.deepEqual([...daemon, ...client], []);
});

test('each third-party package has one adapter file', () => {
  const users = new Map<string, Set<string>>();
  for (const file of sourcesUnder('src', 'daemon', 'client')) {
    for (const { specifier } of file.imports) {
      if (specifier.startsWith('node:') || /^(src|daemon|client)\//.test(specifier)) continue;
      const name = specifier.startsWith('@') ? specifier.split('/').slice(0, 2).join('/') : (specifier.split('/')[0] ?? specifier);
      users.set(name, (users.get(name) ?? new Set()).add(file.path));
    }
  }
  const shared = [...users].filter(([, files]) => files.size > 1).map(([name, files]) => `${name}: ${[...files].join(', ')}`);
  assert.deepEqual(shared, []);
});

test('storage code reaches files, clock and randomness only through src/env', () => {
  const folders = ['src/wal', 'src/manifest', 'src/segment', 'src/memtable', 'src/format', 'src/index', 'src/quantize', 'src/backup'];
  const files = sourcesUnder(...folders);
  const imports = violations(files, (_file, to) => !/^node:(fs|crypto|os|child_process)/.test(to));
  // slices.ts measures how long it has held the event loop; nothing stored or ordered depends on it.
  const calls = files.filter((file) => file.path !== 'src/index/slices.ts' && /\b(Date\.now|Math\.random|performance\.now|setTimeout|setInterval)\s*\(/.test(file.text)).map((file) => file.path);
  assert.deepEqual({ imports, calls }, { imports: [], calls: [] });
});

test('only src/env/atomic-file.ts renames (invariant 3)', () => {
  // A method of that name is declared (its parameter has a type) or private: not a call of the file system's function.
  const renamers = sourcesUnder('src').filter((file) => /\benv\.rename\(|\bfs\w*\.rename\w*\(|(?<!#)\brename(Sync)?\((?!\w+: )/.test(file.text)).map((file) => file.path);
  assert.deepEqual(
    renamers.filter((path) => !['src/env/atomic-file.ts', 'src/env/node-env.ts', 'src/env/env.ts'].includes(path)),
    [],
  );
});

test('the engine prints nothing and never ends the process', () => {
  const noisy = sourcesUnder('src').filter((file) => /\bconsole\.\w+\(|\bprocess\.exit\(/.test(file.text)).map((file) => file.path);
  assert.deepEqual(noisy, []);
});

/** What the repository holds: not what a run leaves behind, such as the core of a process. All names where this is no repository. */
function topLevel(): string[] {
  const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('GIT_')));
  const { status, stdout } = spawnSync('git', ['ls-files', '-z'], { cwd: projectRoot, env, encoding: 'utf8' });
  const tracked = status === 0 ? stdout.split('\0').filter((path) => path !== '') : [];
  return tracked.length === 0 ? readdirSync(projectRoot) : [...new Set(tracked.map((path) => path.split('/')[0] as string))];
}

test('[5.7] the top level is what the card says', () => {
  const allowed = new Set(['package.json', 'package-lock.json', 'tsconfig.json', 'src', 'daemon', 'client', 'test', 'scripts', 'README.md', 'LICENSE']);
  const ignored = new Set(['node_modules', 'dist']);
  const extra = topLevel().filter((name) => !name.startsWith('.') && !allowed.has(name) && !ignored.has(name));
  assert.deepEqual(extra, []);
});

test('no source file outgrows its purpose: at most 600 lines', () => {
  const large = sourcesUnder('src', 'daemon', 'client').filter((file) => file.text.split('\n').length > 600).map((file) => file.path);
  assert.deepEqual(large, []);
});

test('no default exports, enums, namespaces or parameter properties', () => {
  const bad = sourcesUnder('src', 'daemon', 'client')
    .filter((file) => /^export default|^(export )?(const )?enum |^(export )?namespace /m.test(file.text))
    .map((file) => file.path);
  assert.deepEqual(bad, []);
});
