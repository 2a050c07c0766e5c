/**
 * A static embedding model (model2vec layout): one row of numbers per token, a text is a weighted sum of the rows of its
 * tokens. Owns the arithmetic and the memory layout; everything large lies in one SharedArrayBuffer, so that all threads
 * of the process use one copy. Never does I/O.
 *
 * Invariant: for the built-in model the result equals golden.json bit for bit, which fixes the order of additions:
 * distinct tokens in order of first appearance, sqrt(count) · weight in double precision, one rounding to f32 per addition.
 */
import { CodeTokenizer, GeneralTokenizer, isCodeTokenizer } from './tokenizer.ts';
import type { Tokenizer } from './tokenizer.ts';
import type { TokenizerSpec } from './tokenizer-file.ts';
import type { Pooling } from './model-config.ts';
import { Vocabulary, fillVocabulary, vocabularyShape } from './vocabulary.ts';
import type { VocabularyArrays, VocabularyShape, WordList } from './vocabulary.ts';
import { WordPiece } from './word-piece.ts';
import type { EmbedderIdentity } from './embedder.ts';

/** What a model is made of, before it is laid out for sharing. */
export interface ModelParts {
  readonly identity: EmbedderIdentity;
  readonly pooling: Pooling;
  readonly maxTokens: number;
  readonly documentTemplate: string;
  readonly tokenizer: TokenizerSpec;
  readonly vocabulary: WordList;
  /** Row-major, vocabulary size × dimension. */
  readonly rows: Int8Array | Float32Array;
  /** One factor per row. */
  readonly weights: Float32Array;
}

/** Plain data for `postMessage` or `workerData`; the buffer is shared, not copied. */
export interface SharedModel {
  readonly buffer: SharedArrayBuffer;
  readonly identity: EmbedderIdentity;
  readonly pooling: Pooling;
  readonly maxTokens: number;
  readonly documentTemplate: string;
  readonly tokenizer: TokenizerSpec;
  readonly asciiVocabulary: boolean;
  readonly rowType: 'i8' | 'f32';
  readonly rowCount: number;
  readonly words: VocabularyShape;
  readonly pieces: VocabularyShape;
}

export class StaticModel {
  readonly identity: EmbedderIdentity;
  readonly documentTemplate: string;
  readonly #shared: SharedModel;
  readonly #tokenizer: Tokenizer;
  readonly #rows: Int8Array | Float32Array;
  readonly #weights: Float32Array;
  readonly #ids: Int32Array;
  readonly #distinct: Int32Array;
  readonly #counts: Uint16Array;
  readonly #factors: Float64Array;

  private constructor(shared: SharedModel) {
    const views = layOut(shared.buffer, shared);
    this.#shared = shared;
    this.identity = shared.identity;
    this.documentTemplate = shared.documentTemplate;
    this.#tokenizer = createTokenizer(shared, views);
    this.#rows = views.rows;
    this.#weights = views.weights;
    this.#ids = new Int32Array(shared.maxTokens);
    this.#distinct = new Int32Array(shared.maxTokens);
    this.#factors = new Float64Array(shared.maxTokens);
    this.#counts = new Uint16Array(shared.rowCount);
  }

  /** Copies the parts into shared memory. */
  static fromParts(parts: ModelParts): StaticModel {
    const { rows, weights, vocabulary, tokenizer, ...rest } = parts;
    const pieces = continuations(vocabulary, tokenizer.prefix);
    const description = {
      ...rest,
      tokenizer,
      asciiVocabulary: vocabulary.words.every(isAscii),
      rowType: rows instanceof Int8Array ? ('i8' as const) : ('f32' as const),
      rowCount: weights.length,
      words: vocabularyShape(vocabulary),
      pieces: vocabularyShape(pieces),
    };
    const buffer = new SharedArrayBuffer(layOut(null, description).bytes);
    const views = layOut(buffer, description);
    views.rows.set(rows);
    views.weights.set(weights);
    fillVocabulary(vocabulary, views.words);
    fillVocabulary(pieces, views.pieces);
    return new StaticModel({ ...description, buffer });
  }

  /** A second view on the same memory, for another thread (or the same one). */
  static fromShared(shared: SharedModel): StaticModel {
    return new StaticModel(shared);
  }

  share(): SharedModel {
    return this.#shared;
  }

  get dimension(): number {
    return this.identity.dimension;
  }

  /** Token ids after truncation to the model's maximum; words that cannot be spelled are skipped. */
  tokenIds(text: string): Int32Array {
    return this.#ids.slice(0, this.#tokenizer.encode(text, this.#ids));
  }

