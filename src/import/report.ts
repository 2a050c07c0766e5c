/** What an import took, what it refused and why, and what is worth knowing. A refused record never stops the rest. */
import type { ErrorCode } from '../util/errors.ts';

export interface Refusal {
  readonly reason: string;
  readonly count: number;
  /** The first of them: ids, keys or positions. */
  readonly examples: readonly string[];
}

export interface ImportWarning {
  readonly code: ErrorCode;
  readonly message: string;
  /** Where two numbers disagree. */
  readonly expected?: number;
  readonly found?: number;
}

export interface ImportReport {
  /** Records of a vector index, chunks of a code index. */
  readonly taken: number;
  readonly refused: readonly Refusal[];
  readonly warnings: readonly ImportWarning[];
}

const MAX_EXAMPLES = 10;
const MAX_EXAMPLE_LENGTH = 200;

export class ReportBuilder {
  taken = 0;
  readonly #refused = new Map<string, { count: number; readonly examples: string[] }>();
  readonly #warnings: ImportWarning[] = [];

  refuse(reason: string, example: string): void {
    const known = this.#refused.get(reason) ?? { count: 0, examples: [] };
    known.count++;
    if (known.examples.length < MAX_EXAMPLES) known.examples.push(example.slice(0, MAX_EXAMPLE_LENGTH));
    this.#refused.set(reason, known);
  }

  warn(code: ErrorCode, message: string, numbers: { readonly expected?: number; readonly found?: number } = {}): void {
    this.#warnings.push({ code, message, ...numbers });
  }

  report(): ImportReport {
    return { taken: this.taken, refused: [...this.#refused].map(([reason, { count, examples }]) => ({ reason, count, examples })), warnings: this.#warnings };
  }
}
