/**
 * Hybrid search over a snapshot: files are ranked first, then the best chunk of each file is returned (and further chunks of it
 * at a fraction of the score). Read-only and synchronous; the recipe's numbers are in weights.ts.
 */
import type { Snapshot } from '../index/snapshot.ts';
import { requireNotCancelled } from '../util/cancel.ts';
import { addDefinitions, addFileNames, addLexical, addNames, addPaths, addScope, CandidateList, countPairs } from './candidates.ts';
import { computeFeatures } from './features.ts';
import { compileFilter } from './filters.ts';
import { collectDefinitions, collectTops, scoreDefinitions, scoreDocTexts, scorePaths, scoreText } from './lexical.ts';
import { requirePhrases } from './phrases.ts';
import { MAX_TERMS, planQuery, withTerms, type QueryPlan } from './query-plan.ts';
import { rankHits } from './hits.ts';
import { withScratch, type Scratch } from './scratch.ts';
import { addNearest, isNoise, prepareVectors, type PreparedVectors, type QueryVectors } from './semantic.ts';
import { fileIdf, openParts, sumTotals, termStatistics, type PartQuery, type TermStatistics, type Totals } from './statistics.ts';
import type { Lane, LaneReport, SearchRequest, SearchResult } from './types.ts';
import { FEATURE_LANE, FEATURES, FILE_IDF, HYBRID, LEXICAL, RARE_WORD, type WeightSet } from './weights.ts';

/**
 * Searches one snapshot.
 * @param query the embedded query, or null to search without the semantic lane
 * @throws INVALID_ARGUMENT for an empty query, a bad limit or a bad path pattern; CANCELLED; CORRUPT when a block cannot be read
 */
export function search(snapshot: Snapshot, request: SearchRequest, query: QueryVectors | null, signal?: AbortSignal): SearchResult {
  const plan = planQuery(request);
  requireNotCancelled(signal, 'the search');
  let parts = openParts(snapshot, compileFilter(request.filters));
  let unread = 0;
  if (plan.phrases.length > 0) ({ parts, unread } = requirePhrases(parts, plan.phrases));
  const vectors = query !== null && parts.some(({ part }) => part.vectors !== null) ? query : null;
  const lanes = reportLanes(request, plan, parts, query, unread);
  const used = new Set(lanes.filter((lane) => lane.used).map(({ lane }) => lane));
  return withScratch(parts, (scratch) => {
    const prepared = used.has('semantic') && vectors !== null ? prepareVectors(vectors) : null;
    const weights = chooseWeights(prepared, used);
    const context = { parts, scratch, used, weights, vectors: prepared, limit: request.limit };
    const { list, final, totalMass, isRareWord } = gather(plan, context, signal);
    requireNotCancelled(signal, 'the search');
    if (isNoise(list, scratch)) return { hits: [], lanes: lanes.map(withoutAnswer), candidates: 0 };
    const hits = rankHits(list, { plan: final, totalMass, weights, scratch, isRareWord, limit: request.limit, explain: request.explain === true });
    return { hits, lanes, candidates: list.items.length };
  });
}

const withoutAnswer = (report: LaneReport): LaneReport => (report.lane === 'semantic' ? { ...report, reason: 'nothing near the query' } : report);

interface SearchContext {
  readonly parts: readonly PartQuery[];
  readonly scratch: Scratch;
  readonly used: ReadonlySet<Lane>;
  readonly weights: WeightSet;
  readonly vectors: PreparedVectors | null;
  readonly limit: number;
}

