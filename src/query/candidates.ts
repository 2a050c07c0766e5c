/**
 * The files that are worth scoring. Every lane brings its best; a file once in the list is scored by all features.
 * Candidates of all parts are gathered before anything is normalised.
 */
import type { SymbolKind } from '../format/doc.ts';
import { normalizedStem, pathParts, type QueryName } from '../text/index.ts';
import type { QueryPlan } from './query-plan.ts';
import { inScope, partOfDoc } from './lexical.ts';
import { TouchList, type Scratch } from './scratch.ts';
import { boundedLookup, type PartQuery } from './statistics.ts';
import { selectTop, type Scores } from './top-k.ts';
import type { Lane } from './types.ts';
import { CANDIDATES, CAPITALISED_WORD, FEATURES } from './weights.ts';

/** One file under consideration. */
export interface Candidate {
  /** Global doc id; local id and part. */
  readonly doc: number;
  readonly local: number;
  readonly query: PartQuery;
  /** LANE_BIT of each lane that brought it. */
  lanes: number;
  /** In the order of FEATURES. */
  readonly features: Float64Array;
  /** Best match of a name of the query with a definition of this file, 0..1, and that symbol's local id. */
  nameMatch: number;
  nameSymbol: number;
  /** How sure it is that the query means this file by a name that equals its stem, 0..1. */
  stemMatch: number;
  /** The query names this file with its extension, or by its path. */
  fileMatch: boolean;
  /** Local id of the chunk with the highest BM25 score, or -1; of the highest cosine, or -1. */
  bestText: number;
  bestVector: number;
  /** Where in the scratch the cosines of its chunks begin, in order; -1 without vectors. */
  cosines: number;
  /** Mean of the three best chunk cosines; input of the gated feature. */
  vectorTop3: number;
  pairHits: number;
}

export const LANE_BIT: Readonly<Record<Lane, number>> = { lexical: 1, semantic: 2, symbol: 4, path: 8 };

export function lanesOf(bits: number): Lane[] {
  return (Object.keys(LANE_BIT) as Lane[]).filter((lane) => (bits & LANE_BIT[lane]) !== 0);
}

export class CandidateList {
  readonly items: Candidate[] = [];
  readonly #parts: readonly PartQuery[];
  readonly #scratch: Scratch;

  constructor(parts: readonly PartQuery[], scratch: Scratch) {
    this.#parts = parts;
    this.#scratch = scratch;
  }

