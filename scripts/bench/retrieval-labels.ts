/**
 * Labels of a retrieval benchmark folder and its measure, NDCG@10 over files. The folder is given by the user and is never part
 * of this repository: repos.json, splits.json, annotations/<name>.json, optionally gap-dev.json.
 */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

export interface Repo {
  readonly name: string;
  readonly language: string;
  /** Absolute folder to index. */
  readonly directory: string;
}

export interface Target {
  readonly path: string;
  readonly startLine: number | null;
  readonly endLine: number | null;
}

export interface Task {
  readonly repo: string;
  readonly query: string;
  readonly category: string;
  readonly targets: readonly Target[];
}

export interface Found {
  readonly file: string;
  readonly startLine: number;
  readonly endLine: number;
}

const readJson = (path: string): unknown => JSON.parse(readFileSync(path, 'utf8'));

/** The development repositories of `directory` whose work trees lie under `trees`. */
export function loadRepos(directory: string, trees: string): Repo[] {
  const rows = readJson(join(directory, 'repos.json')) as { name: string; language: string; benchmark_root: string | null }[];
  const splits = readJson(join(directory, 'splits.json')) as { dev: string[] };
  return rows
    .filter((row) => splits.dev.includes(row.name))
    .map((row) => ({ name: row.name, language: row.language, directory: join(trees, row.name, row.benchmark_root ?? '.') }))
    .filter((repo) => existsSync(repo.directory));
}

export function loadTasks(directory: string, repo: string): Task[] {
  const path = join(directory, 'annotations', `${repo}.json`);
  if (!existsSync(path)) return [];
  const rows = readJson(path) as { query: string; category: string; dropped?: boolean; unknown?: number; targets: { path: string; start_line?: number; end_line?: number }[] }[];
  return rows
    .filter((row) => row.dropped !== true && !row.unknown)
    .map((row) => ({
      repo, query: row.query, category: row.category,
      targets: row.targets.map((target) => ({ path: target.path, startLine: target.start_line ?? null, endLine: target.end_line ?? null })),
    }));
}

/** Queries that share no word with the path of their answer. */
export function loadGapTasks(directory: string, repo: string): Task[] {
  const path = join(directory, 'gap-dev.json');
  if (!existsSync(path)) return [];
  return (readJson(path) as { repo: string; query: string; target: string }[])
    .filter((row) => row.repo === repo)
    .map((row) => ({ repo, query: row.query, category: 'gap', targets: [{ path: row.target, startLine: null, endLine: null }] }));
}

/** NDCG@k with one gain per target: the best rank at which it is hit. */
export function ndcg(results: readonly Found[], targets: readonly Target[], k = 10): number {
  const gains = new Array<number>(k).fill(0);
  for (const target of targets) {
    const rank = results.slice(0, k).findIndex((result) => hits(result, target));
    if (rank >= 0) gains[rank] = 1;
  }
  const ideal = discounted(new Array<number>(Math.min(k, targets.length)).fill(1));
  return ideal > 0 ? discounted(gains) / ideal : 0;
}

function discounted(gains: readonly number[]): number {
  return gains.reduce((sum, gain, i) => sum + gain / Math.log2(i + 2), 0);
}

function hits(result: Found, target: Target): boolean {
  const isFile = result.file === target.path || result.file.endsWith(`/${target.path}`) || target.path.endsWith(`/${result.file}`);
  if (!isFile || target.startLine === null || target.endLine === null) return isFile;
  return result.endLine >= target.startLine && result.startLine <= target.endLine;
}
