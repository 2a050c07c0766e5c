/** The only door to the `ignore` package: the rules of one ignore file. */
import ignore from 'ignore';

export type Verdict = 'ignored' | 'unignored' | null;

/**
 * Invariant of the callers: `test` is asked only about paths whose folders are not ignored. The package itself ignores
 * everything below a folder that its rules ignore, but a deeper file may have overruled it; `lift` then takes that folder out.
 */
export class Matcher {
  readonly #text: string;
  readonly #ignoreCase: boolean;
  readonly #rules: ignore.Ignore;

  /** `text` is the content of an ignore file. */
  constructor(text: string, ignoreCase: boolean) {
    this.#text = text;
    this.#ignoreCase = ignoreCase;
    this.#rules = ignore({ ignoreCase }).add(toBytes(text));
  }

  /** What the rules say about a path relative to the folder of the ignore file; null: no rule applies. */
  test(path: string, isDirectory: boolean): Verdict {
    const bytes = toBytes(path);
    const result = this.#rules.test(isDirectory ? `${bytes}/` : bytes);
    if (result.ignored) return 'ignored';
    return result.unignored ? 'unignored' : null;
  }

  /** The same rules, but `folder` itself is not ignored by them. */
  lift(folder: string): Matcher {
    return new Matcher(`${this.#text}\n!/${folder.replace(/[\\*?[\]! #]/g, '\\$&')}/`, this.#ignoreCase);
  }
}

const NOT_ASCII = /[^\x00-\x7f]/;

/** One character per byte of UTF-8: git matches bytes, so its `?` does not match a letter of two bytes. */
function toBytes(text: string): string {
  return NOT_ASCII.test(text) ? Buffer.from(text, 'utf8').toString('latin1') : text;
}
