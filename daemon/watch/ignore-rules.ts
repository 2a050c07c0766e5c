/** The watcher's predicate: the same rules that crawl and reconcile use, read in the watch worker. */
import { SourceTree } from './source-rules.ts';
import type { IgnorePredicate } from './tree-watch.ts';

/** `excluded` are absolute paths that are never watched (our own data directory inside a source root). */
export async function loadIgnore(root: string, excluded: readonly string[]): Promise<IgnorePredicate> {
  const tree = await SourceTree.open(root);
  const own = ownPaths(root, excluded);
  return (path, isDirectory) => isOwn(path, own) || !tree.accepts(path, isDirectory ? 'directory' : 'file');
}

/** Those of `excluded` that lie inside the root, relative to it with '/' separators. */
export function ownPaths(root: string, excluded: readonly string[]): readonly string[] {
  return excluded.filter((path) => path.startsWith(`${root}/`)).map((path) => path.slice(root.length + 1));
}

export function isOwn(path: string, own: readonly string[]): boolean {
  return own.some((prefix) => path === prefix || path.startsWith(`${prefix}/`));
}
