/** What imports ask of the engine they import into. */
import type { Env } from '../env/env.ts';
import type { DurableIndex, IndexMetadata, WriterLease } from '../index/types.ts';

export interface ImportHost {
  readonly env: Env;
  readonly dataDir: string;
  readonly lease: WriterLease;
  /** Opens a directory that is no index of the engine yet. */
  openScratch(dir: string): Promise<DurableIndex>;
  /** The directory below <data>/indexes of the index with this name; null when the name is free. */
  directoryOf(name: string): string | null;
  /** True when the directory below <data>/indexes holds an index that can be used. */
  isServed(directory: string): boolean;
  /**
   * Moves a staged, whole index below <data>/indexes and lists it. `replaces` is a directory there that it takes the place of:
   * it goes to <data>/trash afterwards, so that at each moment there is at least one of them. ALREADY_EXISTS.
   */
  publish(staged: string, metadata: IndexMetadata, origin: { readonly detail: string; readonly replaces: string | null }): Promise<void>;
}
