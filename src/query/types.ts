/** What a search takes and gives, in engine terms. Wire types are separate (daemon/protocol). */
import type { SymbolKind } from '../format/doc.ts';

export interface SearchFilters {
  /** Language ids; empty or absent means any. */
  readonly languages?: readonly string[] | undefined;
  /** Globs over the key; a leading '!' excludes. A hit needs one positive match (if any is given) and no negative one. */
  readonly paths?: readonly string[] | undefined;
  /** Symbol kinds of the chunk's symbol. */
  readonly kinds?: readonly SymbolKind[] | undefined;
  /** Only programming languages: no markdown, text, data and config files. */
  readonly codeOnly?: boolean | undefined;
}

export type Lane = 'lexical' | 'semantic' | 'symbol' | 'path';

export interface SearchRequest {
  readonly query: string;
  /** 1..1000 */
  readonly limit: number;
  readonly filters?: SearchFilters | undefined;
  /** Lanes to leave out (ablation, or a damaged part). */
  readonly without?: readonly Lane[] | undefined;
  readonly explain?: boolean | undefined;
  /** Terms that name the project: in a question about the project they say next to nothing. */
  readonly projectTerms?: readonly string[] | undefined;
}

export interface SearchHit {
  readonly key: string;
  readonly language: string;
  readonly startLine: number;
  readonly endLine: number;
  readonly score: number;
  readonly symbol: { readonly name: string; readonly qualified: string; readonly kind: SymbolKind; readonly line: number } | null;
  readonly text: string;
  /** Lanes that brought the file into the candidates, and each feature's value and weight; only with `explain`. */
  readonly explain?: { readonly lanes: readonly Lane[]; readonly features: Readonly<Record<string, { value: number; weight: number }>>; readonly penalty: number } | undefined;
}

export interface LaneReport {
  readonly lane: Lane;
  readonly used: boolean;
  /** Why a lane was not used ('no embedder', 'index has no vectors', 'asked', …). */
  readonly reason: string | null;
}

export interface SearchResult {
  readonly hits: readonly SearchHit[];
  readonly lanes: readonly LaneReport[];
  /** Number of candidate files scored. */
  readonly candidates: number;
}
