/**
 * Text for terminals: colours, and the one function that all text from files and from the daemon goes through before it is
 * written. Repository content is hostile: an escape sequence in it must never reach a terminal.
 */
import type { CommonOptions, Io } from './io.ts';

export type Paint = (text: string) => string;

export interface Style {
  readonly bold: Paint;
  readonly dim: Paint;
  readonly path: Paint;
  readonly match: Paint;
  readonly good: Paint;
  readonly warn: Paint;
  readonly bad: Paint;
}

const plain: Paint = (text) => text;
const sgr = (on: string, off: string): Paint => (text) => (text === '' ? '' : `\u001b[${on}m${text}\u001b[${off}m`);

const COLOUR: Style = {
  bold: sgr('1', '22'), dim: sgr('2', '22'), path: sgr('36', '39'), match: sgr('1;33', '22;39'), good: sgr('32', '39'), warn: sgr('33', '39'), bad: sgr('31', '39'),
};
const PLAIN: Style = { bold: plain, dim: plain, path: plain, match: plain, good: plain, warn: plain, bad: plain };

/** Colour on a terminal unless NO_COLOR (no-color.org) or --color says otherwise. */
export function styleFor(io: Io, options: CommonOptions, target: 'stdout' | 'stderr' = 'stdout'): Style {
  if (options.color === 'always') return COLOUR;
  const wanted = io[target].isTTY && (io.env['NO_COLOR'] ?? '') === '' && io.env['TERM'] !== 'dumb';
  return wanted && options.color !== 'never' ? COLOUR : PLAIN;
}

/** Line feeds and tabs stay; other control characters become visible pictures, bidirectional overrides and C1 become �. */
export function neutralize(text: string): string {
  return text
    .replace(/\r\n/g, '\n')
    .replace(/[\u0000-\u0008\u000b-\u001f]/g, (c) => String.fromCharCode(0x2400 + c.charCodeAt(0)))
    .replace(/\u007f/g, '\u2421')
    .replace(/[\u0080-\u009f\u200e\u200f\u202a-\u202e\u2066-\u2069]/g, '\ufffd');
}

/** The same for text that must stay on one line (paths, names, messages). */
export function oneLine(text: string): string {
  return neutralize(text).replace(/[\n\t]/g, (c) => (c === '\n' ? '\u240a' : '\u2409'));
}

/** One damage that verify found, on one line: the place, and what is wrong there without the place again. */
export function damageLine({ file, offset, what }: { readonly file: string; readonly offset: number | null; readonly what: string }): string {
  const said = what.startsWith(`${file}: `) ? what.slice(file.length + 2) : what;
  return `  ${oneLine(file)}${offset === null || new RegExp(`\\boffset ${offset}\\b`).test(said) ? '' : ` at ${offset}`}: ${oneLine(said)}\n`;
}
