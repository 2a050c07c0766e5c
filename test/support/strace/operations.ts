/** What a workload did to the disk, in order: as the double recorded it, and as the kernel saw it (output of strace -f -y). */
import { basename } from 'node:path';
import { DIRECTORY, type Op } from '../memory-env.ts';

/** Paths are relative to the data directory. Writes to one file that follow each other are one. */
export type Operation =
  | { readonly kind: 'create' | 'mkdir' | 'sync' | 'sync-dir' | 'remove'; readonly path: string }
  | { readonly kind: 'write'; readonly path: string; readonly bytes: number }
  | { readonly kind: 'truncate'; readonly path: string; readonly bytes: number }
  | { readonly kind: 'rename' | 'link'; readonly path: string; readonly to: string };

export const describe = (op: Operation): string => `${op.kind} ${op.path}${'to' in op ? ` → ${op.to}` : ''}${'bytes' in op ? ` (${op.bytes})` : ''}`;

export function recordedOperations(ops: readonly Op[], root: string): Operation[] {
  /** The name each file goes by: the first one it got, of those it still has. */
  const names = new Map<number, string>();
  const links: { readonly ino: number; readonly path: string }[] = [];
  const found: Operation[] = [];
  const at = (path: string): string => relative(path, root);
  const named = (ino: number): string => names.get(ino) ?? `inode ${ino}`;
  for (const op of ops) {
    switch (op.kind) {
      case 'name': {
        const known = names.get(op.ino);
        if (op.ino === DIRECTORY) found.push({ kind: 'mkdir', path: at(op.path) });
        else if (known === undefined) found.push({ kind: 'create', path: at(op.path) });
        else {
          found.push({ kind: 'link', path: basename(known), to: at(op.path) });
          links.push({ ino: op.ino, path: at(op.path) });
        }
        if (op.ino !== DIRECTORY) names.set(op.ino, known ?? at(op.path));
        break;
      }
      case 'write': found.push({ kind: 'write', path: named(op.ino), bytes: op.data.length }); break;
      case 'truncate': found.push({ kind: 'truncate', path: named(op.ino), bytes: op.length }); break;
      case 'sync': found.push({ kind: 'sync', path: named(op.ino) }); break;
      case 'sync-dir': found.push({ kind: 'sync-dir', path: at(op.path) }); break;
      case 'unname':
        found.push({ kind: 'remove', path: at(op.path) });
        for (const { ino, path } of links) if (names.get(ino) === at(op.path)) names.set(ino, path);
        break;
      case 'rename':
        found.push({ kind: 'rename', path: at(op.from), to: at(op.to) });
        if (op.ino === DIRECTORY) for (const [ino, path] of names) if (path.startsWith(`${at(op.from)}/`)) names.set(ino, at(op.to) + path.slice(at(op.from).length));
        if (op.ino !== DIRECTORY) names.set(op.ino, at(op.to));
        break;
      default: throw new Error(`the workload has an operation '${op.kind}' that is not compared`);
    }
  }
  return merged(found);
}

const CALL = /^\d+\s+(?:\d+:\d+:\d+\.\d+ )?(\w+)\((.*)\)\s+= (-?\d+)/;
const PATHS = /"((?:[^"\\]|\\.)*)"/g;

export function tracedOperations(trace: string, root: string): Operation[] {
  const found: Operation[] = [];
  /** Descriptors that were opened with O_DSYNC: each write to one is a sync too. */
  const durable = new Set<string>();
  for (const line of wholeLines(trace)) {
    const match = CALL.exec(line);
    if (match === null) continue;
    const [, call = '', args = '', result = ''] = match;
    if (Number(result) < 0) continue;
    if (call === 'openat') durable[args.includes('O_DSYNC') ? 'add' : 'delete'](result);
    const op = operationOf(call, args, Number(result), root);
    if (op === null) continue;
    found.push(op);
    if (op.kind === 'write' && durable.has(args.slice(0, args.indexOf('<')))) found.push({ kind: 'sync', path: op.path });
  }
  return merged(found);
}

/** A call that another thread interrupted in the trace stands in two lines; it counts where it ends. */
function* wholeLines(trace: string): Iterable<string> {
  const begun = new Map<string, string>();
  for (const line of trace.split('\n')) {
    const pid = line.slice(0, line.indexOf(' '));
    if (line.endsWith('<unfinished ...>')) begun.set(pid, line.slice(0, -'<unfinished ...>'.length).trimEnd());
    else if (line.includes('resumed>')) yield (begun.get(pid) ?? '') + line.slice(line.indexOf('resumed>') + 'resumed>'.length);
    else yield line;
  }
}

function operationOf(call: string, args: string, result: number, root: string): Operation | null {
  const strings = [...args.matchAll(PATHS)].map(([, text]) => text as string);
  const isOurs = (path: string | undefined): path is string => path !== undefined && (path === root || path.startsWith(`${root}/`));
  const open = /^\d+<([^>]*)>/.exec(args)?.[1];
  const [first, second] = strings;
  switch (call) {
    case 'openat': return isOurs(first) && args.includes('O_CREAT') ? { kind: 'create', path: relative(first, root) } : null;
    case 'mkdir': case 'mkdirat': return isOurs(first) ? { kind: 'mkdir', path: relative(first, root) } : null;
    case 'rename': case 'renameat': case 'renameat2': return isOurs(first) ? { kind: 'rename', path: relative(first, root), to: relative(second as string, root) } : null;
    case 'link': case 'linkat': return isOurs(first) ? { kind: 'link', path: basename(first), to: relative(second as string, root) } : null;
    case 'unlink': case 'unlinkat': case 'rmdir': return isOurs(first) ? { kind: 'remove', path: relative(first, root) } : null;
    case 'write': case 'writev': case 'pwrite64': case 'pwritev': case 'pwritev2': return isOurs(open) ? { kind: 'write', path: relative(open, root), bytes: result } : null;
    case 'ftruncate': return isOurs(open) ? { kind: 'truncate', path: relative(open, root), bytes: Number(/, (\d+)$/.exec(args)?.[1]) } : null;
    case 'fsync': case 'fdatasync': return isOurs(open) ? { kind: 'sync', path: relative(open, root) } : null;
    default: throw new Error(`${call} is traced and not understood`);
  }
}

const relative = (path: string, root: string): string => (path === root ? '.' : path.startsWith(`${root}/`) ? path.slice(root.length + 1) : path);

/** Names that go one behind the other go in the order of a listing, which is each file system's own. */
function withSortedRemovals(ops: readonly Operation[]): Operation[] {
  const out: Operation[] = [];
  const run: Operation[] = [];
  const endRun = (): void => void out.push(...run.splice(0).sort((a, b) => (a.path < b.path ? -1 : 1)));
  for (const op of ops) {
    if (op.kind === 'remove') {
      run.push(op);
      continue;
    }
    endRun();
    out.push(op);
  }
  endRun();
  return out;
}

/** The sync of a directory and of a file look alike to the kernel. */
function merged(ops: readonly Operation[]): Operation[] {
  const directories = new Set(['.', ...ops.flatMap((op) => (op.kind === 'mkdir' ? [op.path] : []))]);
  const out: Operation[] = [];
  for (const op of ops) {
    const last = out.at(-1);
    if (op.kind === 'write' && last?.kind === 'write' && last.path === op.path) out[out.length - 1] = { ...last, bytes: last.bytes + op.bytes };
    else out.push(op.kind === 'sync' && directories.has(op.path) ? { kind: 'sync-dir', path: op.path } : op);
  }
  return withSortedRemovals(out);
}
