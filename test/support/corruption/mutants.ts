/** Checks of contents, taken out one at a time: the corruption sweep must notice each. */
import type { Mutant } from '../mutants.ts';

/** `kind`: of the files whose damage shows it. Tombstones are not here: their own checksum and the manifest's catch the same. */
const mutant = (kind: string, name: string, file: string, from: string, to = ''): Mutant => ({ name, file, from, to, scenario: `corruption of ${kind}` });

export const corruptionMutants: readonly Mutant[] = [
  mutant('segment', 'text blocks are not checked', 'src/segment/text-blocks.ts', "    if (crc32(stored) !== this.#checksums[block]) throw this.#corrupt(offset, 'a text block fails its checksum');\n"),
  mutant('segment', 'vectors are not checked', 'src/segment/vector-files.ts', 'if (crc32(bytes.subarray(at, at + rowBytes)) !== this.#checksums[row])', 'if (at < 0)'),
  mutant('segment', 'sections are not checked', 'src/format/container-reader.ts', 'if (crc !== section.crc)', 'if (crc < 0)'),
  mutant('cache.dat', 'records of the embedding cache are not checked', 'src/embed/cache-format.ts', '  return crc32(record.subarray(0, end)) === record.readUInt32LE(end);\n', '  return end > 0;\n'),
  mutant('wal', 'log records are not checked', 'src/wal/record.ts', '  return record.readUInt32LE(4) === recordChecksum(record, salt);\n', '  return salt !== undefined;\n'),
  mutant('metadata.json', 'values of metadata.json are not checked', 'src/index/metadata.ts', '  if (checksum !== undefined && checksum !== checksumOf(metadata)) {\n', '  if (checksum === metadata) {\n'),
  mutant('metadata.json', "another index's metadata.json is taken", 'src/index/metadata.ts', '    if (mirror[field] === metadata[field]) continue;\n', '    if (mirror !== null) continue;\n'),
  mutant('segment', 'losses are not noted', 'src/index/open-index.ts', '    const losses = withLosses(store.current.losses, this.#losses);\n', '    const losses = store.current.losses;\n'),
  mutant('segment', 'damaged files are left to garbage collection', 'src/index/damage.ts', '  for (const name of new Set(names)) if ((await env.stat(join(dir, name))) !== null) await quarantine(env, dir, name);\n'),
  mutant('CURRENT', 'an old copy of CURRENT is believed', 'src/manifest/load.ts', '    requireNotStale(current, generations, path);\n'),
  mutant('manifest', 'a damaged fallback is not told', 'src/index/load-state.ts', '    const lostFallback = await noteLostFallbacks(env, dir, strict.report, notes);\n', '    const lostFallback = false;\n'),
];
