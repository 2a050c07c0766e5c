// Looking at the daemon must not load what nobody uses.
import assert from 'node:assert/strict';
import test from 'node:test';
import { allIndexes } from '../../client/cli/commands/status.ts';
import type { DaemonStatus, IndexStatus, IndexSummary } from '../../daemon/protocol/types.ts';

const summary = (index: string, state: IndexSummary['state']): IndexSummary =>
  ({ index, kind: 'code', root: null, state, reasons: [], docs: 0, chunks: 0, lsn: 0, durableLsn: 0, diskBytes: 0, modifiedAt: '' });

test('[3.19] cairn status opens none of many indexes; of few it waits for each', async () => {
  for (const [count, wanted] of [[1000, ['i3', 'i5']], [6, ['i0', 'i1', 'i2', 'i3', 'i4', 'i5']]] as const) {
    const indexes = Array.from({ length: count }, (_, i) => summary(`i${i}`, i === 3 || i === 5 ? 'ready' : 'opening'));
    const asked: string[] = [];
    const client = { indexStatus: async ({ index }: { readonly index?: string }) => (asked.push(index ?? ''), { ...summary(index ?? '', 'ready') } as IndexStatus) };
    const reports = await allIndexes(client as Parameters<typeof allIndexes>[0], { indexes } as unknown as DaemonStatus, new AbortController().signal);
    assert.deepEqual(asked, wanted);
    assert.deepEqual(reports.map(({ index }) => index), indexes.map(({ index }) => index));
  }
});
