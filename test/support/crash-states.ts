/**
 * Every state that a power cut can leave, given the operations up to it (RELIABILITY: post-crash generator):
 *   data of a file is safe after a sync of that file, a name after a sync of its directory;
 *   of an unsynced write each sector is new, old, zero or garbage, and the new size can be there without the data;
 *   unsynced names: any prefix per directory (`ordered`), or any subset where a rename may leave both names or only the old
 *   target (`weak`).
 */
import { dirname } from 'node:path';
import { DIRECTORY, EMPTY_DISK, type Disk, type Op } from './memory-env.ts';

export interface CrashModel {
  readonly sector: 512 | 4096;
  readonly names: 'ordered' | 'weak';
}

export const MODELS: readonly CrashModel[] = [
  { sector: 512, names: 'ordered' },
  { sector: 4096, names: 'ordered' },
  { sector: 512, names: 'weak' },
  { sector: 4096, names: 'weak' },
];

/** One thing that can independently be on the disk or not. */
type Unit =
  | { readonly kind: 'size'; readonly ino: number; readonly length: number }
  | { readonly kind: 'sector'; readonly ino: number; readonly at: number; readonly data: Buffer }
  | { readonly kind: 'truncate'; readonly ino: number; readonly length: number }
  | { readonly kind: 'name'; readonly dir: string; readonly set: readonly (readonly [string, number])[]; readonly remove: readonly string[] };

/** 0 = not there, 1 = there; for a sector also 2 = zeros, 3 = garbage. */
type Choice = Uint8Array;

/** Walks the operation log and knows at each point what is safe and what is pending. */
export class CrashPoint {
  readonly #model: CrashModel;
  readonly #names: Map<string, number>;
  readonly #inodes: Map<number, Buffer>;
  #pending: Op[] = [];
  readonly #marks: unknown[] = [];

  constructor(model: CrashModel, start: Disk = EMPTY_DISK) {
    this.#model = model;
    this.#names = new Map(start.names);
    this.#inodes = new Map(start.inodes);
  }

  get marks(): readonly unknown[] {
    return this.#marks;
  }

  advance(op: Op): void {
    if (op.kind === 'mark') this.#marks.push(op.value);
    else if (op.kind === 'sync') this.#settle((p) => isDataOf(p, op.ino));
    else if (op.kind === 'sync-dir') this.#settleDirectory(op.path);
    else if (op.kind !== 'sync-failed') this.#add(op);
    // After a failed sync the pages are clean: what is pending stays pending for ever, because nothing writes to the file again.
  }

