/** Every way in which a file of the specimen is damaged, as data, and its application to a disk. */
import { basename } from 'node:path';
import { DIRECTORY, type Disk } from '../memory-env.ts';
import type { Specimen } from './specimen.ts';

export type DamageKind = 'flip' | 'zero' | 'garbage' | 'truncate' | 'extend' | 'older' | 'other' | 'empty' | 'missing' | 'directory';

export interface FileDamage {
  readonly kind: DamageKind;
  readonly path: string;
  readonly at: number;
  readonly length: number;
  /** For 'older' and 'other'. */
  readonly bytes?: Buffer;
}

const SECTOR = 512;

/** Structural damages of each file, then every byte: the caller takes as many as it wants. */
export function structuralDamages(specimen: Specimen): FileDamage[] {
  return specimen.files.flatMap((path) => {
    const whole = contentOf(specimen.disk, path);
    const damage = (kind: DamageKind, at = 0, length = 0, bytes?: Buffer): FileDamage => ({ kind, path, at, length, ...(bytes === undefined ? {} : { bytes }) });
    const others = specimen.files.filter((other) => other !== path && kindOf(other) === kindOf(path)).map((other) => contentOf(specimen.disk, other));
    return [
      damage('missing'), damage('directory'), damage('empty'),
      damage('extend', whole.length, 1), damage('extend', whole.length, SECTOR), damage('extend', whole.length, 70_000),
      ...(specimen.older.get(path) ?? []).map((bytes) => damage('older', 0, bytes.length, bytes)),
      ...others.map((bytes) => damage('other', 0, bytes.length, bytes)),
      ...sectors(whole.length).flatMap((at) => [damage('zero', at, SECTOR), damage('garbage', at, SECTOR), damage('truncate', at)]),
    ];
  });
}

export function byteDamages(specimen: Specimen): FileDamage[] {
  return specimen.files.flatMap((path) => {
    const { length } = contentOf(specimen.disk, path);
    return Array.from({ length }, (_, at) => [
      { kind: 'flip', path, at, length: 1 }, { kind: 'zero', path, at, length: 8 }, { kind: 'garbage', path, at, length: 3 }, { kind: 'truncate', path, at, length: 0 },
    ] satisfies FileDamage[]).flat();
  });
}

const sectors = (length: number): number[] => Array.from({ length: Math.ceil(length / SECTOR) }, (_, i) => i * SECTOR);

export function contentOf(disk: Disk, path: string): Buffer {
  return disk.inodes.get(disk.names.get(path) ?? -1) ?? Buffer.alloc(0);
}

/** Files of one kind can be mistaken for each other. */
export function kindOf(path: string): string {
  const name = basename(path);
  if (path.includes('/quarantine/')) return 'quarantine';
  if (path.includes('/embeddings/')) return `cache${name.slice(name.lastIndexOf('.'))}`;
  return name.endsWith('.wal') ? 'wal' : name.endsWith('.cairn') ? 'segment' : name.endsWith('.tomb') ? 'tombstones' : name.startsWith('manifest-') ? 'manifest' : name;
}

export function describeDamage({ kind, path, at, length }: FileDamage): string {
  return `${kind} ${path} at ${at}${length > 1 ? ` (${length} bytes)` : ''}`;
}

/** null when it changes nothing. */
export function applyDamage(disk: Disk, damage: FileDamage, random: () => number): Disk | null {
  const names = new Map(disk.names);
  const inodes = new Map(disk.inodes);
  const ino = names.get(damage.path) as number;
  if (damage.kind === 'missing') names.delete(damage.path);
  else if (damage.kind === 'directory') names.set(damage.path, DIRECTORY);
  else {
    const whole = inodes.get(ino) as Buffer;
    const damaged = damagedBytes(whole, damage, random);
    if (damaged.equals(whole)) return null;
    inodes.set(ino, damaged);
  }
  return { names, inodes };
}

function damagedBytes(whole: Buffer, { kind, at, length, bytes }: FileDamage, random: () => number): Buffer {
  const copy = Buffer.from(whole);
  const end = Math.min(whole.length, at + length);
  const noise = (n: number): Buffer => Buffer.from(Array.from({ length: n }, () => Math.floor(random() * 256)));
  switch (kind) {
    case 'flip':
      copy[at] = (copy[at] as number) ^ (1 << Math.floor(random() * 8));
      return copy;
    case 'zero':
      return copy.fill(0, at, end);
    case 'garbage':
      noise(end - at).copy(copy, at);
      return copy;
    case 'truncate':
      return copy.subarray(0, at);
    case 'extend':
      return Buffer.concat([copy, random() < 0.5 ? Buffer.alloc(length) : noise(length)]);
    case 'older':
    case 'other':
      return Buffer.from(bytes as Buffer);
    default:
      return Buffer.alloc(0);
  }
}
