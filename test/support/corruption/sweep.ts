/** The corruption sweep: so many damages of the specimen, chosen by a seed, each judged. `runSweep` runs it where it can be stopped. */
import { Worker } from 'node:worker_threads';
import { kindOf, applyDamage, byteDamages, describeDamage, structuralDamages, type FileDamage } from './damages.ts';
import { judgeDamage, type Outcome } from './judge.ts';
import { buildSpecimen } from './specimen.ts';
import { seededRandom } from '../random.ts';

export interface SweepReport {
  readonly seed: number;
  damages: number;
  readonly outcomes: Record<Outcome, number>;
  /** Damages by kind of file. */
  readonly files: Record<string, number>;
  /** Silent ones by reason. */
  readonly harmless: Record<string, number>;
  readonly violations: string[];
  maxRssBytes: number;
  slowestMs: number;
}

const DEFAULT_VIOLATIONS = 20;

export interface SweepOptions {
  /** Told before each damage, so that a watcher knows which one hangs. */
  readonly onDamage?: (what: string) => void;
  readonly maxViolations?: number;
  /** Only files of this kind. */
  readonly only?: string;
}

export async function corruptionSweep(seed: number, wanted: number, options: SweepOptions = {}): Promise<SweepReport> {
  const { onDamage = () => undefined, maxViolations = DEFAULT_VIOLATIONS, only } = options;
  const report: SweepReport = { seed, damages: 0, outcomes: { refused: 0, reported: 0, named: 0, harmless: 0 }, files: {}, harmless: {}, violations: [], maxRssBytes: 0, slowestMs: 0 };
  for (let round = 0; report.damages < wanted && report.violations.length < maxViolations; round++) {
    const specimen = await buildSpecimen(seed + round);
    const random = seededRandom(seed + round);
    // Structural ones first, then bytes in random order.
    const isWanted = ({ path }: FileDamage): boolean => only === undefined || kindOf(path) === only;
    const damages = [...structuralDamages(specimen).filter(isWanted), ...shuffled(byteDamages(specimen).filter(isWanted), random)];
    for (const damage of damages.slice(0, Math.max(2_500, Math.min(damages.length, wanted)))) {
      if (report.damages >= wanted || report.violations.length >= maxViolations) break;
      const disk = applyDamage(specimen.disk, damage, random);
      if (disk === null) continue;
      onDamage(describeDamage(damage));
      const started = performance.now();
      const judgement = await judgeDamage(specimen, disk, damage, report.damages + 1);
      note(report, damage, judgement, performance.now() - started);
    }
  }
  return report;
}

function note(report: SweepReport, damage: FileDamage, { outcome, detail, violation }: Awaited<ReturnType<typeof judgeDamage>>, ms: number): void {
  report.damages++;
  const kind = kindOf(damage.path);
  report.files[kind] = (report.files[kind] ?? 0) + 1;
  report.slowestMs = Math.max(report.slowestMs, Math.round(ms));
  if (report.damages % 64 === 0) report.maxRssBytes = Math.max(report.maxRssBytes, process.memoryUsage.rss());
  if (violation !== null) report.violations.push(`${describeDamage(damage)}: ${violation}`);
  if (outcome === null) return;
  report.outcomes[outcome]++;
  if (outcome === 'harmless') report.harmless[detail] = (report.harmless[detail] ?? 0) + 1;
}

function shuffled<T>(items: T[], random: () => number): T[] {
  for (let i = items.length - 1; i > 0; i--) {
    const j = Math.floor(random() * (i + 1));
    [items[i], items[j]] = [items[j] as T, items[i] as T];
  }
  return items;
}

export interface SweepRequest {
  readonly seed: number;
  readonly wanted: number;
}

/** What the worker says: what it is about to do, or that it is done. */
export type SweepMessage = { readonly now: string; readonly count: number } | { readonly report: SweepReport };

/** Nothing that is opened needs more; a damaged length that is believed ends the worker, and names itself. */
const LIMITS = { maxOldGenerationSizeMb: 96, maxYoungGenerationSizeMb: 16 };
/** A damage takes a few milliseconds: one that takes this long hangs, also on a machine with other things to do. */
const HANG_MS = 120_000;

/** In a thread with bounded memory; a damage that hangs or exhausts it is a violation of its own. */
export function runSweep(request: SweepRequest, onProgress: (count: number) => void = () => undefined): Promise<SweepReport> {
  return new Promise((resolve, reject) => {
    const worker = new Worker(new URL('./worker.ts', import.meta.url), { workerData: request, resourceLimits: LIMITS });
    let now = 'building the specimen';
    let timer: NodeJS.Timeout | undefined;
    const arm = (): void => {
      clearTimeout(timer);
      timer = setTimeout(() => fail(new Error(`hangs: ${now}`)), HANG_MS);
    };
    const fail = (error: Error): void => {
      clearTimeout(timer);
      void worker.terminate();
      reject(error);
    };
    arm();
    worker.on('message', (message: SweepMessage) => {
      if ('report' in message) {
        clearTimeout(timer);
        resolve(message.report);
      } else {
        now = message.now;
        onProgress(message.count);
        arm();
      }
    });
    worker.on('error', (error) => fail(new Error(`${now}: ${error instanceof Error ? error.message : String(error)}`, { cause: error })));
    worker.on('exit', (code) => fail(new Error(`the thread ended with ${code}: ${now}`)));
  });
}
