/**
 * Reads tokenizer.json into a small plain description that can be sent to another thread. Owns the list of what cairn
 * understands; a part that it does not understand is refused with UNSUPPORTED by name, never skipped: a tokenizer that
 * is only nearly right gives vectors that are wrong without any sign of it.
 */
import { CairnError } from '../util/errors.ts';
import type { WordList } from './vocabulary.ts';

export type NormalizerStep =
  | { readonly kind: 'replace'; readonly pattern: string; readonly content: string }
  | { readonly kind: 'lowercase' | 'strip-accents' | 'trim' }
  | { readonly kind: 'unicode'; readonly form: 'NFC' | 'NFD' | 'NFKC' | 'NFKD' }
  | { readonly kind: 'bert'; readonly clean: boolean; readonly chinese: boolean; readonly stripAccents: boolean; readonly lowercase: boolean };

export type SplitStep = {
  /** Source of a JavaScript regular expression (flags 'gu'). */
  readonly pattern: string;
  /** keep: the matches are the words; drop: the matches are delimiters; isolate: both matches and the text between are words. */
  readonly mode: 'keep' | 'drop' | 'isolate';
};

export interface TokenizerSpec {
  readonly normalizers: readonly NormalizerStep[];
  readonly splits: readonly SplitStep[];
  readonly prefix: string;
  readonly maxWordChars: number;
  readonly unknownId: number;
}

export interface TokenizerFile {
  readonly spec: TokenizerSpec;
  readonly vocabulary: WordList;
}

type Json = Readonly<Record<string, unknown>>;

/** Fails with CORRUPT (not the expected shape) or UNSUPPORTED (a known shape that cairn does not implement). */
export function readTokenizer(text: string, path: string): TokenizerFile {
  const reader = new Reader(path);
  const scanned = scanVocabulary(text);
  const root = reader.object(reader.parse(scanned?.rest ?? text), 'the file');
  reader.checkAddedTokens(root['added_tokens']);
  const model = reader.object(root['model'], 'model');
  if (model['type'] !== 'WordPiece') reader.unsupported(`model.type ${JSON.stringify(model['type'])}`);
  const vocabulary = reader.vocabulary(scanned?.list ?? wordList(reader.object(model['vocab'], 'model.vocab')));
  const unknown = model['unk_token'];
  return {
    spec: {
      normalizers: reader.normalizers(root['normalizer'], 'normalizer'),
      splits: reader.splits(root['pre_tokenizer'], 'pre_tokenizer'),
      prefix: reader.string(model['continuing_subword_prefix'] ?? '##', 'model.continuing_subword_prefix'),
      maxWordChars: reader.count(model['max_input_chars_per_word'] ?? 100, 'model.max_input_chars_per_word'),
      unknownId: vocabulary.ids[typeof unknown === 'string' ? vocabulary.words.indexOf(unknown) : -1] ?? -1,
    },
    vocabulary,
  };
}

/**
 * Takes the vocabulary out of the text without making an object of 30,000 keys, which is most of the time that loading a
 * model takes. Only the plain form is scanned; null for anything else, which then goes through JSON.parse as a whole.
 */
function scanVocabulary(text: string): { readonly list: WordList; readonly rest: string } | null {
  const opening = /"vocab"\s*:\s*\{/.exec(text);
  if (opening === null || text.indexOf('"vocab"', opening.index + 1) >= 0) return null;
  const start = opening.index + opening[0].length;
  const words: string[] = [];
  const ids: number[] = [];
  // A key without escapes, a colon, a whole number, a comma or the end.
  const entry = /\s*"([^"\\\x00-\x1f]*)"\s*:\s*(0|[1-9]\d{0,9})\s*([,}])/y;
  entry.lastIndex = start;
  for (;;) {
    const match = entry.exec(text);
    if (match === null) return null;
    if (match[1] !== '') {
      words.push(match[1] as string);
      ids.push(Number(match[2]));
    }
    if (match[3] === '}') break;
  }
  if (new Set(words).size !== words.length) return null;
  return { list: { words, ids }, rest: `${text.slice(0, start)}${text.slice(entry.lastIndex - 1)}` };
}

