/** The state of an owner as a pure function of facts, so that no path can forget to set or clear it. */
import { isCairnError, messageOf } from '../errors.ts';
import type { IndexState } from '../protocol/types.ts';

export interface OwnerFacts {
  readonly isClosed: boolean;
  /** A code index follows a tree; a vector index has none. */
  readonly hasRoot: boolean;
  readonly rootPresent: boolean;
  /** The index was empty when it was opened. */
  readonly startedEmpty: boolean;
  /** The first walk since opening has ended and what it found is indexed. */
  readonly caughtUp: boolean;
  readonly pending: number;
  readonly pendingBulk: number;
  readonly recoveryDegraded: readonly string[];
  readonly quarantined: number;
  /** Why nothing may be added to this index, or null. */
  readonly refusal: unknown;
  readonly persistError: unknown;
  readonly commitError: unknown;
  readonly walkError: unknown;
  readonly watchReason: string | null;
  readonly unreadable: ReadonlyMap<string, string>;
  readonly failedFiles: ReadonlyMap<string, string>;
}

export interface StateAndReasons {
  readonly state: IndexState;
  readonly reasons: readonly string[];
}

export function stateOf(facts: OwnerFacts): StateAndReasons {
  const serious = seriousReasons(facts);
  const reasons = [...serious, ...minorReasons(facts)];
  if (facts.isClosed) return { state: 'failed', reasons: ['the index is closed', ...reasons] };
  if (isCairnError(facts.commitError, 'FENCED') || isCairnError(facts.persistError, 'FENCED')) return { state: 'failed', reasons };
  if (facts.hasRoot && !facts.rootPresent) return { state: 'detached', reasons };
  if (serious.length > 0) return { state: 'degraded', reasons };
  if (!facts.caughtUp) return { state: facts.startedEmpty ? 'indexing' : 'catching-up', reasons };
  return { state: facts.pendingBulk > 0 ? 'catching-up' : 'ready', reasons };
}

/** Something is broken: answers may be incomplete, or changes are not stored. */
function seriousReasons(facts: OwnerFacts): string[] {
  return [
    ...(isMended(facts) ? [] : damages(facts)),
    ...(facts.refusal === null ? [] : [messageOf(facts.refusal)]),
    ...(facts.commitError === null ? [] : [`changes cannot be stored: ${messageOf(facts.commitError)}`]),
    ...(facts.persistError === null ? [] : [`saving to segments fails and is retried: ${messageOf(facts.persistError)}`]),
  ];
}

/** What was lost of a code index is read from its tree again by the first pass, which compares the two. */
function isMended(facts: OwnerFacts): boolean {
  return facts.hasRoot && facts.caughtUp && facts.refusal === null;
}

function damages(facts: OwnerFacts): string[] {
  const quarantined = `${facts.quarantined} damaged ${facts.quarantined === 1 ? 'file is' : 'files are'} in quarantine`;
  return [...facts.recoveryDegraded, ...(facts.quarantined > 0 ? [quarantined] : [])];
}

/** Answers are right but may be late, or lack some files. */
function minorReasons(facts: OwnerFacts): string[] {
  const detached = facts.hasRoot && !facts.rootPresent;
  return [
    ...(isMended(facts) ? damages(facts).map((damage) => `mended from the source tree: ${damage}`) : []),
    ...(detached ? [facts.walkError === null ? 'the source root is missing' : messageOf(facts.walkError)] : []),
    ...(!detached && facts.walkError !== null ? [`the last walk of the tree failed: ${messageOf(facts.walkError)}`] : []),
    ...(facts.watchReason === null ? [] : [`watching is limited: ${facts.watchReason}`]),
    ...(facts.pending > 0 ? [`${facts.pending} ${facts.pending === 1 ? 'file is' : 'files are'} pending`] : []),
    ...examples('cannot be read', facts.unreadable),
    ...examples('could not be indexed', facts.failedFiles),
  ];
}

function examples(what: string, entries: ReadonlyMap<string, string>): string[] {
  const [first] = entries;
  if (first === undefined) return [];
  return [`${entries.size} ${entries.size === 1 ? 'path' : 'paths'} ${what}, for example ${first[0]}: ${first[1]}`];
}
