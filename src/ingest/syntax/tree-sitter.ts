/**
 * The only door to web-tree-sitter. Owns the wasm instance of this thread: loads grammars lazily, parses, runs the query, and
 * gives plain offsets back. No tree outlives a call (wasm memory never shrinks), nothing recurses over a tree, and both parse
 * and query stop at a deadline. After a wasm failure the instance is broken for good: `isWorn` tells the worker to retire.
 */
import { readFileSync } from 'node:fs';
import { isMainThread } from 'node:worker_threads';
import { Language, Parser, Query, type Node } from 'web-tree-sitter';
import { CairnError } from '../../util/errors.ts';
import { GRAMMARS, grammarPath, type GrammarId } from './grammars.ts';
import { prepareEngine } from './prepare-engine.ts';

/** One captured node: offsets are UTF-16 code units into the parsed text. */
export interface Capture {
  readonly name: string;
  readonly start: number;
  readonly end: number;
}

export interface Match {
  /** Index of the pattern; an earlier pattern wins where two describe the same definition. */
  readonly pattern: number;
  readonly captures: readonly Capture[];
}

export type ParseOutcome =
  | { readonly ok: true; readonly matches: readonly Match[] }
  /** `reason` is short and goes into the note of the document ('parse budget', 'query budget', 'parser failed'). */
  | { readonly ok: false; readonly reason: string };

/** In-progress matches the query cursor may hold; real sources stay below a few hundred, chains of calls do not. */
const MATCH_LIMIT = 4096;
/** Above this the thread is replaced: wasm memory grows to about 50 times the largest source and never shrinks. */
const WORN_BYTES = 160 * 1024 * 1024;

/** The part of the WebAssembly interface that is needed here; the compiler's DOM library, which declares it, is not used. */
interface WasmMemory {
  readonly buffer: ArrayBuffer;
}
const { WebAssembly: Wasm } = globalThis as unknown as {
  readonly WebAssembly: { readonly Memory: new (limits: { readonly initial: number; readonly maximum: number }) => WasmMemory };
};

/** The sizes that the library itself would take: 32 MB, and the 2 GB that V8 allows. */
const INITIAL_PAGES = 512;
const MAXIMUM_PAGES = 32_768;

interface LoadedGrammar {
  readonly language: Language;
  readonly query: Query;
}

export class TreeSitter {
  readonly #parser: Parser;
  readonly #queries: URL;
  readonly #memory: () => number;
  readonly #grammars = new Map<GrammarId, LoadedGrammar>();
  #broken = false;

  private constructor(parser: Parser, queries: URL, memory: () => number) {
    this.#parser = parser;
    this.#queries = queries;
    this.#memory = memory;
  }

  /** `queries` is the folder of our .scm files. */
  static async create(queries: URL): Promise<TreeSitter> {
    // In a worker it was done by the thread that started it.
    if (isMainThread) await prepareEngine();
    // Our own memory object, so that its size can be watched.
    const memory = new Wasm.Memory({ initial: INITIAL_PAGES, maximum: MAXIMUM_PAGES });
    await Parser.init({ wasmMemory: memory });
    return new TreeSitter(new Parser(), queries, () => memory.buffer.byteLength);
  }

  get memoryBytes(): number {
    return this.#memory();
  }

  /** True when this thread should be replaced: the instance failed, or its memory has grown too far. */
  get isWorn(): boolean {
    return this.#broken || this.memoryBytes > WORN_BYTES;
  }

