/**
 * Retrieval quality: NDCG@10 (macro mean over repositories), overall and with each lane left out.
 *   node scripts/bench/retrieval.ts --labels DIR --trees DIR [--engine offline|daemon] [--repos a,b] [--no-ablation] [--cache DIR] [--misses] [--json]
 * DIR defaults to RETRIEVAL_DIR and RETRIEVAL_REPOS of the environment. Labels and repositories are the user's, never ours.
 */
import { parseArgs } from 'node:util';
import type { Lane } from '../../src/query/types.ts';
import { loadGapTasks, loadRepos, loadTasks, ndcg, type Found, type Repo, type Task } from './retrieval-labels.ts';

interface Engine {
  search(query: string, k: number, options?: { without?: readonly Lane[]; lexical?: boolean }): Found[] | Promise<Found[]>;
  readonly stats?: { readonly chunks: number };
  close?(): void | Promise<void>;
}

interface Row {
  readonly repo: string;
  readonly language: string;
  readonly category: string;
  readonly query: string;
  readonly variant: string;
  readonly ndcg: number;
}

const { values: args } = parseArgs({
  options: {
    labels: { type: 'string', default: process.env.RETRIEVAL_DIR ?? '' },
    trees: { type: 'string', default: process.env.RETRIEVAL_REPOS ?? '' },
    engine: { type: 'string', default: 'offline' },
    repos: { type: 'string' },
    cache: { type: 'string' },
    'no-ablation': { type: 'boolean', default: false },
    misses: { type: 'boolean', default: false },
    json: { type: 'boolean', default: false },
  },
});
if (args.labels === '' || args.trees === '') {
  console.error('Set RETRIEVAL_DIR and RETRIEVAL_REPOS, or give --labels and --trees.');
  process.exit(2);
}

const LANES: readonly Lane[] = ['lexical', 'semantic', 'symbol', 'path'];
type Variant = { readonly name: string; readonly options: { without?: readonly Lane[]; lexical?: boolean } };
const VARIANTS: readonly Variant[] = [
  { name: 'all lanes', options: {} },
  ...(args['no-ablation'] ? [] : LANES.map((lane): Variant => ({ name: `without ${lane}`, options: { without: [lane] } }))),
];

const engine = (await import(args.engine === 'daemon' ? './retrieval-engine.mjs' : './retrieval-offline.ts')) as { index(directory: string, options: object): Promise<Engine> };
const wanted = args.repos === undefined ? null : new Set(args.repos.split(','));
const rows: Row[] = [];
for (const repo of loadRepos(args.labels, args.trees)) {
  if (wanted === null || wanted.has(repo.name)) rows.push(...(await measure(repo)));
}
report();

async function measure(repo: Repo): Promise<Row[]> {
  const out: Row[] = [];
  const opened = await engine.index(repo.directory, { repo: repo.name, cache: args.cache });
  const tasks: Task[] = [...loadTasks(args.labels, repo.name), ...loadGapTasks(args.labels, repo.name)];
  for (const task of tasks) {
    for (const { name, options } of VARIANTS) {
      const found = await opened.search(task.query, 10, options);
      const score = ndcg(found, task.targets);
      out.push({ repo: repo.name, language: repo.language, category: task.category, query: task.query, variant: name, ndcg: score });
      if (args.misses && name === 'all lanes' && score < 0.99) {
        console.error(`${score.toFixed(3)} [${task.category}] ${repo.name} :: ${task.query}\n   want ${task.targets.map(({ path }) => path).join(', ')}\n   got  ${found.slice(0, 5).map(({ file, startLine }) => `${file}:${startLine}`).join(', ')}`);
      }
    }
  }
  const score = mean(out.filter((row) => row.variant === 'all lanes' && row.category !== 'gap').map((row) => row.ndcg));
  if (!args.json) console.error(`${repo.name.padEnd(20)} ${String(opened.stats?.chunks ?? '').padStart(6)} chunks  ${score.toFixed(3)}`);
  await opened.close?.();
  return out;
}

function mean(values: readonly number[]): number {
  return values.length === 0 ? Number.NaN : values.reduce((a, b) => a + b, 0) / values.length;
}

/** Mean over groups of the mean within each. */
function macro(selected: readonly Row[], by: (row: Row) => string): number {
  const groups = Map.groupBy(selected, by);
  return mean([...groups.values()].map((group) => mean(group.map((row) => row.ndcg))));
}

function table(selected: readonly Row[], by: (row: Row) => string): Record<string, number> {
  const groups = [...Map.groupBy(selected, by).entries()].sort(([a], [b]) => (a < b ? -1 : 1));
  return Object.fromEntries(groups.map(([name, group]) => [name, round(by === byLanguage ? macro(group, (row) => row.repo) : mean(group.map((row) => row.ndcg)))]));
}

function byLanguage(row: Row): string {
  return row.language;
}

function round(value: number): number {
  return Math.round(value * 10_000) / 10_000;
}

function report(): void {
  const labelled = rows.filter((row) => row.category !== 'gap');
  const gap = rows.filter((row) => row.category === 'gap');
  const variants = Object.fromEntries(VARIANTS.map(({ name }) => {
    const of = (list: readonly Row[]): Row[] => list.filter((row) => row.variant === name);
    return [name, { ndcg10: round(macro(of(labelled), (row) => row.repo)), gap: round(mean(of(gap).map((row) => row.ndcg))), byCategory: table(of(labelled), (row) => row.category), byLanguage: table(of(labelled), byLanguage) }];
  }));
  console.log(JSON.stringify({ engine: args.engine, queries: new Set(labelled.map((row) => `${row.repo}\n${row.query}`)).size, variants }, null, args.json ? 0 : 1));
}