/** Values that are no numbers become NaN, which the check of the ids refuses. */
function wordList(vocab: Json): WordList {
  const words = Object.keys(vocab).filter((word) => word !== '');
  return { words, ids: words.map((word) => (typeof vocab[word] === 'number' ? vocab[word] : Number.NaN)) };
}

/** BERT's punctuation: all ASCII signs that are no letters or digits, and the Unicode class P. */
const PUNCTUATION = '[!-/:-@\\[-`{-~\\p{P}]';
const WORD = '[\\p{Alphabetic}\\p{M}\\p{Nd}\\p{Pc}\\p{Join_Control}]';
const MAX_PATTERN = 1000;
/** Words are collected in a buffer of twice this many code units. */
const MAX_WORD_CHARS = 10_000;

class Reader {
  readonly #path: string;

  constructor(path: string) {
    this.#path = path;
  }

  corrupt(message: string): never {
    throw new CairnError('CORRUPT', `${this.#path}: ${message}`, { path: this.#path, hint: 'Get a fresh copy of the model folder.' });
  }

  unsupported(part: string): never {
    throw new CairnError('UNSUPPORTED', `${this.#path}: ${part} is not supported`, {
      path: this.#path,
      hint: 'Use a model2vec model with a WordPiece tokenizer, for example the built-in one.',
    });
  }

  parse(text: string): unknown {
    try {
      return JSON.parse(text);
    } catch (cause) {
      return this.corrupt(`not JSON (${cause instanceof Error ? cause.message : String(cause)})`);
    }
  }

  object(value: unknown, part: string): Json {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) this.corrupt(`${part} is not an object`);
    return value as Json;
  }

  list(value: unknown, part: string): readonly unknown[] {
    if (!Array.isArray(value)) this.corrupt(`${part} is not a list`);
    return value;
  }

  string(value: unknown, part: string): string {
    if (typeof value !== 'string') this.corrupt(`${part} is not a string`);
    return value;
  }

  count(value: unknown, part: string): number {
    if (!Number.isSafeInteger(value) || (value as number) < 0 || (value as number) > MAX_WORD_CHARS) {
      this.corrupt(`${part} is not a number from 0 to ${MAX_WORD_CHARS}`);
    }
    return value as number;
  }

  flag(value: unknown, fallback: boolean, part: string): boolean {
    const flag = value ?? fallback;
    if (typeof flag !== 'boolean') this.corrupt(`${part} is not true or false`);
    return flag;
  }

  /** Special tokens stand for themselves only in marked-up text; anything else would change how plain text is cut. */
  checkAddedTokens(value: unknown): void {
    for (const entry of this.list(value ?? [], 'added_tokens')) {
      const token = this.object(entry, 'an entry of added_tokens');
      if (token['special'] !== true) this.unsupported(`added_tokens: ${JSON.stringify(token['content'])} without "special"`);
    }
  }

  vocabulary({ words, ids }: WordList): WordList {
    if (words.length === 0) this.corrupt('model.vocab is empty');
    const bad = ids.findIndex((id) => !Number.isInteger(id) || id < 0 || id > 0x7fffffff);
    if (bad >= 0) this.corrupt(`model.vocab: ${JSON.stringify(words[bad])} has no valid id`);
    const long = words.find((word) => word.length > MAX_PATTERN);
    if (long !== undefined) this.corrupt(`model.vocab: a key of ${long.length} characters`);
    return { words, ids };
  }

  normalizers(value: unknown, part: string): NormalizerStep[] {
    if (value === null || value === undefined) return [];
    const step = this.object(value, part);
    switch (step['type']) {
      case 'Sequence':
        return this.list(step['normalizers'], `${part}.normalizers`).flatMap((inner, i) => this.normalizers(inner, `${part}.normalizers[${i}]`));
      case 'Replace':
        return [{ kind: 'replace', pattern: this.pattern(step['pattern'], `${part}.pattern`), content: this.string(step['content'], `${part}.content`) }];
      case 'Lowercase':
        return [{ kind: 'lowercase' }];
      case 'StripAccents':
        return [{ kind: 'strip-accents' }];
      case 'Strip':
        if (step['strip_left'] !== true || step['strip_right'] !== true) this.unsupported(`${part}: Strip of one side`);
        return [{ kind: 'trim' }];
      case 'NFC': case 'NFD': case 'NFKC': case 'NFKD':
        return [{ kind: 'unicode', form: step['type'] }];
      case 'BertNormalizer':
        return [this.#bert(step, part)];
      default:
        return this.unsupported(`${part}.type ${JSON.stringify(step['type'])}`);
    }
  }

  #bert(step: Json, part: string): NormalizerStep {
    const lowercase = this.flag(step['lowercase'], true, `${part}.lowercase`);
    return {
      kind: 'bert',
      clean: this.flag(step['clean_text'], true, `${part}.clean_text`),
      chinese: this.flag(step['handle_chinese_chars'], true, `${part}.handle_chinese_chars`),
      stripAccents: this.flag(step['strip_accents'], lowercase, `${part}.strip_accents`),
      lowercase,
    };
  }

  splits(value: unknown, part: string): SplitStep[] {
    if (value === null || value === undefined) return [];
    const step = this.object(value, part);
    switch (step['type']) {
      case 'Sequence':
        return this.list(step['pretokenizers'], `${part}.pretokenizers`).flatMap((inner, i) => this.splits(inner, `${part}.pretokenizers[${i}]`));
      case 'BertPreTokenizer':
        return [{ pattern: '\\s', mode: 'drop' }, { pattern: PUNCTUATION, mode: 'isolate' }];
      case 'Whitespace':
        return [{ pattern: `${WORD}+|(?:(?!${WORD})\\S)+`, mode: 'keep' }];
      case 'WhitespaceSplit':
        return [{ pattern: '\\s', mode: 'drop' }];
      case 'Punctuation':
        return [{ pattern: PUNCTUATION, mode: this.#mode(step['behavior'] ?? 'Isolated', false, part) }];
      case 'Digits':
        return [{ pattern: this.flag(step['individual_digits'], false, `${part}.individual_digits`) ? '\\p{N}' : '\\p{N}+', mode: 'isolate' }];
      case 'Split':
        return [{
          pattern: this.pattern(step['pattern'], `${part}.pattern`),
          mode: this.#mode(step['behavior'], this.flag(step['invert'], false, `${part}.invert`), part),
        }];
      default:
        return this.unsupported(`${part}.type ${JSON.stringify(step['type'])}`);
    }
  }

  #mode(behavior: unknown, inverted: boolean, part: string): SplitStep['mode'] {
    if (behavior === 'Removed') return inverted ? 'keep' : 'drop';
    if (behavior === 'Isolated') return 'isolate';
    return this.unsupported(`${part}.behavior ${JSON.stringify(behavior)}`);
  }

  /** {Regex: …} or {String: …} as the source of a JavaScript expression. */
  pattern(value: unknown, part: string): string {
    const { Regex: regex, String: literal } = this.object(value, part);
    if (typeof literal === 'string' && literal !== '') return literal.replace(/[\\^$.*+?()[\]{}|/-]/g, '\\$&').replaceAll('\\-', '\\x2d');
    if (typeof regex !== 'string' || regex === '' || regex.length > MAX_PATTERN) this.corrupt(`${part} holds no pattern`);
    try {
      new RegExp(regex as string, 'gu');
    } catch {
      this.unsupported(`${part} ${JSON.stringify(regex)}`);
    }
    return regex as string;
  }
}
