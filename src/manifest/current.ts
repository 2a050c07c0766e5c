/** The file CURRENT: which manifest is the state of the index. Replaced atomically; the replacement is the commit point. */
import { CURRENT_WORD } from '../format/constants.ts';
import { manifestFile } from '../format/file-names.ts';
import { JsonFields } from '../format/json-fields.ts';
import { decodeTextFile, encodeTextFile } from '../format/text-file.ts';
import { checksumHex, crc32 } from '../util/crc32.ts';
import { CairnError } from '../util/errors.ts';
import { asEpoch, asGeneration, type Epoch, type Generation } from '../util/ids.ts';

export interface Current {
  readonly generation: Generation;
  /** Writer that published it; a publish under a smaller one is refused. */
  readonly epoch: Epoch;
  readonly manifest: string;
  readonly bytes: number;
  readonly checksum: string;
}

export function currentFor(generation: Generation, epoch: Epoch, manifestBytes: Uint8Array): Current {
  return { generation, epoch, manifest: manifestFile(generation), bytes: manifestBytes.length, checksum: checksumHex(crc32(manifestBytes)) };
}

export function encodeCurrent(current: Current): Buffer {
  return encodeTextFile(CURRENT_WORD, current);
}

export function decodeCurrent(bytes: Uint8Array, path: string): Current {
  const fields = new JsonFields(decodeTextFile(CURRENT_WORD, bytes, path), path);
  const current: Current = {
    generation: asGeneration(fields.count('generation')),
    epoch: asEpoch(fields.count('epoch')),
    manifest: fields.string('manifest'),
    bytes: fields.count('bytes'),
    checksum: fields.string('checksum', /^[0-9a-f]{8}$/),
  };
  if (current.manifest !== manifestFile(current.generation)) throw new CairnError('CORRUPT', `${path}: ${current.manifest} is not the manifest of generation ${current.generation}`, { path, offset: 0 });
  return current;
}

/** CORRUPT unless `bytes` is the manifest that `current` was written for. */
export function requireManifestOf(current: Current, bytes: Uint8Array, path: string): void {
  if (bytes.length !== current.bytes || checksumHex(crc32(bytes)) !== current.checksum) {
    throw new CairnError('CORRUPT', `${path}: not the manifest that CURRENT names (${current.bytes} bytes, checksum ${current.checksum})`, { path, offset: 0 });
  }
}