  /** Must have resolved before `parse` is called for this grammar. */
  async load(id: GrammarId): Promise<void> {
    if (this.#grammars.has(id)) return;
    const language = await Language.load(readFileSync(grammarPath(id)));
    const source = GRAMMARS[id].queries.map((name) => readFileSync(new URL(`${name}.scm`, this.#queries), 'utf8')).join('\n');
    this.#grammars.set(id, { language, query: new Query(language, source) });
  }

  /** Synchronous; takes at most about `budgetMs` of the thread's own time: what a file becomes must not depend on what else the machine does. */
  parse(id: GrammarId, text: string, budgetMs: number): ParseOutcome {
    const loaded = this.#grammars.get(id);
    if (loaded === undefined) throw new CairnError('INTERNAL', `Grammar ${id} is not loaded`);
    if (this.#broken) return { ok: false, reason: 'parser failed' };
    try {
      return this.#parse(id, loaded, text, new Budget(budgetMs));
    } catch {
      // RuntimeError of wasm (out of memory, abort): the instance cannot be used again.
      this.#broken = true;
      return { ok: false, reason: 'parser failed' };
    }
  }

  #parse(id: GrammarId, { language, query }: LoadedGrammar, text: string, budget: Budget): ParseOutcome {
    const input = new LexerInput(text, id);
    this.#parser.setLanguage(language);
    const tree = this.#parser.parse((index) => input.read(index), null, {
      progressCallback: (state): boolean => {
        input.reached(state.currentOffset / 2); // bytes of UTF-16
        return budget.isSpent();
      },
    });
    if (tree === null) {
      this.#parser.reset();
      return { ok: false, reason: 'parse budget' };
    }
    try {
      let expired = false;
      const matches = query.matches(tree.rootNode, {
        matchLimit: MATCH_LIMIT,
        progressCallback: (): boolean => (expired ||= budget.isSpent()),
      });
      return expired ? { ok: false, reason: 'query budget' } : { ok: true, matches: matches.map(toMatch) };
    } finally {
      tree.delete();
    }
  }
}

/** Processor time of this thread. The clock on the wall is cheaper to ask and never behind, so it is asked first. */
class Budget {
  readonly #ms: number;
  readonly #from = threadTime();
  #earliest: number;

  constructor(ms: number) {
    this.#ms = ms;
    this.#earliest = performance.now() + ms;
  }

  isSpent(): boolean {
    const now = performance.now();
    if (now < this.#earliest) return false;
    const left = this.#ms - (threadTime() - this.#from);
    this.#earliest = now + left;
    return left <= 0;
  }
}

function threadTime(): number {
  const { user, system } = process.threadCpuUsage();
  return (user + system) / 1000;
}

function toMatch(match: { patternIndex: number; captures: { name: string; node: Node }[] }): Match {
  return {
    pattern: match.patternIndex,
    captures: match.captures.map(({ name, node }) => ({ name, start: node.startIndex, end: node.endIndex })),
  };
}

/**
 * Hands the text to the lexer in slices, and ends it early where a scanner looks too far ahead (see Grammar.lookahead).
 * The parser's place is known from its progress reports, and from the lexer going back: it goes back to the start of a token.
 */
class LexerInput {
  readonly #text: string;
  readonly #slice: number;
  readonly #reach: number;
  #place = 0;
  #last = 0;

  constructor(text: string, id: GrammarId) {
    const { slice, lookahead } = GRAMMARS[id];
    this.#text = text;
    this.#slice = slice;
    this.#reach = lookahead === null ? Number.POSITIVE_INFINITY : lookahead + 2 * longestRun(text);
  }

  read(index: number): string {
    if (index < this.#last) this.reached(index);
    this.#last = index;
    return index > this.#place + this.#reach ? '' : this.#text.slice(index, index + this.#slice);
  }

  reached(place: number): void {
    if (place > this.#place) this.#place = place;
  }
}

/** Length of the longest block comment or multi-line string: the lexer must be able to see all of it at once. */
function longestRun(text: string): number {
  let longest = 0;
  for (const [open, close] of [['/*', '*/'], ['"""', '"""']] as const) {
    let from = text.indexOf(open);
    while (from !== -1) {
      const end = text.indexOf(close, from + open.length);
      longest = Math.max(longest, (end === -1 ? text.length : end) - from);
      if (end === -1) break;
      from = text.indexOf(open, end + close.length);
    }
  }
  return longest;
}
