/** Collects what opening an index finds; becomes the RecoveryReport. */
import type { RecoveryReport } from './types.ts';

export class RecoveryNotes {
  replayedBatches = 0;
  tornTailBytes = 0;
  readonly orphansRemoved: string[] = [];
  readonly quarantined: { readonly file: string; readonly reason: string }[] = [];
  readonly degraded: string[] = [];
  readonly warnings: string[] = [];

  report(generation: RecoveryReport['generation'], durationMs: number): RecoveryReport {
    const { replayedBatches, tornTailBytes, orphansRemoved, quarantined, degraded, warnings } = this;
    return { generation, replayedBatches, tornTailBytes, orphansRemoved, quarantined, degraded, warnings, durationMs };
  }
}
