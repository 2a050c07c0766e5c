// Puts what the daemon loads at its start into one file (and one more for what it loads behind the lock): finding and linking
// some three hundred modules one by one takes longer than opening an index. Workers and assets are used where they are, so
// every module keeps its own idea of where it lies. Usage: node scripts/bundle-daemon.mjs   (after tsc; build.mjs runs it)
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { rolldown } from 'rolldown';

const dist = join(dirname(dirname(fileURLToPath(import.meta.url))), 'dist');
const output = join(dist, 'daemon');

/** `import.meta.url` of a module of ours becomes the address of its own file, seen from the bundle. */
const keepAddresses = {
  name: 'keep-addresses',
  transform(code, id) {
    if (!id.startsWith(dist) || !code.includes('import.meta.url')) return null;
    const path = relative(output, id).replaceAll('\\', '/');
    return { code: code.replace(/\bimport\.meta\.url\b/g, `new URL(${JSON.stringify(path)}, import.meta.url).href`) };
  },
};

const bundle = await rolldown({ input: join(output, 'lifecycle', 'command-line.js'), platform: 'node', plugins: [keepAddresses], logLevel: 'warn' });
await bundle.write({ dir: output, format: 'esm', entryFileNames: 'bundle.js', chunkFileNames: 'bundle-[name].js' });
await bundle.close();
