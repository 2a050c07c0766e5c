/**
 * Which docs and chunks of a part a search may return: live, and passing every filter. Decided before anything is ranked, so
 * that a filter never leaves fewer hits than exist [6.6].
 */
import type { ChunkRow, IndexPart } from '../segment/part.ts';
import type { PartView } from '../index/snapshot.ts';
import { Bitset } from '../util/bitset.ts';
import { CairnError } from '../util/errors.ts';
import { compileGlobs } from './glob.ts';
import type { SearchFilters } from './types.ts';

/** Language ids of prose, data and configuration. */
const NOT_CODE: ReadonlySet<string> = new Set(
  ('markdown mdx text plaintext rst restructuredtext asciidoc adoc org latex tex bibtex log diff patch json json5 jsonc jsonl yaml toml xml ini cfg ' +
    'conf properties dotenv env csv tsv html xhtml svg lock gitignore ignore editorconfig license po').split(' '),
);

export function isCodeLanguage(language: string): boolean {
  return language !== '' && !NOT_CODE.has(language);
}

/** What a search may return of one part. */
export interface PartScope {
  /** Docs that may be returned; null = every doc of the view. */
  readonly docs: Bitset | null;
  /** Chunks that may be returned among those of allowed docs; null = all of them. */
  readonly chunks: Bitset | null;
  /** What the symbol of a hit may be; null = anything. */
  readonly kinds: ReadonlySet<string> | null;
}

/** A compiled filter; `key` is equal for equal filters. */
export interface CompiledFilter {
  readonly key: string;
  readonly acceptsDoc: ((language: string, path: string) => boolean) | null;
  readonly kinds: ReadonlySet<string> | null;
}

export function compileFilter(filters: SearchFilters | undefined): CompiledFilter {
  const languages = new Set((filters?.languages ?? []).map((language) => language.toLowerCase()));
  const globs = filters?.paths ?? [];
  const kinds = filters?.kinds ?? [];
  const codeOnly = filters?.codeOnly === true;
  if (globs.length > 256) throw new CairnError('INVALID_ARGUMENT', `${globs.length} path patterns are too many`, { hint: 'Give at most 256; braces and ** help.' });
  const matchesPath = globs.length > 0 ? compileGlobs(globs) : null;
  const isOpen = languages.size === 0 && matchesPath === null && !codeOnly;
  return {
    key: JSON.stringify([[...languages].sort(), globs, [...kinds].sort(), codeOnly]),
    kinds: kinds.length > 0 ? new Set(kinds) : null,
    acceptsDoc: isOpen
      ? null
      : (language, path) =>
          (languages.size === 0 || languages.has(language)) && (!codeOnly || isCodeLanguage(language)) && (matchesPath === null || matchesPath(path)),
  };
}

/** The filter's answer for all docs of a part, live or not; kept for the filter that was used last. */
interface FilterMemo {
  readonly key: string;
  readonly docCount: number;
  readonly docs: Bitset | null;
  readonly chunks: Bitset | null;
}
const memos = new WeakMap<IndexPart, FilterMemo>();

export function partScope(view: PartView, filter: CompiledFilter): PartScope {
  if (filter.acceptsDoc === null && filter.kinds === null) return { docs: view.live, chunks: null, kinds: null };
  const { docs, chunks } = memo(view, filter);
  if (docs === null || view.live === null) return { docs: docs ?? view.live, chunks, kinds: filter.kinds };
  return { docs: intersect(docs, view.live), chunks, kinds: filter.kinds };
}

function memo(view: PartView, filter: CompiledFilter): FilterMemo {
  const { part, docCount } = view;
  const known = memos.get(part);
  if (known !== undefined && known.key === filter.key && known.docCount === docCount) return known;
  let docs = filter.acceptsDoc === null ? null : acceptedDocs(part, docCount, filter.acceptsDoc);
  let chunks: Bitset | null = null;
  if (filter.kinds !== null) {
    chunks = chunksOfKinds(view, docs, filter.kinds);
    docs = docsOf(view, chunks);
  }
  const made = { key: filter.key, docCount, docs, chunks };
  memos.set(part, made);
  return made;
}

function acceptedDocs(part: IndexPart, docCount: number, accepts: (language: string, path: string) => boolean): Bitset {
  const docs = new Bitset(docCount);
  for (let doc = 0; doc < docCount; doc++) if (accepts(part.docLanguage(doc), part.docKey(doc))) docs.add(doc);
  return docs;
}

/** Chunks that declare a symbol of one of the kinds: their own symbol, or one that begins in them (small neighbours share a chunk). */
function chunksOfKinds(view: PartView, docs: Bitset | null, kinds: ReadonlySet<string>): Bitset {
  const { part, docCount, chunkCount } = view;
  const chunks = new Bitset(chunkCount);
  for (let doc = 0; doc < docCount; doc++) {
    if (docs !== null && !docs.has(doc)) continue;
    const rows: ChunkRow[] = [];
    const first = part.chunkStart(doc);
    for (let chunk = first; chunk < part.chunkStart(doc + 1); chunk++) rows.push(part.chunk(chunk));
    for (let symbol = part.symbolStart(doc); symbol < part.symbolStart(doc + 1); symbol++) {
      const row = part.symbol(symbol);
      if (!kinds.has(row.kind)) continue;
      rows.forEach((chunk, i) => {
        if (chunk.symbol === symbol || (chunk.startLine <= row.startLine && row.startLine <= chunk.endLine)) chunks.add(first + i);
      });
    }
  }
  return chunks;
}

function docsOf(view: PartView, chunks: Bitset): Bitset {
  const docs = new Bitset(view.docCount);
  for (let chunk = 0; chunk < view.chunkCount; chunk++) if (chunks.has(chunk)) docs.add(view.part.chunkDocs[chunk] as number);
  return docs;
}

/** The longer set decides the length: docs beyond the other's end are not in the intersection. */
function intersect(a: Bitset, b: Bitset): Bitset {
  const out = a.clone();
  for (let i = 0; i < out.words.length; i++) out.words[i] = (out.words[i] as number) & (b.words[i] ?? 0);
  return out;
}
