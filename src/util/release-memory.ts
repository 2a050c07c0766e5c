/** Garbage of a thread that has just done something large and will do little for a while, so that V8 has no reason to look. */

/** Only there when the process was started with --expose-gc. */
const { gc } = globalThis as { readonly gc?: NodeJS.GCFunction };

/** Gives back what is garbage and the pages that become empty, buffers included. Takes tens of milliseconds. */
export function releaseMemory(): void {
  gc?.({ type: 'major', execution: 'sync', flavor: 'last-resort' });
}
