/**
 * Reads one large JSON object a member at a time: members of arrays one by one, other values whole. Holds the bytes of one value.
 * The scanner only finds where values begin and end (strings, nesting); each value is then checked in full by JSON.parse.
 */
import { CairnError, type ErrorCode } from '../util/errors.ts';
import type { ByteSource } from './byte-source.ts';

export interface JsonItem {
  readonly key: string;
  /** Position in the array that is the value of `key`; null when the value is no array. */
  readonly index: number | null;
  /** Of the value in the file. */
  readonly offset: number;
  readonly length: number;
  /** What is wrong with this value alone; then `value` is undefined and the rest goes on. */
  readonly problem: string | null;
  readonly value: unknown;
}

export interface JsonLimits {
  /** A longer value is skipped, with a problem. */
  readonly maxValueBytes: number;
  readonly maxDepth: number;
}

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const COMMA = 0x2c;
const COLON = 0x3a;
const OPEN_LIST = 0x5b;
const CLOSE_LIST = 0x5d;
const OPEN_OBJECT = 0x7b;
const CLOSE_OBJECT = 0x7d;
const MAX_KEY_BYTES = 65_536;

const isSpace = (byte: number): boolean => byte === 0x20 || byte === 0x0a || byte === 0x0d || byte === 0x09;

/** CORRUPT or TRUNCATED, with the offset, when the file is no JSON object as a whole. */
export async function* readJsonObject(source: ByteSource, path: string, limits: JsonLimits): AsyncGenerator<JsonItem> {
  const scanner = new Scanner(source, path, limits);
  await scanner.expect(OPEN_OBJECT, 'an object');
  const seen = new Set<string>();
  for (let isFirst = true; ; isFirst = false) {
    const byte = await scanner.peekToken();
    if (byte === CLOSE_OBJECT && isFirst) break;
    const key = await scanner.key();
    if (seen.has(key)) throw scanner.fail(`the key ${JSON.stringify(key.slice(0, 80))} stands there twice`);
    seen.add(key);
    await scanner.expect(COLON, 'a colon');
    if ((await scanner.peekToken()) === OPEN_LIST) yield* members(scanner, key);
    else yield await scanner.value(key, null);
    if ((await scanner.peekToken()) === CLOSE_OBJECT) break;
    await scanner.expect(COMMA, 'a comma or the end of the object');
  }
  await scanner.expect(CLOSE_OBJECT, 'the end of the object');
  await scanner.expectEnd();
}

async function* members(scanner: Scanner, key: string): AsyncGenerator<JsonItem> {
  await scanner.expect(OPEN_LIST, 'a list');
  if ((await scanner.peekToken()) !== CLOSE_LIST) {
    for (let index = 0; ; index++) {
      yield await scanner.value(key, index);
      if ((await scanner.peekToken()) === CLOSE_LIST) break;
      await scanner.expect(COMMA, 'a comma or the end of the list');
    }
  }
  await scanner.expect(CLOSE_LIST, 'the end of the list');
}

class Scanner {
  readonly #source: ByteSource;
  readonly #path: string;
  readonly #limits: JsonLimits;
  #piece: Buffer = Buffer.alloc(0);
  #at = 0;
  /** Position of #piece[0] in the file. */
  #base = 0;

  constructor(source: ByteSource, path: string, limits: JsonLimits) {
    this.#source = source;
    this.#path = path;
    this.#limits = limits;
  }

  get offset(): number {
    return this.#base + this.#at;
  }

