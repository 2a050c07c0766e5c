/** Asks a yes-or-no question. Everything but a yes is a no: an input that ends, Ctrl-D, Ctrl-C. */
import { createInterface } from 'node:readline/promises';

export async function confirm(question: string, input: NodeJS.ReadableStream, output: NodeJS.WritableStream, signal: AbortSignal): Promise<boolean> {
  const terminal = createInterface({ input, output });
  // The promise of `question` stays open for ever when the input ends.
  const ended = new Promise<string>((resolve) => terminal.once('close', () => resolve('')));
  const answered = terminal.question(question, { signal }).catch(() => '');
  try {
    return /^y(es)?$/i.test((await Promise.race([answered, ended])).trim());
  } finally {
    terminal.close();
  }
}