  /** The candidate of a doc, made on first use. */
  add(doc: number, lane: Lane): Candidate {
    const { slots } = this.#scratch;
    const slot = slots[doc] as number;
    if (slot > 0) {
      const known = this.items[slot - 1] as Candidate;
      known.lanes |= LANE_BIT[lane];
      return known;
    }
    const query = partOfDoc(this.#parts, doc);
    const made: Candidate = {
      doc, local: doc - query.docBase, query, lanes: LANE_BIT[lane], features: this.#scratch.takeFeatures(FEATURES.length),
      nameMatch: 0, nameSymbol: -1, stemMatch: 0, fileMatch: false, bestText: -1, bestVector: -1, cosines: -1, vectorTop3: 0, pairHits: 0,
    };
    this.items.push(made);
    slots[doc] = this.items.length;
    return made;
  }

  find(doc: number): Candidate | null {
    const slot = this.#scratch.slots[doc] as number;
    return slot > 0 ? (this.items[slot - 1] as Candidate) : null;
  }
}

/** Order among docs of equal score, the same however docs are spread over parts. */
export function docTie(parts: readonly PartQuery[]): (doc: number) => number {
  return (doc) => {
    const query = partOfDoc(parts, doc);
    return query.columns.ties[doc - query.docBase] as number;
  };
}

/** Best files by text: the best chunk, and half of the second best. */
export function addLexical(list: CandidateList, parts: readonly PartQuery[], scratch: Scratch, limit: number): void {
  for (const doc of selectTop(scratch.docs, Math.max(CANDIDATES.lexical, limit), { values: scratch.docScores, stride: 1 }, docTie(parts))) list.add(doc, 'lexical');
}

/** The score of the best chunk of each doc. */
function bestChunks({ docTop }: Scratch): Scores {
  return { values: docTop, stride: 3 };
}

/** Files that hold the required phrases: candidates whatever else they match. */
export function addScope(list: CandidateList, parts: readonly PartQuery[], scratch: Scratch, limit: number): void {
  const docs = new TouchList();
  for (const { scope, docBase, docCount } of parts) {
    for (let local = 0; local < docCount; local++) if (scope.docs?.has(local) === true) docs.add(docBase + local);
  }
  for (const doc of selectTop(docs, Math.max(CANDIDATES.lexical, limit), bestChunks(scratch), docTie(parts))) list.add(doc, 'lexical');
}

/** Files with the most query words in their path. */
export function addPaths(list: CandidateList, parts: readonly PartQuery[], scratch: Scratch): void {
  const { pathDocs, pathMass } = scratch;
  for (const doc of selectTop(pathDocs, CANDIDATES.path, { values: pathMass, stride: 1 }, docTie(parts))) list.add(doc, 'path');
}

/** Files with the most query words in one definition name. */
export function addDefinitions(list: CandidateList, parts: readonly PartQuery[], scratch: Scratch): void {
  const { definitionDocs, definitionBest } = scratch;
  const best = selectTop(definitionDocs, CANDIDATES.definition, { values: definitionBest, stride: 1 }, docTie(parts));
  for (const doc of best) if ((scratch.definitionBest[doc] as number) > 0) list.add(doc, 'symbol');
}

/** How sure an exact name match is by what the name stands for. */
export function kindWorth(kind: SymbolKind): number {
  switch (kind) {
    case 'class': case 'interface': case 'struct': case 'enum': case 'trait': case 'type': case 'module': case 'namespace': case 'object': case 'protocol':
      return 1;
    case 'variable': case 'constant':
      return 0.8;
    default:
      return 0.7;
  }
}

/** Files that define a symbol named in the query. */
export function addNames(list: CandidateList, parts: readonly PartQuery[], scratch: Scratch, names: readonly QueryName[]): void {
  for (const wanted of names) {
    const { name } = wanted;
    const symbolsOf = new Map<number, number[]>();
    for (const query of parts) {
      const found = boundedLookup(query.part, 'name', name, query.symbolCount, scratch.postings);
      for (let i = 0; found !== null && i < found.count; i++) {
        const symbol = found.ids[i] as number;
        const local = query.part.symbolDocs[symbol] as number;
        if (!inScope(query.scope.docs, local) || query.scope.kinds?.has(query.part.symbolKind(symbol)) === false) continue;
        const doc = query.docBase + local;
        const known = symbolsOf.get(doc);
        if (known === undefined) symbolsOf.set(doc, [symbol]);
        else known.push(symbol);
      }
    }
    const kept = selectTop(TouchList.of(symbolsOf.keys()), CANDIDATES.perName, bestChunks(scratch), docTie(parts));
    for (const doc of kept) noteName(list.add(doc, 'symbol'), symbolsOf.get(doc) as number[], wanted);
  }
}

/** A qualified name is sure whatever it stands for. */
function noteName(candidate: Candidate, symbols: readonly number[], { isQualified, sure, isWord }: QueryName): void {
  const share = isWord ? CAPITALISED_WORD * sure : sure;
  for (const symbol of symbols) {
    const worth = isQualified ? 1 : share * kindWorth(candidate.query.part.symbolKind(symbol));
    if (worth <= candidate.nameMatch) continue;
    candidate.nameMatch = worth;
    candidate.nameSymbol = symbol;
  }
}

/** Files whose stem is a name of the query (case, `_ - .` and a plural s ignored), and files named with extension or path. */
export function addFileNames(list: CandidateList, parts: readonly PartQuery[], scratch: Scratch, plan: QueryPlan): void {
  for (const { name, isWord } of plan.names) {
    const stem = normalizedStem(name);
    for (const doc of docsWithStem(parts, scratch, [stem, `${stem}s`, stem.replace(/s$/, '')])) {
      const candidate = list.add(doc, 'path');
      candidate.stemMatch = Math.max(candidate.stemMatch, isWord ? CAPITALISED_WORD : 1);
    }
  }
  for (const name of plan.fileNames) {
    for (const doc of docsWithStem(parts, scratch, [normalizedStem(pathParts(name).stem)])) {
      const query = partOfDoc(parts, doc);
      const key = query.part.docKey(doc - query.docBase);
      if (key === name || key.endsWith(`/${name}`)) list.add(doc, 'path').fileMatch = true;
    }
  }
}

function docsWithStem(parts: readonly PartQuery[], scratch: Scratch, stems: readonly string[]): number[] {
  const docs = new Set<number>();
  for (const stem of new Set(stems)) {
    if (stem === '') continue;
    for (const query of parts) {
      const found = boundedLookup(query.part, 'stem', stem, query.docCount, scratch.postings);
      for (let i = 0; found !== null && i < found.count; i++) {
        const local = found.ids[i] as number;
        const hasChunks = query.part.chunkStart(local) < query.part.chunkStart(local + 1);
        if (hasChunks && inScope(query.scope.docs, local)) docs.add(query.docBase + local);
      }
    }
  }
  return selectTop(TouchList.of(docs), CANDIDATES.perName, bestChunks(scratch), docTie(parts));
}

/** Counts for each candidate how many adjacent word pairs of the query are adjacent in a name of the file. */
export function countPairs(list: CandidateList, parts: readonly PartQuery[], scratch: Scratch, pairs: readonly string[]): void {
  for (const pair of pairs) {
    for (const query of parts) {
      const found = boundedLookup(query.part, 'pair', pair, query.docCount, scratch.postings);
      for (let i = 0; found !== null && i < found.count; i++) {
        const candidate = list.find(query.docBase + (found.ids[i] as number));
        if (candidate !== null) candidate.pairHits++;
      }
    }
  }
}
