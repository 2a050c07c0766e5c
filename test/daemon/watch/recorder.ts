/** Collects watch events and lets a test wait for what it expects. */
import assert from 'node:assert/strict';
import { setTimeout as delay } from 'node:timers/promises';
import type { LossReason, WatchEvent } from '../../../daemon/watch/watcher.ts';
import { PATIENCE_MS } from '../../support/cli.ts';

const EDIT_EVERY_MS = 1_000;

export class Recorder {
  readonly events: WatchEvent[] = [];
  readonly listener = (event: WatchEvent): void => void this.events.push(event);

  /** Paths named since the last `clear`. */
  get paths(): Set<string> {
    return new Set(this.events.flatMap((event) => (event.type === 'changed' ? event.paths : [])));
  }

  /** Directories that went, since the last `clear`. */
  get folders(): Set<string> {
    return new Set(this.events.flatMap((event) => (event.type === 'gone' ? event.folders : [])));
  }

  get losses(): Set<LossReason> {
    return new Set(this.events.flatMap((event) => (event.type === 'lost' ? [event.reason] : [])));
  }

  clear(): void {
    this.events.length = 0;
  }

  async until(what: string, reached: () => boolean, whileWaiting: () => void = () => undefined): Promise<void> {
    const deadline = performance.now() + PATIENCE_MS;
    while (!reached()) {
      whileWaiting();
      assert.ok(performance.now() < deadline, `waited in vain for ${what}; events: ${JSON.stringify(this.events).slice(0, 2_000)}`);
      await delay(10);
    }
  }

  /**
   * Edits until an edit is named. When a directory that moved is heard again is not told; and what asks for a watch to be made anew
   * may ask twice, when the first one is ready already: then the second says that something was lost, and names nothing of it.
   */
  async hears(path: string, edit: (path: string, text: string) => void): Promise<void> {
    this.clear();
    let edits = 0;
    let editedAt = Number.NEGATIVE_INFINITY;
    await this.until(`edits of ${path}`, () => this.paths.has(path), () => {
      if (performance.now() - editedAt < EDIT_EVERY_MS) return;
      edit(path, `edit ${++edits}`);
      editedAt = performance.now();
    });
  }

  ready(): Promise<void> {
    return this.until('ready', () => this.events.some((event) => event.type === 'ready'));
  }

  named(...paths: readonly string[]): Promise<void> {
    return this.until(`changes of ${paths.join(', ')}`, () => paths.every((path) => this.paths.has(path)));
  }

  gone(folder: string): Promise<void> {
    return this.until(`the end of ${folder}`, () => this.folders.has(folder));
  }

  lost(reason: LossReason): Promise<void> {
    return this.until(`loss '${reason}'`, () => this.losses.has(reason));
  }
}
