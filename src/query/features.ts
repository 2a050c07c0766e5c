/**
 * Feature values of the candidates. Score-like features are divided by their maximum over all candidates of the query (never
 * per part); the others are absolute.
 */
import type { Candidate, CandidateList } from './candidates.ts';
import { letterBit, type StemWords } from './part-columns.ts';
import type { QueryPlan } from './query-plan.ts';
import type { Scratch } from './scratch.ts';
import { vectorValues, type PreparedVectors } from './semantic.ts';
import { FEATURES, STEM_PREFIX, type Feature } from './weights.ts';

const AT = Object.fromEntries(FEATURES.map((name, i) => [name, i])) as Readonly<Record<Feature, number>>;
const NORMALIZED: readonly Feature[] = ['chunkMax', 'chunkTop3', 'commentText', 'definitionText', 'pathText', 'vectorMax', 'vectorCentroid', 'vectorPath'];

export interface FeatureContext {
  readonly plan: QueryPlan;
  /** `letterBit` of all terms: most files have no word in their name that begins like one of the query. */
  readonly letters: number;
  /** idf over files of each term, and their sum. */
  readonly masses: readonly number[];
  readonly totalMass: number;
  readonly scratch: Scratch;
  readonly vectors: PreparedVectors | null;
}

const NO_MATCH = { mass: 0, hits: 0 };

export function computeFeatures(list: CandidateList, query: Omit<FeatureContext, 'letters'>): void {
  const context = { ...query, letters: query.plan.terms.reduce((bits, term) => bits | letterBit(term), 0) };
  for (const candidate of list.items) {
    textFeatures(candidate, context);
    nameFeatures(candidate, context);
    stemFeatures(candidate, context);
    if (context.vectors !== null) vectorFeatures(candidate, context.scratch, context.vectors);
  }
  normalize(list.items);
  if (context.vectors !== null) gate(list.items);
}

function textFeatures(candidate: Candidate, context: FeatureContext): void {
  const { query, local, doc, features } = candidate;
  const { scratch } = context;
  const { chunkScores, chunkMasks, docTop } = scratch;
  const best = docTop[3 * doc] as number;
  if (best > 0) {
    let chunk = query.part.chunkStart(local);
    while (chunkScores[query.chunkBase + chunk] !== best) chunk++;
    candidate.bestText = chunk;
  }
  features[AT.chunkMax] = best;
  features[AT.chunkTop3] = ((docTop[3 * doc] as number) + (docTop[3 * doc + 1] as number) + (docTop[3 * doc + 2] as number)) / 3;
  features[AT.chunkCover] = candidate.bestText < 0 ? 0 : cover(chunkMasks[query.chunkBase + candidate.bestText] as number, context);
  features[AT.commentText] = scratch.commentScores[doc] as number;
}

function nameFeatures(candidate: Candidate, context: FeatureContext): void {
  const { doc, features } = candidate;
  const { scratch, plan, totalMass } = context;
  features[AT.symbolDefinition] = candidate.nameMatch;
  features[AT.definitionBest] = totalMass > 0 ? (scratch.definitionBest[doc] as number) / totalMass : 0;
  features[AT.definitionText] = scratch.definitionScores[doc] as number;
  features[AT.definitionPairs] = candidate.pairHits / Math.max(1, plan.pairs.length);
  features[AT.nameCover] = cover((scratch.pathMasks[doc] as number) | (scratch.definitionMasks[doc] as number), context);
}

function stemFeatures(candidate: Candidate, context: FeatureContext): void {
  const { doc, features } = candidate;
  const stem = candidate.query.columns.stemWords(candidate.local);
  const { mass, hits } = (stem.letters & context.letters) === 0 ? NO_MATCH : matchStem(stem, context);
  features[AT.stemMass] = context.totalMass > 0 ? mass / context.totalMass : 0;
  features[AT.stemCover] = Math.min(1, hits / Math.max(1, stem.simple));
  features[AT.stemExact] = candidate.fileMatch || (mass > 0 && hits >= stem.simple) ? 1 : 0;
  features[AT.symbolStem] = candidate.fileMatch ? 1 : candidate.stemMatch;
  features[AT.pathText] = context.scratch.pathScores[doc] as number;
  features[AT.depth] = 2 / (2 + stem.directories);
}

/** idf mass and number of the query words that are words of the stem, or share a long enough prefix with one. */
function matchStem({ terms, letters }: StemWords, { plan, masses }: FeatureContext): { mass: number; hits: number } {
  let mass = 0;
  let hits = 0;
  for (let i = 0; i < plan.terms.length; i++) {
    const term = plan.terms[i] as string;
    if ((letterBit(term) & letters) === 0) continue;
    const worth = stemWorth(term, terms);
    mass += worth * (masses[i] as number);
    if (plan.isProject[i] !== true) hits += worth;
  }
  return { mass, hits };
}

function stemWorth(term: string, stemTerms: readonly string[]): number {
  if (stemTerms.includes(term)) return 1;
  return stemTerms.some((other) => sharePrefix(term, other)) ? STEM_PREFIX.worth : 0;
}

function sharePrefix(a: string, b: string): boolean {
  return a.length <= b.length ? isPrefix(a, b) : isPrefix(b, a);
}

function isPrefix(short: string, long: string): boolean {
  return short.length >= STEM_PREFIX.shared && long.length - short.length <= STEM_PREFIX.rest && long.startsWith(short);
}

/** Share of the query's idf mass that a mask of its words holds. */
function cover(mask: number, { masses, totalMass }: FeatureContext): number {
  if (mask === 0 || totalMass === 0) return 0;
  let sum = 0;
  for (let i = 0; i < masses.length; i++) if ((mask & (1 << i)) !== 0) sum += masses[i] as number;
  return sum / totalMass;
}

function vectorFeatures(candidate: Candidate, scratch: Scratch, vectors: PreparedVectors): void {
  const values = vectorValues(candidate, scratch, vectors);
  candidate.features[AT.vectorMax] = values.max;
  candidate.features[AT.vectorCentroid] = values.centroid;
  candidate.features[AT.vectorPath] = values.path;
}

function normalize(items: readonly Candidate[]): void {
  for (const name of NORMALIZED) {
    const at = AT[name];
    let max = 0;
    for (const { features } of items) max = Math.max(max, features[at] as number);
    if (max > 0) for (const { features } of items) features[at] = (features[at] as number) / max;
  }
}

/** The embedding counts more the less of the query any single chunk holds in words. */
function gate(items: readonly Candidate[]): void {
  let covered = 0;
  let top3 = 0;
  for (const candidate of items) {
    covered = Math.max(covered, candidate.features[AT.chunkCover] as number);
    top3 = Math.max(top3, candidate.vectorTop3);
  }
  const open = 1 - Math.min(1, covered);
  for (const { features, vectorTop3 } of items) {
    features[AT.vectorGated] = ((top3 > 0 ? vectorTop3 / top3 : 0) + (features[AT.vectorCentroid] as number)) * open;
  }
}
