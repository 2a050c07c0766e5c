/** What other parts use of the text layer. */
export { commentTerms, definitionTerms, isSymbolQuery, symbolNames, type QueryName } from './names.ts';
export { adjacentPairs, normalizedStem, pathParts, pathPenalty, pathTerms, sideKinds, sidePenalty, type SideFile, type SideKind } from './paths.ts';
export { projectTerms } from './project-name.ts';
export { isStopWord } from './stop-words.ts';
export { countTerms, countWordTerms, eachWord, queryTerms, textTerms, textWords, TOKENIZER_VERSION, wordTerms, type TermCounts } from './tokenizer.ts';
