import { setImmediate as nextTurn } from 'node:timers/promises';
import type { EventSink } from '../events/event-bus.ts';
import { UsageBatches, type UsageSink } from '../storage/usage-batch.ts';
import { lineOf, type UsageEvent } from '../storage/usage-event.ts';
import { batchIdOf, type JournalFiles } from './journal-files.ts';

export interface UsageJournalOptions {
  readonly files: JournalFiles;
  readonly sink: UsageSink;
  readonly events: EventSink;
  /** @returns id of the server with the tenant's database */
  readonly serverOf: (tenant: string) => string;
  /** @returns true when a whole server is unreachable, not only one database */
  readonly isLost: (error: unknown) => boolean;
  /** @returns true when retrying cannot succeed, such as for a deleted tenant */
  readonly isPermanent: (error: unknown) => boolean;
}

/** Events of closed segments that are kept in memory; older segments are read from their files again. */
const MAX_HELD = 100_000;
/** Events of one segment. */
const MAX_SEGMENT = 20_000;

interface Segment {
  readonly name: string;
  readonly count: number;
  /** Undefined when the events must be read from the file. */
  batches: UsageBatches | undefined;
}

/**
 * Carries usage events to the tenants' databases. An event is written to the local disk when it is added, and removed
 * only after a database has stored it, so that neither an unreachable database nor a killed gateway loses events. The
 * events of a file are stored as one batch under the file's name, so that a retry counts once.
 */
export class UsageJournal {
  #current = new UsageBatches();
  #segments: Segment[] = [];
  /** Whether the current outage was reported. */
  #reported = false;
  #flushing: Promise<void> | undefined;

  constructor(private readonly options: UsageJournalOptions) {
    // Files of processes that no longer run.
    for (const name of options.files.leftovers()) this.#segments.push({ name, count: 0, batches: undefined });
  }

  /** Number of events that are not stored yet; files of earlier processes count 0 until they are read. */
  get pending(): number {
    return this.#segments.reduce((sum, { count }) => sum + count, this.#current.count);
  }

  /** Adds an event. Never throws: when the disk fails, the event stays in memory only, and an event reports it. */
  add(event: UsageEvent): void {
    const line = lineOf(event);
    try {
      this.#append(`${line}\n`);
    } catch (error) {
      // The event is still in memory and may be stored from there.
      this.options.events.emit('usage.journal_failed', { error });
    }
    this.#current.add(event, line);
    if (this.#current.count >= MAX_SEGMENT) this.#rotate();
  }

  /** Stores all events so far. Concurrent calls share one run. Resolves when stored, or postponed after a failure. */
  flush(): Promise<void> {
    this.#flushing ??= this.#flush().finally(() => {
      this.#flushing = undefined;
    });
    return this.#flushing;
  }

  /** Stores all events that can be stored; the others stay on the disk for the next process. */
  async close(): Promise<void> {
    await this.#flushing;
    await this.flush();
  }

  #append(text: string): void {
    if (this.options.files.append(text)) return;
    this.#rotate();
    this.options.files.append(text);
  }

  #rotate(): void {
    const { count } = this.#current;
    if (count === 0) return;
    const name = this.options.files.rotate();
    this.#segments.push({ name, count, batches: this.#current });
    this.#current = new UsageBatches();
    let held = 0;
    for (let at = this.#segments.length - 1; at >= 0; at -= 1) {
      const segment = this.#segments[at];
      if (!segment?.batches) continue;
      held += segment.count;
      if (held > MAX_HELD) segment.batches = undefined;
    }
  }

  async #flush(): Promise<void> {
    this.#rotate();
    for (const segment of [...this.#segments]) {
      // With SQLite, storing a segment blocks the event loop for some milliseconds: requests run in between.
      await nextTurn();
      const stored = await this.#store(segment);
      // No database is reachable: the remaining segments wait too.
      if (stored === 'nothing') return;
      // Some databases have stored their part; a retry has no effect there.
      if (stored === 'some') continue;
      this.#segments = this.#segments.filter((one) => one !== segment);
      this.options.files.remove(segment.name);
    }
  }

  async #store(segment: Segment): Promise<'all' | 'some' | 'nothing'> {
    const { sink, isPermanent, events } = this.options;
    const { byTenant } = segment.batches ?? this.#read(segment.name);
    let failures = 0;
    const lost = new Set<string>();
    let firstError: unknown;
    for (const [tenant, batch] of byTenant) {
      // An unreachable server is not tried for each of its tenants, which could take minutes.
      if (lost.has(this.options.serverOf(tenant))) {
        failures += 1;
        continue;
      }
      try {
        await sink.write(tenant, batchIdOf(segment.name), batch);
      } catch (error) {
        if (isPermanent(error)) {
          events.emit('usage.dropped', { tenant, count: batch.count, error });
        } else {
          failures += 1;
          firstError ??= error;
          if (this.options.isLost(error)) lost.add(this.options.serverOf(tenant));
        }
      }
    }
    this.#report(failures, firstError);
    if (failures === 0) return 'all';
    return failures < byTenant.size ? 'some' : 'nothing';
  }

  /** Reports an outage once, at its first failure. */
  #report(failures: number, error: unknown): void {
    if (failures > 0 && !this.#reported) {
      this.options.events.emit('usage.store_failed', { tenants: failures, error });
    }
    this.#reported = failures > 0;
  }

  #read(name: string): UsageBatches {
    return UsageBatches.read(this.options.files.read(name), (line) => {
      this.options.events.emit('usage.line_skipped', { file: name, line: line.slice(0, 100) });
    });
  }
}
