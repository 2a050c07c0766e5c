/**
 * Checked access to the fields of parsed JSON. A field that is missing, of the wrong type or out of range is CORRUPT,
 * with the path of the field in the message; nothing is guessed or filled in.
 */
import { CairnError } from '../util/errors.ts';

export class JsonFields {
  readonly #value: Readonly<Record<string, unknown>>;
  readonly #path: string;
  readonly #where: string;

  /** `where` is the position inside the document, '' at the top. */
  constructor(value: unknown, path: string, where = '') {
    this.#path = path;
    this.#where = where;
    if (typeof value !== 'object' || value === null || Array.isArray(value)) throw this.#wrong('', 'is not an object');
    this.#value = value as Record<string, unknown>;
  }

  /** A whole number from 0 below 2^53. */
  count(name: string): number {
    const value = this.#get(name);
    if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < 0) throw this.#wrong(name, 'is not a whole number');
    return value;
  }

  /** Matches `pattern`, at most `maxLength` characters. */
  string(name: string, pattern?: RegExp, maxLength = 4096): string {
    const value = this.#get(name);
    if (typeof value !== 'string' || value.length > maxLength) throw this.#wrong(name, `is not a text of at most ${maxLength} characters`);
    if (pattern !== undefined && !pattern.test(value)) throw this.#wrong(name, `does not match ${pattern.source}`);
    return value;
  }

  boolean(name: string): boolean {
    const value = this.#get(name);
    if (typeof value !== 'boolean') throw this.#wrong(name, 'is neither true nor false');
    return value;
  }

  oneOf<T extends string>(name: string, allowed: readonly T[]): T {
    const value = this.#get(name);
    const found = allowed.find((one) => one === value);
    if (found === undefined) throw this.#wrong(name, `is not one of ${allowed.join(', ')}`);
    return found;
  }

  nullable<T>(name: string, read: (name: string) => T): T | null {
    return this.#get(name) === null ? null : read(name);
  }

  /** null when the field is missing or null: for fields that older writers did not know. */
  optional<T>(name: string, read: (name: string) => T): T | null {
    return this.#get(name) === undefined ? null : this.nullable(name, read);
  }

  /** An object whose fields somebody else checks. */
  record(name: string): Readonly<Record<string, unknown>> {
    return this.object(name).#value;
  }

  object(name: string): JsonFields {
    return new JsonFields(this.#get(name), this.#path, this.#at(name));
  }

  /** An array of objects. */
  list<T>(name: string, read: (fields: JsonFields) => T): T[] {
    const value = this.#get(name);
    if (!Array.isArray(value)) throw this.#wrong(name, 'is not a list');
    return value.map((item, i) => read(new JsonFields(item, this.#path, `${this.#at(name)}[${i}]`)));
  }

  #get(name: string): unknown {
    return Object.hasOwn(this.#value, name) ? this.#value[name] : undefined;
  }

  #at(name: string): string {
    return this.#where === '' ? name : `${this.#where}.${name}`;
  }

  #wrong(name: string, what: string): CairnError {
    const field = name === '' ? this.#where || 'the document' : this.#at(name);
    const is = name !== '' && this.#get(name) === undefined ? 'is missing' : what;
    return new CairnError('CORRUPT', `${this.#path}: ${field} ${is}`, { path: this.#path, offset: 0 });
  }
}
