/** search/*: one snapshot per request, taken after an optional wait for freshness and released whatever happens. */
import { grep, pathQueryText, projectTermsOf, search, searchSymbols, type Embedder, type Lane, type LaneReport, type SearchHit, type Snapshot, type SymbolHit } from '../../src/api.ts';
import { messageOf } from '../errors.ts';
import { DEFAULT_GREP_MATCHES } from '../protocol/limits.ts';
import type * as Wire from '../protocol/types.ts';
import { field, params } from '../rpc/schema.ts';
import type { MethodGroup } from '../rpc/table.ts';
import { answerMeta, toFilters } from './convert.ts';
import { FILTERS, INDEX_REF, KINDS, LANES, LIMIT, QUERY } from './fields.ts';
import type { IndexOwner, Services } from './services.ts';

type SearchMethod = 'search/query' | 'search/grep' | 'search/symbols';

const DEFAULT_LIMIT = 10;
const DEFAULT_SYMBOLS = 50;
/** A grep that takes longer answers with what it has and says so. */
const GREP_BUDGET_MS = 10_000;
/** A chunk is a few dozen lines; one that is not is cut, so that an answer stays small. */
const MAX_SNIPPET = 16 * 1024;

export function searchMethods(services: Services): MethodGroup<SearchMethod> {
  const { owners } = services;
  return {
    'search/query': {
      lane: 'read',
      summary: 'Hybrid search: words, names, paths and meaning, best first.',
      params: params({
        ...INDEX_REF, ...QUERY, ...LIMIT, ...FILTERS, ...KINDS,
        codeOnly: field.flag().optional(), explain: field.flag().optional(), fresh: field.flag().optional(),
        without: field.list(field.oneOf(LANES), LANES.length).optional(),
      }),
      handler: async (request, { signal }) => {
        const started = performance.now();
        const owner = await owners.resolve(request, signal);
        if (request.fresh === true) await owner.fresh(signal);
        return runQuery(services, owner, request, started, signal);
      },
    },
    'search/grep': {
      lane: 'read',
      summary: 'Literal or regular-expression search over the indexed text, with context.',
      params: params({
        ...INDEX_REF, ...FILTERS, pattern: field.text(4_096, 1), limit: field.integer(1, 10_000).optional(), context: field.integer(0, 50).optional(),
        regex: field.flag().optional(), ignoreCase: field.flag().optional(), word: field.flag().optional(),
      }),
      handler: async (request, { signal }) => {
        const started = performance.now();
        return runGrep(await owners.resolve(request, signal), request, started, signal);
      },
    },
    'search/symbols': {
      lane: 'read',
      summary: 'Definitions by name: exact, prefix, parts, capitals.',
      params: params({ ...INDEX_REF, ...FILTERS, ...KINDS, ...LIMIT, query: field.text(256, 1) }),
      handler: async (request, { signal }) => {
        const started = performance.now();
        const owner = await owners.resolve(request, signal);
        return withSnapshot(owner, async (snapshot) => {
          const found = await searchSymbols(snapshot, { query: request.query, limit: request.limit ?? DEFAULT_SYMBOLS, filters: toFilters(request) }, signal);
          return { symbols: found.map(toSymbol), meta: answerMeta(owner, snapshot.lsn, started) };
        });
      },
    },
  };
}

/** A query that meets damage asks again, of a snapshot without the damaged segment; more than this many are not one accident. */
const MAX_DAMAGES = 16;

/** One query, one snapshot (invariant 9). */
export async function withSnapshot<T>(owner: IndexOwner, use: (snapshot: Snapshot) => Promise<T>): Promise<T> {
  for (let damages = 0; ; damages++) {
    const snapshot = owner.index.snapshot();
    try {
      return await use(snapshot);
    } catch (error) {
      if (damages >= MAX_DAMAGES || !(await owner.reportDamage(error))) throw error;
    } finally {
      snapshot.release();
    }
  }
}

export function toSymbol(hit: Omit<SymbolHit, 'match' | 'score'>): Wire.SymbolHit {
  const { name, qualified, kind, key, language, startLine, endLine } = hit;
  return { name, qualified, kind, path: key, language, startLine, endLine };
}

const termsOf = new WeakMap<IndexOwner, readonly string[]>();

/** What the project is called; looked up once, since it asks the disk. */
function projectTerms(owner: IndexOwner): readonly string[] {
  let terms = termsOf.get(owner);
  if (terms === undefined) {
    terms = owner.root === null ? [] : projectTermsOf(owner.root);
    termsOf.set(owner, terms);
  }
  return terms;
}