/** Scores terms, gathers the candidates of all lanes and computes their features. */
function gather(asked: QueryPlan, context: SearchContext, signal: AbortSignal | undefined): { list: CandidateList; final: QueryPlan; totalMass: number; isRareWord: boolean } {
  const { parts, scratch, used, vectors } = context;
  const totals = sumTotals(parts);
  const { plan, terms } = lookUpTerms(asked, context, totals);
  const masses = terms.map((term, i) => (plan.isProject[i] === true ? FILE_IDF.floor : fileIdf(totals.docs, term.docFrequency)));
  terms.forEach((term, bit) => scoreTerm(term, bit, masses[bit] as number, totals, context));
  requireNotCancelled(signal, 'the search');
  collectTops(parts, scratch);
  collectDefinitions(parts, scratch);
  const list = new CandidateList(parts, scratch);
  if (used.has('lexical')) addLexical(list, parts, scratch, context.limit);
  if (plan.phrases.length > 0) addScope(list, parts, scratch, context.limit);
  if (used.has('path')) {
    addPaths(list, parts, scratch);
    addFileNames(list, parts, scratch, plan);
  }
  if (used.has('symbol')) {
    addNames(list, parts, scratch, plan.names);
    addDefinitions(list, parts, scratch);
    countPairs(list, parts, scratch, plan.pairs);
  }
  if (vectors !== null) addNearest(list, parts, scratch, vectors);
  const totalMass = masses.reduce((a, b) => a + b, 0);
  computeFeatures(list, { plan, masses, totalMass, scratch, vectors });
  const holders = terms[0]?.docFrequency ?? 0;
  return { list, final: plan, totalMass, isRareWord: used.has('lexical') && plan.isSingleWord && holders > 0 && holders <= RARE_WORD.files };
}

/** Statistics of all terms; of a long query the rarest terms that exist are kept. */
function lookUpTerms(plan: QueryPlan, { parts, scratch, weights }: SearchContext, totals: Totals): { plan: QueryPlan; terms: TermStatistics[] } {
  const withDocTexts = scoresTexts(weights) || plan.terms.length > MAX_TERMS;
  const all = plan.terms.map((term, i) => termStatistics(parts, term, plan.counts[i] as number, scratch, withDocTexts));
  if (all.length <= MAX_TERMS) return { plan, terms: all };
  const value = (i: number): number => {
    const term = all[i] as TermStatistics;
    return term.chunkFrequency === 0 && term.definitionFrequency === 0 ? 0 : fileIdf(totals.docs, term.docFrequency);
  };
  const kept = all.map((_, i) => i).sort((a, b) => value(b) - value(a) || a - b).slice(0, MAX_TERMS).sort((a, b) => a - b);
  return { plan: withTerms(plan, kept), terms: kept.map((i) => all[i] as TermStatistics) };
}

function scoreTerm(term: TermStatistics, bit: number, mass: number, totals: Totals, { parts, scratch, used, weights }: SearchContext): void {
  if (used.has('lexical')) scoreText(parts, term, bit, totals, scratch);
  if (used.has('path')) scorePaths(parts, term, bit, mass, scratch);
  if (used.has('symbol')) scoreDefinitions(parts, term, bit, mass, scratch);
  if (scoresTexts(weights)) scoreDocTexts(parts, term, totals, scratch);
}

/** Comments, names and paths are scored as texts of their own only without an embedder. */
function scoresTexts(weights: WeightSet): boolean {
  return (weights.commentText ?? 0) > 0 || (weights.definitionText ?? 0) > 0 || (weights.pathText ?? 0) > 0;
}

/** The weight set for the lanes at hand, features of unused lanes left out. */
function chooseWeights(vectors: PreparedVectors | null, used: ReadonlySet<Lane>): WeightSet {
  const set = vectors !== null ? HYBRID : LEXICAL;
  return Object.fromEntries(FEATURES.filter((name) => {
    const lane = FEATURE_LANE[name];
    return (set[name] ?? 0) > 0 && (lane === null || used.has(lane));
  }).map((name) => [name, set[name]]));
}

function reportLanes(request: SearchRequest, plan: QueryPlan, parts: readonly PartQuery[], query: QueryVectors | null, unread: number): LaneReport[] {
  const asked = (lane: Lane): LaneReport | null => (request.without?.includes(lane) ? { lane, used: false, reason: 'asked' } : null);
  const words = (lane: Lane): LaneReport =>
    plan.terms.length > 0 ? { lane, used: true, reason: null } : { lane, used: false, reason: 'the query has no words' };
  const lexical = words('lexical');
  const semanticReason = query === null ? 'no embedder' : parts.some(({ part }) => part.vectors !== null) ? null : 'index has no vectors';
  return [
    asked('lexical') ?? (unread > 0 ? { ...lexical, reason: `${unread} chunks with all words of the phrase were not read; add words` } : lexical),
    asked('semantic') ?? { lane: 'semantic', used: semanticReason === null, reason: semanticReason },
    asked('symbol') ?? { lane: 'symbol', used: true, reason: null },
    asked('path') ?? { lane: 'path', used: true, reason: null },
  ];
}