  /** The vector of `text`, of length 1 if the model is normalized; all zeros for a text without tokens. */
  embed(text: string): Float32Array {
    const tokens = this.#tokenizer.encode(text, this.#ids);
    const vector = new Float32Array(this.dimension);
    addRows(vector, this.#rows, this.#distinct, this.#factors, this.#countTokens(tokens));
    if (this.#shared.pooling === 'mean' && tokens > 0) scale(vector, 1 / tokens);
    if (this.identity.normalized) normalize(vector);
    return vector;
  }

  /** Fills #distinct and #factors; returns the number of distinct tokens. */
  #countTokens(tokens: number): number {
    const counts = this.#counts;
    let distinct = 0;
    for (let i = 0; i < tokens; i++) {
      const id = this.#ids[i] as number;
      if (counts[id] === 0) this.#distinct[distinct++] = id;
      counts[id] = (counts[id] as number) + 1;
    }
    const square = this.#shared.pooling === 'sqrt_tf';
    for (let i = 0; i < distinct; i++) {
      const id = this.#distinct[i] as number;
      const n = counts[id] as number;
      this.#factors[i] = (square ? Math.sqrt(n) : n) * (this.#weights[id] as number);
      counts[id] = 0;
    }
    return distinct;
  }
}

/** vector += Σ factor · row, tokens in order; four rows a pass to halve the loads and stores, which changes no rounding. */
function addRows(vector: Float32Array, rows: Int8Array | Float32Array, ids: Int32Array, factors: Float64Array, count: number): void {
  const dimension = vector.length;
  let i = 0;
  for (; i + 4 <= count; i += 4) {
    const a = (ids[i] as number) * dimension;
    const b = (ids[i + 1] as number) * dimension;
    const c = (ids[i + 2] as number) * dimension;
    const d = (ids[i + 3] as number) * dimension;
    const fa = factors[i] as number;
    const fb = factors[i + 1] as number;
    const fc = factors[i + 2] as number;
    const fd = factors[i + 3] as number;
    for (let k = 0; k < dimension; k++) {
      let sum = Math.fround((vector[k] as number) + fa * (rows[a + k] as number));
      sum = Math.fround(sum + fb * (rows[b + k] as number));
      sum = Math.fround(sum + fc * (rows[c + k] as number));
      vector[k] = sum + fd * (rows[d + k] as number);
    }
  }
  for (; i < count; i++) {
    const row = (ids[i] as number) * dimension;
    const factor = factors[i] as number;
    for (let k = 0; k < dimension; k++) vector[k] = (vector[k] as number) + factor * (rows[row + k] as number);
  }
}

function scale(vector: Float32Array, factor: number): void {
  for (let k = 0; k < vector.length; k++) vector[k] = (vector[k] as number) * factor;
}

function normalize(vector: Float32Array): void {
  let sum = 0;
  for (let k = 0; k < vector.length; k++) sum += (vector[k] as number) * (vector[k] as number);
  if (sum > 0) scale(vector, 1 / Math.sqrt(sum));
}

/** The pieces that go on with a word, without their prefix. */
function continuations({ words, ids }: WordList, prefix: string): WordList {
  if (prefix === '') return { words, ids };
  const pieces = { words: [] as string[], ids: [] as number[] };
  words.forEach((word, i) => {
    if (word.length <= prefix.length || !word.startsWith(prefix)) return;
    pieces.words.push(word.slice(prefix.length));
    pieces.ids.push(ids[i] as number);
  });
  return pieces;
}

function isAscii(text: string): boolean {
  for (let i = 0; i < text.length; i++) if (text.charCodeAt(i) > 127) return false;
  return true;
}

type Layout = Pick<SharedModel, 'rowType' | 'rowCount' | 'words' | 'pieces' | 'identity'>;

interface Views {
  readonly bytes: number;
  readonly rows: Int8Array | Float32Array;
  readonly weights: Float32Array;
  readonly words: VocabularyArrays;
  readonly pieces: VocabularyArrays;
}

/** The arrays of a model one after another, each at a multiple of 8 bytes; with no buffer only the size is meant. */
function layOut(buffer: SharedArrayBuffer | null, layout: Layout): Views {
  let bytes = 0;
  const target = buffer ?? new ArrayBuffer(0);
  const take = <T>(Type: { new (buffer: ArrayBufferLike, offset: number, length: number): T; readonly BYTES_PER_ELEMENT: number }, length: number): T => {
    const offset = bytes;
    bytes += Math.ceil((length * Type.BYTES_PER_ELEMENT) / 8) * 8;
    return buffer === null ? new Type(target, 0, 0) : new Type(target, offset, length);
  };
  const vocabulary = (shape: VocabularyShape): VocabularyArrays => ({
    slots: take(Uint32Array, shape.slots),
    ends: take(Uint32Array, shape.entries),
    ids: take(Int32Array, shape.entries),
    units: take(Uint16Array, shape.units),
  });
  const size = layout.rowCount * layout.identity.dimension;
  const rows = layout.rowType === 'i8' ? take(Int8Array, size) : take(Float32Array, size);
  const weights = take(Float32Array, layout.rowCount);
  const words = vocabulary(layout.words);
  const pieces = vocabulary(layout.pieces);
  return { bytes, rows, weights, words, pieces };
}

function createTokenizer(shared: SharedModel, views: Views): Tokenizer {
  const words = new Vocabulary(views.words, shared.words.longest);
  const wordPiece = new WordPiece(words, new Vocabulary(views.pieces, shared.pieces.longest), shared.tokenizer);
  return shared.asciiVocabulary && isCodeTokenizer(shared.tokenizer) ? new CodeTokenizer(wordPiece) : new GeneralTokenizer(shared.tokenizer, wordPiece);
}
