/** Matching of a pattern in the lines of texts; the same function on the caller's thread (literals) and in the regex worker. */

/** Line within the text (0-based) and the first match in it; columns in UTF-16 units, end exclusive. */
export interface LineMatch {
  readonly line: number;
  readonly start: number;
  readonly end: number;
}

export interface CompiledLinePattern {
  readonly source: string;
  readonly flags: string;
}

/** The first match of each line of `text` that has one. Empty matches do not count. */
export function matchLines(text: string, regex: RegExp): LineMatch[] {
  const found: LineMatch[] = [];
  let line = 0;
  for (let from = 0; from <= text.length; line++) {
    const feed = text.indexOf('\n', from);
    const end = feed < 0 ? text.length : feed;
    const match = firstMatch(text.slice(from, text[end - 1] === '\r' && end > from ? end - 1 : end), regex);
    if (match !== null) found.push({ line, ...match });
    from = end + 1;
  }
  return found;
}

function firstMatch(line: string, regex: RegExp): { start: number; end: number } | null {
  regex.lastIndex = 0;
  for (let match = regex.exec(line); match !== null; match = regex.exec(line)) {
    if (match[0] !== '') return { start: match.index, end: match.index + match[0].length };
    regex.lastIndex++;
  }
  return null;
}
