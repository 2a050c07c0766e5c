/**
 * A decoded source file as lines. Line numbers are 1-based, offsets are UTF-16 code units into `text`.
 * Lines end at LF; a CR before it belongs to the line end. A last line without LF counts, an empty rest after the last LF does not.
 */
export class SourceText {
  readonly text: string;
  /** Without line ends. */
  readonly lines: readonly string[];
  readonly #starts: readonly number[];

  constructor(text: string) {
    this.text = text;
    const lines: string[] = [];
    const starts: number[] = [];
    for (let from = 0; from < text.length; ) {
      const feed = text.indexOf('\n', from);
      const end = feed === -1 ? text.length : feed;
      starts.push(from);
      lines.push(text.slice(from, end > from && text.charCodeAt(end - 1) === CR ? end - 1 : end));
      from = end + 1;
    }
    this.lines = lines;
    this.#starts = starts;
  }

  /** Line that holds the character at `offset`. */
  lineAt(offset: number): number {
    const starts = this.#starts;
    let low = 0;
    let high = starts.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >>> 1;
      if ((starts[middle] as number) <= offset) low = middle;
      else high = middle - 1;
    }
    return low + 1;
  }

  /** Last line of a span that ends before `end` (exclusive); a line feed at the very end does not reach into the next line. */
  lastLineOf(start: number, end: number): number {
    return this.lineAt(Math.max(start, end - 1));
  }

  /** True if only white space stands before `offset` on its line. */
  startsLine(offset: number): boolean {
    const from = this.#starts[this.lineAt(offset) - 1] ?? 0;
    return this.text.slice(from, offset).trim() === '';
  }

  /** True if only white space stands between `offset` and the end of its line. */
  endsLine(offset: number): boolean {
    const feed = this.text.indexOf('\n', Math.max(0, offset - 1));
    return this.text.slice(offset, feed === -1 ? this.text.length : feed).trim() === '';
  }
}

const CR = 13;

export function isBlank(line: string): boolean {
  return line.trim() === '';
}
