/**
 * The ranking recipe as data: features, weight sets, sizes of the candidate lists. Query-time only: no stored row depends on it.
 * A file's score is the weighted sum of its features, times the path penalty.
 */
import type { Lane } from './types.ts';

/** Order = index into a candidate's feature vector. */
export const FEATURES = [
  'chunkMax', 'chunkTop3', 'chunkCover', 'commentText',
  'vectorMax', 'vectorCentroid', 'vectorGated', 'vectorPath',
  'symbolDefinition', 'definitionBest', 'definitionText', 'definitionPairs', 'nameCover',
  'stemMass', 'stemCover', 'stemExact', 'symbolStem', 'pathText', 'depth',
] as const;
export type Feature = (typeof FEATURES)[number];
export type WeightSet = Readonly<Partial<Record<Feature, number>>>;

/** The lane without which a feature is 0. `depth` is a prior of the file and belongs to none. */
export const FEATURE_LANE: Readonly<Record<Feature, Lane | null>> = {
  chunkMax: 'lexical', chunkTop3: 'lexical', chunkCover: 'lexical', commentText: 'lexical',
  vectorMax: 'semantic', vectorCentroid: 'semantic', vectorGated: 'semantic', vectorPath: 'semantic',
  symbolDefinition: 'symbol', definitionBest: 'symbol', definitionText: 'symbol', definitionPairs: 'symbol', nameCover: 'symbol',
  stemMass: 'path', stemCover: 'path', stemExact: 'path', symbolStem: 'path', pathText: 'path', depth: null,
};

/** With an embedder. */
export const HYBRID: WeightSet = {
  vectorMax: 0.5, vectorCentroid: 0.3, vectorGated: 0.1, vectorPath: 0.1,
  chunkTop3: 0.2, chunkCover: 0.2,
  stemMass: 0.4, stemExact: 0.1, symbolStem: 0.3, depth: 0.3,
  symbolDefinition: 0.5, definitionBest: 0.2, definitionPairs: 0.1, nameCover: 0.1,
};

/** Without an embedder. (HYBRID with vector weights 0 is worse; so is a set of its own for symbol queries.) */
export const LEXICAL: WeightSet = {
  chunkMax: 0.6, chunkTop3: 0.4, chunkCover: 0.15, commentText: 0.4,
  definitionText: 0.34, definitionBest: 0.4, definitionPairs: 0.2, symbolDefinition: 0.6,
  pathText: 0.4, stemMass: 0.5, stemCover: 0.35, stemExact: 0.15, symbolStem: 0.5, depth: 0.4,
};

/** BM25 of chunk texts; files are compared by b = 0.5 for comments and definitions, 0.3 for paths, whose length says little. */
export const BM25 = { k1: 1.2, b: 0.75, bComment: 0.5, bDefinition: 0.5, bPath: 0.3 } as const;

/** Files that each lane brings in before anything is normalised; raised to the limit of the request. */
export const CANDIDATES = { lexical: 120, path: 50, definition: 50, semantic: 40, perName: 400 } as const;

/**
 * A query of one word that so few files hold: each of them gets this share of the weight total and no side-file penalty. Whoever
 * asks for a rare word means it; a vector that only resembles it must not stand above the place itself [6.7].
 */
export const RARE_WORD = { files: 3, share: 0.5 } as const;

/** A query of one word that is a file's stem: what that counts of the weight total, where a definition of that name counts all of it. */
export const STEM_SHARE = 0.5;

/**
 * Where no word of the query is in the index, a best cosine below this is no answer. Over four projects, words made up and
 * questions about other matters reached 0.16 to 0.34 (median 0.22), questions about the project 0.33 and more.
 */
export const SEMANTIC_FLOOR = 0.3;

/** Further chunks of one file: each next one counts this much of the one before, at most this many. */
export const FURTHER_CHUNK = { factor: 0.3, count: 4 } as const;

/** What a name counts that is a capitalised word of a sentence: "Media type handling" rarely means a type `Media`. */
export const CAPITALISED_WORD = 0.5;

/**
 * Which chunk of a file is shown. The words decide as far as some chunk holds them (share of their idf mass, to the power);
 * a chunk that declares a name made of them counts up to `name`, the definition of a name in the query `definition` more.
 */
export const PASSAGE = { text: 0.3, textWhereCovered: 1, coverPower: 4, vector: 0.5, name: 1, definition: 0.2 } as const;

/** A file idf below this makes common words worthless; a word that no file has counts this much, plus one. */
export const FILE_IDF = { floor: 0.3, absent: 1.3 } as const;

/** Prefix match of a query word with a word of the file stem: letters in common at least, letters left over at most, worth. */
export const STEM_PREFIX = { shared: 4, rest: 5, worth: 0.7 } as const;