  fail(what: string, code: ErrorCode = 'CORRUPT'): CairnError {
    return new CairnError(code, `${this.#path}: ${what} at offset ${this.offset}`, { path: this.#path, offset: this.offset });
  }

  /** The next byte that is no space, not consumed. */
  async peekToken(): Promise<number> {
    for (;;) {
      while (this.#at < this.#piece.length && isSpace(this.#piece[this.#at] as number)) this.#at++;
      if (this.#at < this.#piece.length) return this.#piece[this.#at] as number;
      if (!(await this.#fill())) throw this.fail('the file ends inside the object', 'TRUNCATED');
    }
  }

  async expect(byte: number, what: string): Promise<void> {
    if ((await this.peekToken()) !== byte) throw this.fail(`${what} was expected`);
    this.#at++;
  }

  async expectEnd(): Promise<void> {
    do {
      while (this.#at < this.#piece.length) {
        if (!isSpace(this.#piece[this.#at] as number)) throw this.fail('something stands behind the object');
        this.#at++;
      }
    } while (await this.#fill());
  }

  async key(): Promise<string> {
    if ((await this.peekToken()) !== QUOTE) throw this.fail('a key was expected');
    const { bytes } = await this.#string(MAX_KEY_BYTES);
    const parsed = bytes === null ? { problem: 'too long', value: '' } : parse(bytes);
    if (parsed.problem !== null) throw this.fail(`a key that cannot be read (${parsed.problem})`);
    return parsed.value as string;
  }

  async value(key: string, index: number | null): Promise<JsonItem> {
    const first = await this.peekToken();
    const offset = this.offset;
    const { bytes, isTooDeep } = first === QUOTE ? { ...(await this.#string(this.#limits.maxValueBytes)), isTooDeep: false } : first === OPEN_OBJECT || first === OPEN_LIST ? await this.#nested() : { bytes: await this.#word(), isTooDeep: false };
    const length = this.offset - offset;
    if (isTooDeep) return { key, index, offset, length, problem: `nested deeper than ${this.#limits.maxDepth}`, value: undefined };
    if (bytes === null) return { key, index, offset, length, problem: `longer than ${this.#limits.maxValueBytes} bytes`, value: undefined };
    return { key, index, offset, length, ...parse(bytes) };
  }

  /** `bytes` is null when there are more than `limit`. */
  async #string(limit: number): Promise<{ readonly bytes: Buffer | null }> {
    const out = new Collector(limit);
    let isEscaped = false;
    let isOpen = false;
    for (;;) {
      let at = this.#at;
      for (; at < this.#piece.length; at++) {
        const byte = this.#piece[at] as number;
        if (isEscaped) isEscaped = false;
        else if (byte === BACKSLASH) isEscaped = true;
        else if (byte === QUOTE) {
          if (isOpen) {
            out.add(this.#piece.subarray(this.#at, at + 1));
            this.#at = at + 1;
            return { bytes: out.bytes };
          }
          isOpen = true;
        }
      }
      out.add(this.#piece.subarray(this.#at));
      this.#at = this.#piece.length;
      if (!(await this.#fill())) throw this.fail('the file ends inside a text', 'TRUNCATED');
    }
  }

  async #nested(): Promise<{ readonly bytes: Buffer | null; readonly isTooDeep: boolean }> {
    const out = new Collector(this.#limits.maxValueBytes);
    let depth = 0;
    let isTooDeep = false;
    let isInString = false;
    let isEscaped = false;
    for (;;) {
      for (let at = this.#at; at < this.#piece.length; at++) {
        const byte = this.#piece[at] as number;
        if (isInString) {
          if (isEscaped) isEscaped = false;
          else if (byte === BACKSLASH) isEscaped = true;
          else if (byte === QUOTE) isInString = false;
        } else if (byte === QUOTE) isInString = true;
        else if (byte === OPEN_OBJECT || byte === OPEN_LIST) {
          if (++depth > this.#limits.maxDepth) isTooDeep = true;
        } else if ((byte === CLOSE_OBJECT || byte === CLOSE_LIST) && --depth === 0) {
          out.add(this.#piece.subarray(this.#at, at + 1));
          this.#at = at + 1;
          return { bytes: out.bytes, isTooDeep };
        }
      }
      out.add(this.#piece.subarray(this.#at));
      this.#at = this.#piece.length;
      if (!(await this.#fill())) throw this.fail('the file ends inside a value', 'TRUNCATED');
    }
  }

  /** A number, true, false or null. */
  async #word(): Promise<Buffer | null> {
    const out = new Collector(this.#limits.maxValueBytes);
    const ends = (byte: number): boolean => isSpace(byte) || byte === COMMA || byte === CLOSE_LIST || byte === CLOSE_OBJECT;
    for (;;) {
      let at = this.#at;
      while (at < this.#piece.length && !ends(this.#piece[at] as number)) at++;
      out.add(this.#piece.subarray(this.#at, at));
      this.#at = at;
      if (at < this.#piece.length) {
        if (out.bytes?.length === 0) throw this.fail('a value was expected');
        return out.bytes;
      }
      if (!(await this.#fill())) throw this.fail('the file ends inside a value', 'TRUNCATED');
    }
  }

  async #fill(): Promise<boolean> {
    this.#base = this.#source.position;
    this.#piece = await this.#source.takeSome();
    this.#at = 0;
    return this.#piece.length > 0;
  }
}

/** Gathers the bytes of a value up to a limit; beyond it keeps nothing. */
class Collector {
  readonly #limit: number;
  #parts: Buffer[] = [];
  #length = 0;

  constructor(limit: number) {
    this.#limit = limit;
  }

  add(bytes: Buffer): void {
    this.#length += bytes.length;
    if (this.#length > this.#limit) this.#parts = [];
    else if (bytes.length > 0) this.#parts.push(Buffer.from(bytes));
  }

  get bytes(): Buffer | null {
    return this.#length > this.#limit ? null : Buffer.concat(this.#parts);
  }
}

const UTF8 = new TextDecoder('utf-8', { fatal: true });

function parse(bytes: Uint8Array): { readonly problem: string | null; readonly value: unknown } {
  let text: string;
  try {
    text = UTF8.decode(bytes);
  } catch {
    return { problem: 'not UTF-8', value: undefined };
  }
  try {
    return { problem: null, value: JSON.parse(text) as unknown };
  } catch {
    return { problem: 'not JSON', value: undefined };
  }
}