async function runQuery(services: Services, owner: IndexOwner, request: Wire.SearchParams, started: number, signal: AbortSignal): Promise<Wire.SearchResultWire> {
  const { vectors, missing } = await embedQuery(services, owner, request, signal);
  return withSnapshot(owner, async (snapshot) => {
    const engineRequest = {
      query: request.query, limit: request.limit ?? DEFAULT_LIMIT, filters: toFilters(request), explain: request.explain,
      without: request.without as readonly Lane[] | undefined, projectTerms: projectTerms(owner),
    };
    const found = search(snapshot, engineRequest, vectors, signal);
    return { hits: found.hits.map(toHit), meta: answerMeta(owner, snapshot.lsn, started, found.lanes.map((lane) => explainLane(lane, missing))) };
  });
}

/** Says why there is no query vector, in place of the engine's plain "no embedder". */
function explainLane(lane: LaneReport, missing: string | null): LaneReport {
  return lane.lane === 'semantic' && !lane.used && missing !== null && lane.reason !== 'asked' ? { ...lane, reason: missing } : lane;
}

interface EmbeddedQuery {
  readonly vectors: { readonly vector: Float32Array; readonly pathVector: Float32Array } | null;
  readonly missing: string | null;
}

/** A semantic lane that cannot work leaves the others serving, and the answer says why. [0.14, 0.20] */
async function embedQuery(services: Services, owner: IndexOwner, request: Wire.SearchParams, signal: AbortSignal): Promise<EmbeddedQuery> {
  const wanted = owner.index.metadata.embedder;
  if (wanted === null) return { vectors: null, missing: 'index has no vectors' };
  if (request.without?.includes('semantic') === true) return { vectors: null, missing: null };
  const { embedder, problem } = await services.embedder.ready();
  if (embedder === null) return { vectors: null, missing: problem };
  if (embedder.identity.fingerprint !== wanted.fingerprint) return { vectors: null, missing: mismatch(embedder, wanted) };
  try {
    const [vector, pathVector] = await embedder.embed([request.query, pathQueryText(request.query)], signal);
    return vector === undefined || pathVector === undefined ? { vectors: null, missing: 'the embedder gave no vector' } : { vectors: { vector, pathVector }, missing: null };
  } catch (error) {
    signal.throwIfAborted();
    return { vectors: null, missing: `the embedder failed: ${messageOf(error)}` };
  }
}

function mismatch(embedder: Embedder, wanted: { readonly name: string; readonly revision: string }): string {
  return `the index was built with ${wanted.name} ${wanted.revision}, the embedder is ${embedder.identity.name} ${embedder.identity.revision}; rebuild the index to use it`;
}

function toHit(hit: SearchHit): Wire.SearchHitWire {
  const { key, startLine, endLine, score, language, symbol, text, explain } = hit;
  return {
    path: key, startLine, endLine, score, language,
    ...(symbol === null ? {} : { symbol: { name: symbol.name, qualified: symbol.qualified, kind: symbol.kind, line: symbol.line } }),
    snippet: text.length > MAX_SNIPPET ? `${text.slice(0, MAX_SNIPPET)}…` : text,
    ...(explain === undefined ? {} : { explain }),
  };
}

async function runGrep(owner: IndexOwner, request: Wire.GrepParams, started: number, signal: AbortSignal): Promise<Wire.GrepResult> {
  return withSnapshot(owner, async (snapshot) => {
    const { pattern, regex = false, ignoreCase = false, word = false, context = 0, limit = DEFAULT_GREP_MATCHES } = request;
    const engineRequest = { pattern, isRegex: regex, ignoreCase, wholeWord: word, context, limit, filters: toFilters(request), timeBudgetMs: GREP_BUDGET_MS };
    const found = await grep(snapshot, engineRequest, signal);
    const matches = found.matches.map(({ key, line, start, text, before, after }) => ({ path: key, line, column: start + 1, text, before, after }));
    const meta = answerMeta(owner, snapshot.lsn, started);
    const stops = { time: 'time ran out', size: 'the answer is full' };
    const why = found.stopped === 'time' || found.stopped === 'size' ? [`${stops[found.stopped]}${found.stoppedAt === null ? '' : ` at ${found.stoppedAt}`}`] : [];
    const reasons = [...meta.reasons, ...why];
    return { matches, truncated: found.stopped !== null, filesSearched: found.filesSearched, meta: { ...meta, reasons } };
  });
}
