/** starting → serving → draining → stopped. Owns the state; forwards only. A start that fails goes straight to draining. */
import type { DaemonState } from '../protocol/types.ts';

const ORDER: readonly DaemonState[] = ['starting', 'serving', 'draining', 'stopped'];

export class Phase {
  #state: DaemonState = 'starting';
  readonly #listeners: ((state: DaemonState) => void)[] = [];

  get state(): DaemonState {
    return this.#state;
  }

  /** True when the state changed; a step back or to the same state is ignored and answers false. */
  advance(to: DaemonState): boolean {
    if (ORDER.indexOf(to) <= ORDER.indexOf(this.#state)) return false;
    this.#state = to;
    for (const listener of this.#listeners) listener(to);
    return true;
  }

  onChange(listener: (state: DaemonState) => void): void {
    this.#listeners.push(listener);
  }
}
