/** From scored candidates to hits: order of files, the best chunk of each (passages.ts), further chunks at a fraction of the score. */
import { sidePenalty } from '../text/index.ts';
import { lanesOf, type Candidate, type CandidateList } from './candidates.ts';
import { rankPassages, type PassageContext } from './passages.ts';
import type { QueryPlan } from './query-plan.ts';
import type { Scratch } from './scratch.ts';
import type { PartQuery } from './statistics.ts';
import type { SearchHit } from './types.ts';
import { FEATURES, FURTHER_CHUNK, RARE_WORD, STEM_SHARE, type WeightSet } from './weights.ts';

export interface RankContext extends PassageContext {
  readonly weights: WeightSet;
  /** The query is one word that few files hold (weights.ts, RARE_WORD). */
  readonly isRareWord: boolean;
  readonly limit: number;
  readonly explain: boolean;
}

interface RankedFile {
  readonly candidate: Candidate;
  readonly score: number;
  /** The score without the bonus for exactness, which belongs to one chunk of the file only. */
  readonly plainScore: number;
  readonly penalty: number;
}

interface RankedChunk {
  readonly file: RankedFile;
  readonly chunk: number;
  readonly startLine: number;
  readonly score: number;
}

export function rankHits(list: CandidateList, context: RankContext): SearchHit[] {
  const weights = Float64Array.from(FEATURES, (name) => context.weights[name] ?? 0);
  const total = Object.values(context.weights).reduce((a, b) => a + b, 0);
  const files = list.items.map((candidate) => scoreFile(candidate, context, weights, total));
  files.sort((a, b) => b.score - a.score || compareKeys(keyOf(a), keyOf(b)));
  const chunks = files.slice(0, context.limit).flatMap((file) => chunksOf(file, context));
  chunks.sort((a, b) => b.score - a.score || compareKeys(keyOf(a.file), keyOf(b.file)) || a.startLine - b.startLine);
  return chunks.slice(0, context.limit).map((entry) => toHit(entry, context));
}

/** Made when it is asked for: few of the files have the same score as another one, or are returned. */
const keyOf = ({ candidate }: RankedFile): string => candidate.query.part.docKey(candidate.local);

const compareKeys = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);

/** `weights` in the order of FEATURES, `total` their sum. */
function scoreFile(candidate: Candidate, { plan, scratch, isRareWord }: RankContext, weights: Float64Array, total: number): RankedFile {
  const { query, local, features } = candidate;
  let sum = 0;
  for (let i = 0; i < weights.length; i++) sum += (weights[i] as number) * (features[i] as number);
  const holdsRareWord = isRareWord && holdsFirstWord(candidate, scratch);
  const penalty = candidate.fileMatch || holdsRareWord ? 1 : sidePenalty(query.columns.sideFiles(local), plan.lifted);
  const bonus = (isExact(candidate, plan) ? exactShare(candidate) : holdsRareWord ? RARE_WORD.share : 0) * total;
  return { candidate, score: (sum + bonus) * penalty, plainScore: sum * penalty, penalty };
}

/** One word that is exactly a file's name, or exactly a definition in it, stands above whatever else the features say [6.7]. */
function isExact(candidate: Candidate, plan: QueryPlan): boolean {
  return candidate.fileMatch || (plan.isSingleWord && plan.isSymbol && (candidate.nameMatch > 0 || candidate.stemMatch > 0));
}

/** A file that only bears the name comes after those that define it. */
function exactShare({ fileMatch, nameMatch }: Candidate): number {
  return fileMatch || nameMatch > 0 ? 1 : STEM_SHARE;
}

/** The first term of a word is the whole word. */
function holdsFirstWord({ query, local }: Candidate, { chunkMasks }: Scratch): boolean {
  for (let chunk = query.part.chunkStart(local); chunk < query.part.chunkStart(local + 1); chunk++) {
    if (((chunkMasks[query.chunkBase + chunk] as number) & 1) !== 0) return true;
  }
  return false;
}

/** The best chunk has the file's score; others a fraction of it. */
function chunksOf(file: RankedFile, context: RankContext): RankedChunk[] {
  const { candidate, score, plainScore } = file;
  const { part } = candidate.query;
  const { first, others, value } = rankPassages(candidate, context);
  const top = Math.max(value(first), others.length > 0 ? value(others[0] as number) : 0) || 1;
  const entry = (chunk: number, s: number): RankedChunk => ({ file, chunk, startLine: part.chunk(chunk).startLine, score: s });
  let factor = 1;
  const further = others.slice(0, FURTHER_CHUNK.count).map((chunk) => {
    factor *= FURTHER_CHUNK.factor;
    return entry(chunk, plainScore * factor * Math.min(1, value(chunk) / top));
  });
  return [entry(first, score), ...further];
}

function toHit({ file, chunk, score }: RankedChunk, { weights, explain }: RankContext): SearchHit {
  const { candidate, penalty } = file;
  const { part } = candidate.query;
  const row = part.chunk(chunk);
  const symbol = symbolOf(candidate, row);
  return {
    key: keyOf(file),
    language: part.docLanguage(candidate.local),
    startLine: row.startLine,
    endLine: row.endLine,
    score,
    symbol,
    text: part.chunkText(chunk),
    ...(explain ? { explain: explanation(candidate, weights, penalty) } : {}),
  };
}

function symbolOf({ query, local, nameSymbol }: Candidate, row: { startLine: number; endLine: number; symbol: number }): SearchHit['symbol'] {
  const named = nameSymbol >= 0 ? query.part.symbol(nameSymbol) : null;
  const isHere = named !== null && row.startLine <= named.startLine && named.startLine <= row.endLine;
  const own = row.symbol >= 0 ? query.part.symbol(row.symbol) : null;
  const { kinds } = query.scope;
  const symbol = isHere ? named : own !== null && kinds?.has(own.kind) !== false ? own : kinds === null ? null : firstOfKind(query, local, row, kinds);
  return symbol === null ? null : { name: symbol.name, qualified: symbol.qualified, kind: symbol.kind, line: symbol.startLine };
}

/** Of the symbols that begin in the chunk; a chunk in scope has one. */
function firstOfKind({ part }: PartQuery, local: number, row: { startLine: number; endLine: number }, kinds: ReadonlySet<string>): ReturnType<PartQuery['part']['symbol']> | null {
  for (let id = part.symbolStart(local); id < part.symbolStart(local + 1); id++) {
    const symbol = part.symbol(id);
    if (kinds.has(symbol.kind) && row.startLine <= symbol.startLine && symbol.startLine <= row.endLine) return symbol;
  }
  return null;
}

function explanation(candidate: Candidate, weights: WeightSet, penalty: number): NonNullable<SearchHit['explain']> {
  const features: Record<string, { value: number; weight: number }> = {};
  FEATURES.forEach((name, i) => {
    const weight = weights[name] ?? 0;
    const value = candidate.features[i] as number;
    if (weight > 0 || value !== 0) features[name] = { value, weight };
  });
  return { lanes: lanesOf(candidate.lanes), features, penalty };
}