  /** What is pending below a directory that moves goes with it: with the move it may still be missing, without the move it is. */
  #add(op: Op): void {
    const isMove = op.kind === 'rename' && op.ino === DIRECTORY;
    const below = isMove ? this.#pending.filter((p) => isBelow(p, op.from)) : [];
    if (below.length > 0) this.#pending = this.#pending.filter((p) => !below.includes(p));
    this.#pending.push(op);
    if (isMove) this.#pending.push(...below.map((p) => moved(p, op.from, op.to)));
  }

  #settle(isSafe: (op: Op) => boolean): void {
    const rest: Op[] = [];
    for (const op of this.#pending) {
      if (isSafe(op)) this.#apply(op);
      else rest.push(op);
    }
    this.#pending = rest;
  }

  /** A rename between two directories becomes safe by halves; that of a directory as a whole, with a sync of either. */
  #settleDirectory(dir: string): void {
    const rest: Op[] = [];
    for (const op of this.#pending) {
      const half = op.kind === 'rename' && op.ino !== DIRECTORY && dirname(op.from) !== dirname(op.to);
      if (half && dirname(op.to) === dir) {
        this.#names.set(op.to, op.ino);
        rest.push({ kind: 'unname', path: op.from });
      } else if (half && dirname(op.from) === dir) {
        this.#names.delete(op.from);
        rest.push({ kind: 'name', path: op.to, ino: op.ino });
      } else if (directoryOf(op) === dir || (op.kind === 'rename' && op.ino === DIRECTORY && dirname(op.from) === dir)) this.#apply(op);
      else rest.push(op);
    }
    this.#pending = rest;
  }

  #apply(op: Op): void {
    if (op.kind === 'write') this.#inodes.set(op.ino, patched(this.#inodes.get(op.ino), op.at, op.data));
    else if (op.kind === 'truncate') this.#inodes.set(op.ino, resized(this.#inodes.get(op.ino), op.length));
    else if (op.kind === 'name') this.#names.set(op.path, op.ino);
    else if (op.kind === 'unname') this.#names.delete(op.path);
    else if (op.kind === 'rename') {
      if (op.ino === DIRECTORY) moveBelow(this.#names, op.from, op.to);
      this.#names.delete(op.from);
      this.#names.set(op.to, op.ino);
    }
  }

  /** The disks that a crash at this point can leave; all of them while there are at most `2^exhaustive`, else a sample. */
  *disks(exhaustive: number, samples: number, random: () => number): Iterable<Disk> {
    const units = this.#pending.flatMap((op) => this.#units(op));
    for (const choice of choices(units, exhaustive, samples, random)) {
      if (this.#model.names === 'ordered') keepPrefixes(units, choice);
      yield this.#build(units, choice, random);
    }
  }

  #units(op: Op): Unit[] {
    switch (op.kind) {
      case 'write':
        return [{ kind: 'size', ino: op.ino, length: op.at + op.data.length }, ...sectors(op.ino, op.at, op.data, this.#model.sector)];
      case 'truncate':
        return [op];
      case 'name':
        return [{ kind: 'name', dir: dirname(op.path), set: [[op.path, op.ino]], remove: [] }];
      case 'unname':
        return [{ kind: 'name', dir: dirname(op.path), set: [], remove: [op.path] }];
      case 'rename':
        return this.#renameUnits(op);
      default:
        return [];
    }
  }

  #renameUnits(op: Op & { readonly kind: 'rename' }): Unit[] {
    const [from, to] = [dirname(op.from), dirname(op.to)];
    if (op.ino === DIRECTORY || (this.#model.names === 'ordered' && from === to)) return [{ kind: 'name', dir: to, set: [[op.to, op.ino]], remove: [op.from] }];
    return [
      { kind: 'name', dir: to, set: [[op.to, op.ino]], remove: [] },
      { kind: 'name', dir: from, set: [], remove: [op.from] },
    ];
  }

  #build(units: readonly Unit[], choice: Choice, random: () => number): Disk {
    const names = new Map(this.#names);
    const inodes = new Map(this.#inodes);
    for (const [i, unit] of units.entries()) {
      const chosen = choice[i] ?? 0;
      if (chosen === 0) continue;
      if (unit.kind === 'size') inodes.set(unit.ino, grown(inodes.get(unit.ino), unit.length));
      else if (unit.kind === 'sector') inodes.set(unit.ino, patched(inodes.get(unit.ino), unit.at, sectorContent(unit.data, chosen, random)));
      else if (unit.kind === 'truncate') inodes.set(unit.ino, resized(inodes.get(unit.ino), unit.length));
      else applyNames(names, unit);
    }
    return reachable(names, inodes);
  }
}

function isDataOf(op: Op, ino: number): boolean {
  return (op.kind === 'write' || op.kind === 'truncate') && op.ino === ino;
}

function isBelow(op: Op, dir: string): boolean {
  return ('path' in op && op.path.startsWith(`${dir}/`)) || (op.kind === 'rename' && op.to.startsWith(`${dir}/`));
}

function moved(op: Op, from: string, to: string): Op {
  const there = (path: string): string => (path.startsWith(`${from}/`) ? to + path.slice(from.length) : path);
  if (op.kind === 'rename') return { ...op, from: there(op.from), to: there(op.to) };
  return op.kind === 'name' || op.kind === 'unname' ? { ...op, path: there(op.path) } : op;
}

function directoryOf(op: Op): string | null {
  if (op.kind === 'name' || op.kind === 'unname') return dirname(op.path);
  return op.kind === 'rename' ? dirname(op.to) : null;
}

function sectors(ino: number, at: number, data: Buffer, size: number): Unit[] {
  const units: Unit[] = [];
  for (let from = 0; from < data.length; ) {
    const to = Math.min(data.length, (Math.floor((at + from) / size) + 1) * size - at);
    units.push({ kind: 'sector', ino, at: at + from, data: data.subarray(from, to) });
    from = to;
  }
  return units;
}

function* choices(units: readonly Unit[], exhaustive: number, samples: number, random: () => number): Iterable<Choice> {
  const n = units.length;
  if (n <= exhaustive) {
    for (let bits = 0; bits < 2 ** n; bits++) yield Uint8Array.from({ length: n }, (_, i) => (bits >>> i) & 1);
    // Zeros and garbage instead of new sectors.
    if (units.some((unit) => unit.kind === 'sector')) for (let i = 0; i < Math.min(samples, 4 * 2 ** n); i++) yield randomChoice(units, random);
    return;
  }
  yield new Uint8Array(n);
  yield new Uint8Array(n).fill(1);
  for (let i = 0; i < n; i++) {
    yield Uint8Array.from({ length: n }, (_, j) => (j === i ? 0 : 1));
    yield Uint8Array.from({ length: n }, (_, j) => (j === i ? 1 : 0));
    yield Uint8Array.from({ length: n }, (_, j) => (j <= i ? 1 : 0));
  }
  yield Uint8Array.from(units, (unit) => (unit.kind === 'name' ? 1 : 0));
  yield Uint8Array.from(units, (unit) => (unit.kind === 'sector' ? 0 : 1));
  for (let i = 0; i < samples; i++) yield randomChoice(units, random);
}

function randomChoice(units: readonly Unit[], random: () => number): Choice {
  return Uint8Array.from(units, (unit) => Math.floor(random() * (unit.kind === 'sector' ? 4 : 2)));
}

/** Within one directory a name is there only if all before it are. */
function keepPrefixes(units: readonly Unit[], choice: Choice): void {
  const stopped = new Set<string>();
  for (const [i, unit] of units.entries()) {
    if (unit.kind !== 'name') continue;
    if (stopped.has(unit.dir)) choice[i] = 0;
    else if (choice[i] === 0) stopped.add(unit.dir);
  }
}

function sectorContent(data: Buffer, chosen: number, random: () => number): Buffer {
  if (chosen === 1) return data;
  return chosen === 2 ? Buffer.alloc(data.length) : Buffer.from(data.map(() => Math.floor(random() * 256)));
}

function applyNames(names: Map<string, number>, unit: Unit & { readonly kind: 'name' }): void {
  for (const path of unit.remove) {
    const [target] = unit.set;
    if (target?.[1] === DIRECTORY) moveBelow(names, path, target[0]);
    names.delete(path);
  }
  for (const [path, ino] of unit.set) names.set(path, ino);
}

function moveBelow(names: Map<string, number>, from: string, to: string): void {
  for (const [path, ino] of Array.from(names)) {
    if (!path.startsWith(`${from}/`)) continue;
    names.delete(path);
    names.set(to + path.slice(from.length), ino);
  }
}

/** Names whose directory is not there are gone with it; a named file that never got data is empty. */
function reachable(names: Map<string, number>, inodes: Map<number, Buffer>): Disk {
  const live = new Map<string, number>();
  const isThere = (path: string): boolean => names.get(path) === DIRECTORY && (dirname(path) === '/' || isThere(dirname(path)));
  const contents = new Map<number, Buffer>();
  for (const [path, ino] of names) {
    if (dirname(path) !== '/' && !isThere(dirname(path))) continue;
    live.set(path, ino);
    if (ino !== DIRECTORY) contents.set(ino, inodes.get(ino) ?? Buffer.alloc(0));
  }
  return { names: live, inodes: contents };
}

function grown(data: Buffer | undefined, length: number): Buffer {
  return data !== undefined && data.length >= length ? data : resized(data, length);
}

function resized(data: Buffer | undefined, length: number): Buffer {
  const next = Buffer.alloc(length);
  data?.copy(next, 0, 0, length);
  return next;
}

function patched(data: Buffer | undefined, at: number, piece: Buffer): Buffer {
  const next = Buffer.alloc(Math.max(data?.length ?? 0, at + piece.length));
  data?.copy(next);
  piece.copy(next, at);
  return next;
}
