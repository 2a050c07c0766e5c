/** graph/*: definitions, references, callers and callees by name. Ambiguous names give candidates; nothing is guessed. */
import { searchSymbols, type EdgeKind, type Snapshot } from '../../src/api.ts';
import type { CalleeHit, CalleesResult, GraphParams, ReferencesResult, SymbolHit } from '../protocol/types.ts';
import { field, params } from '../rpc/schema.ts';
import type { MethodDefinition, MethodGroup } from '../rpc/table.ts';
import type { ResultOf } from '../protocol/methods.ts';
import { answerMeta, toFilters } from './convert.ts';
import { FILTERS, INDEX_REF, KINDS, LIMIT } from './fields.ts';
import { edgesFrom, edgesTo, locate } from './graph-lookup.ts';
import { toSymbol, withSnapshot } from './search.ts';
import type { Services } from './services.ts';

type GraphMethod = 'graph/definition' | 'graph/references' | 'graph/callers' | 'graph/callees';

const DEFAULT_LIMIT = 200;
/** Candidates of one name; more are no help to anybody. */
const MAX_CANDIDATES = 50;
const CALLS: ReadonlySet<EdgeKind> = new Set<EdgeKind>(['call']);

const GRAPH_PARAMS = params({ ...INDEX_REF, ...FILTERS, ...KINDS, ...LIMIT, name: field.text(512, 1) });

export function graphMethods({ owners }: Services): MethodGroup<GraphMethod> {
  const method = <M extends GraphMethod>(summary: string, run: Run<M>): MethodDefinition<M> => ({
    lane: 'read', summary, params: GRAPH_PARAMS,
    handler: async (request, { signal }) => {
      const started = performance.now();
      const owner = await owners.resolve(request, signal);
      return withSnapshot(owner, async (snapshot) => {
        const result = await run(snapshot, request, signal);
        return { ...result, meta: answerMeta(owner, snapshot.lsn, started) } as unknown as ResultOf<M>;
      });
    },
  });
  return {
    'graph/definition': method<'graph/definition'>('Where a name is defined.', async (snapshot, request, signal) => {
      const definitions = await definitionsOf(snapshot, request, signal, request.limit ?? MAX_CANDIDATES);
      return { definitions, ambiguous: definitions.length > 1 };
    }),
    'graph/references': method<'graph/references'>('Every place that names it: calls, imports, inheritance, other uses.', (snapshot, request, signal) => references(snapshot, request, null, signal)),
    'graph/callers': method<'graph/callers'>('The places that call it.', (snapshot, request, signal) => references(snapshot, request, CALLS, signal)),
    'graph/callees': method<'graph/callees'>('What the definitions of a name call, with the definitions that each call may mean.', callees),
  };
}

/** Everything of the result but `meta`, which is the same for all. */
type Run<M extends GraphMethod> = (snapshot: Snapshot, request: GraphParams, signal: AbortSignal) => Promise<Omit<ResultOf<M>, 'meta'>>;

async function definitionsOf(snapshot: Snapshot, request: GraphParams, signal: AbortSignal, limit: number): Promise<SymbolHit[]> {
  const found = await searchSymbols(snapshot, { query: request.name, limit, exact: true, filters: toFilters(request) }, signal);
  return found.map(toSymbol);
}

/** References carry the last part of a name (`c` of `a.b.c()`), so that is what is looked up. */
async function references(snapshot: Snapshot, request: GraphParams, kinds: ReadonlySet<EdgeKind> | null, signal: AbortSignal): Promise<Omit<ReferencesResult, 'meta'>> {
  const definitions = await definitionsOf(snapshot, request, signal, MAX_CANDIDATES);
  const last = lastPart(request.name);
  const names = [...new Set([last, request.name])];
  const { edges, truncated } = await edgesTo(snapshot, names, { kinds, limit: request.limit ?? DEFAULT_LIMIT, signal });
  // With the bare name several definitions share the references; the caller sees that from `ambiguous`.
  const bare = last === request.name ? definitions : await definitionsOf(snapshot, { ...request, name: last }, signal, MAX_CANDIDATES);
  return { definitions, ambiguous: bare.length > 1, references: edges, truncated };
}

async function callees(snapshot: Snapshot, request: GraphParams, signal: AbortSignal): Promise<Omit<CalleesResult, 'meta'>> {
  const definitions = await definitionsOf(snapshot, request, signal, MAX_CANDIDATES);
  const limit = request.limit ?? DEFAULT_LIMIT;
  const known = new Map<string, readonly SymbolHit[]>();
  const found: CalleeHit[] = [];
  let truncated = false;
  for (const definition of definitions) {
    const located = locate(snapshot, definition);
    if (located === null) continue;
    const calls = await edgesFrom(located, { kinds: CALLS, limit: limit - found.length, signal });
    truncated ||= calls.truncated;
    for (const { target, path, line, from } of calls.edges) {
      if (!known.has(target)) known.set(target, await definitionsOf(snapshot, { name: target }, signal, MAX_CANDIDATES));
      found.push({ target, path, line, from: from ?? definition, candidates: known.get(target) ?? [] });
    }
  }
  return { definitions, ambiguous: definitions.length > 1, callees: found, truncated };
}

/** `c` of `a.b.c`, `A::c`, `a->c`, `A#c`. */
const lastPart = (name: string): string => name.split(/\.|::|->|#/).at(-1) || name;
