/** The built-in embedder: a static model behind the Embedder interface, and the texts that it wants to see. */
import { setImmediate } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { requireNotCancelled } from '../util/cancel.ts';
import type { Embedder, EmbedderIdentity } from './embedder.ts';
import { loadStaticModel } from './model-files.ts';
import { StaticModel } from './static-model.ts';
import type { SharedModel } from './static-model.ts';
import { textPrefix } from './text-template.ts';

/** Folder of the model that ships with cairn. */
export const BUILT_IN_MODEL = new URL('./model/', import.meta.url);

/** The longest that embed() holds its thread between two looks at the signal, milliseconds. */
const SLICE_MS = 5;

export class StaticEmbedder implements Embedder {
  readonly identity: EmbedderIdentity;
  readonly #model: StaticModel;
  #calls = 0;
  #texts = 0;

  constructor(model: StaticModel) {
    this.#model = model;
    this.identity = model.identity;
  }

  /** The memory of the model, to hand to a worker: `embedderFromShared` there. */
  share(): SharedModel {
    return this.#model.share();
  }

  /** One text, at once; about 0.1 ms for a chunk. */
  embedText(text: string): Float32Array {
    this.#texts++;
    return this.#model.embed(text);
  }

  async embed(texts: readonly string[], signal?: AbortSignal): Promise<Float32Array[]> {
    this.#calls++;
    const vectors: Float32Array[] = [];
    let sliceEnd = performance.now() + SLICE_MS;
    for (const text of texts) {
      if (performance.now() > sliceEnd) {
        await setImmediate();
        sliceEnd = performance.now() + SLICE_MS;
      }
      requireNotCancelled(signal, 'embedding');
      vectors.push(this.embedText(text));
    }
    return vectors;
  }

  /** How often embed() ran, and how many texts were embedded one way or the other. */
  get counters(): { readonly calls: number; readonly texts: number } {
    return { calls: this.#calls, texts: this.#texts };
  }

  /** What to embed for a chunk of the file at `path` (relative to the root, '/' separators). */
  documentText(path: string, chunkText: string): string {
    return this.pathPrefix(path) + chunkText;
  }

  /** The part in front of the chunk; the same for all chunks of a file. */
  pathPrefix(path: string): string {
    return textPrefix(this.#model.documentTemplate, path);
  }

  /** What to embed for the path alone. */
  pathText(path: string): string {
    return this.pathPrefix(path).trimEnd();
  }

  queryText(query: string): string {
    return query;
  }

  async close(): Promise<void> {}
}

/** Loads a model folder; errors as loadStaticModel. */
export async function createStaticEmbedder(modelDirectory: string | URL = BUILT_IN_MODEL): Promise<StaticEmbedder> {
  const directory = typeof modelDirectory === 'string' ? modelDirectory : fileURLToPath(modelDirectory);
  return new StaticEmbedder(await loadStaticModel(directory));
}

/** The same embedder in another thread, on the same memory. */
export function embedderFromShared(shared: SharedModel): StaticEmbedder {
  return new StaticEmbedder(StaticModel.fromShared(shared));
}
