import { randomBytes } from 'node:crypto';
import { GatewayError } from '../core/errors.ts';
import { extendHolders, giveUpHolder, heldBy, takeHolder } from '../storage/sql/batch-forward-store.ts';
import type { BatchForwardRow, BatchRow } from '../storage/sql/batch-tables.ts';
import { batchOf } from './batch.ts';
import type { BatchParts, ForwardParts, UseHold } from './batch-parts.ts';

/** Milliseconds after which a process that has not said that it lives is no holder any more. */
const HOLDER_MS = 60_000;

/**
 * What this process has reserved for parts that providers run. Any process may poll a part, but one of them is its holder, which
 * the part's row names: the others reserve nothing, so that a part is reserved once.
 */
export class PartHolds {
  readonly #holds = new Map<string, UseHold>();
  readonly #holder = randomBytes(12).toString('hex');

  constructor(
    private readonly parts: Pick<BatchParts, 'control' | 'clock'>,
    private readonly hold: ForwardParts['hold'],
  ) {}

  /**
   * Reserves what the lines of a part may use, unless a process that lives has done so.
   * @returns false where the limits have no room for all of them
   */
  async take(row: BatchRow, forward: BatchForwardRow): Promise<boolean> {
    const { control, clock } = this.parts;
    const name = nameOf(forward);
    if (this.#holds.has(name)) return true;
    const now = clock.wallTime();
    const lease = { holder: this.#holder, until: now + HOLDER_MS };
    if (!(await takeHolder(control, forward, lease, now))) return true;
    const { lines: requests, tokens, nano_usd: nanoUsd } = forward;
    try {
      const hold = await this.hold(batchOf(row), { requests, tokens, nanoUsd });
      if (hold) this.#holds.set(name, hold);
      return true;
    } catch (error) {
      await giveUpHolder(control, forward);
      // Also a key that is gone: its lines fail one by one.
      if (!(error instanceof GatewayError) || error.status >= 500) throw error;
      return false;
    }
  }

  /** Ends the reservation of a part: here at once, at another process with its next `keep`. */
  async release(forward: BatchForwardRow): Promise<void> {
    this.#end(nameOf(forward));
    await giveUpHolder(this.parts.control, forward);
  }

  /** Says that this process lives, and ends reservations of parts that are done, gone, or held by another one. */
  async keep(): Promise<void> {
    const names = [...this.#holds.keys()];
    if (names.length === 0) return;
    const { control, clock } = this.parts;
    await extendHolders(control, { holder: this.#holder, until: clock.wallTime() + HOLDER_MS });
    const held = new Set((await heldBy(control, this.#holder)).map(nameOf));
    // Those of before: one that was added meanwhile may not be in the list.
    for (const name of names) if (!held.has(name)) this.#end(name);
  }

  #end(name: string): void {
    this.#holds.get(name)?.release();
    this.#holds.delete(name);
  }
}

function nameOf({ batch, part }: Pick<BatchForwardRow, 'batch' | 'part'>): string {
  return `${batch}:${part}`;
}
