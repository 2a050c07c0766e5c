/**
 * Builds a new index aside and publishes it when it is whole: in segments, verified by its counts. Whatever goes wrong before that
 * leaves no index at all.
 */
import { createIndex } from '../index/create.ts';
import { newMetadata, type IndexDefinition } from '../index/metadata.ts';
import type { DurableIndex } from '../index/types.ts';
import { CairnError } from '../util/errors.ts';
import type { ImportHost } from './host.ts';
import { discardStaging, newStaging } from './staging.ts';

export interface BuildRequest {
  readonly definition: IndexDefinition;
  /** Where the content comes from, for the audit log. */
  readonly origin: string;
  /** Puts everything in, and says how many documents there must be. */
  readonly fill: (index: DurableIndex) => Promise<number>;
}

/** ALREADY_EXISTS, what `fill` fails with, COUNT_MISMATCH, or the error of the disk. */
export async function buildIndex(host: ImportHost, { definition, origin, fill }: BuildRequest): Promise<void> {
  const wanted = newMetadata(definition, host.env.clock.now());
  if (host.directoryOf(wanted.name) !== null) throw new CairnError('ALREADY_EXISTS', `there is an index '${wanted.name}' already`, { hint: 'Choose another name: --name NAME.' });
  const staged = await newStaging(host.env, host.dataDir);
  try {
    const metadata = await createIndex(host.env, staged, wanted, host.lease);
    const index = await host.openScratch(staged);
    try {
      const expected = await fill(index);
      await index.persist('import');
      const { docs } = index.stats();
      if (docs !== expected) throw new CairnError('COUNT_MISMATCH', `${docs} documents are in the new index, ${expected} were put in`, { path: origin });
    } finally {
      await index.close();
    }
    await host.publish(staged, metadata, { detail: origin, replaces: null });
  } catch (error) {
    await discardStaging(host.env, staged);
    throw error;
  }
}
