import { setImmediate as nextTurn } from 'node:timers/promises';
import type { EventSink } from '../events/event-bus.ts';
import { UsageBatches, type UsageSink } from '../storage/usage-batch.ts';
import { lineOf, type UsageEvent } from '../storage/usage-event.ts';
import type { WriteHealth } from '../storage/write-health.ts';
import { batchIdOf, type JournalFiles } from './journal-files.ts';

export interface UsageJournalOptions {
  readonly files: JournalFiles;
  readonly sink: UsageSink;
  readonly events: EventSink;
  /** Learns of writes that the disk rejects. */
  readonly health: Pick<WriteHealth, 'failed' | 'fails'>;
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
/** Events that are kept in memory only while the disk fails; about 70 MB. Further ones are lost and reported. */
const MAX_UNSAVED = 100_000;

interface Segment {
  readonly name: string;
  readonly count: number;
  /** False when its events are in memory only, because the disk failed. */
  readonly isSaved: boolean;
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
  /** Whether the events of the current segment are on the disk. */
  #isSaved = true;
  /** Events that are in memory only. */
  #unsaved = 0;
  /** Events that were lost since the last report. */
  #lost = 0;
  /** Whether the current outage was reported. */
  #reported = false;
  #flushing: Promise<void> | undefined;

  constructor(private readonly options: UsageJournalOptions) {
    // Files of processes that no longer run.
    for (const name of options.files.leftovers()) {
      this.#segments.push({ name, count: 0, isSaved: true, batches: undefined });
    }
  }

  /** Number of events that are not stored yet; files of earlier processes count 0 until they are read. */
  get pending(): number {
    return this.#segments.reduce((sum, { count }) => sum + count, this.#current.count);
  }

  /**
   * Adds an event. Never throws: while the disk fails, events stay in memory only, up to a bound; the next flush tries the
   * disk again.
   */
  add(event: UsageEvent): void {
    const line = lineOf(event);
    if (this.#isSaved) this.#save(`${line}\n`);
    if (!this.#isSaved) {
      if (this.#unsaved >= MAX_UNSAVED) {
        this.#lost += 1;
        return;
      }
      this.#unsaved += 1;
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

  /** Stores all events that can be stored; the others stay on the disk for the next process, where the disk has them. */
  async close(): Promise<void> {
    await this.#flushing;
    await this.flush();
    this.#lost += this.#unsaved;
    this.#reportLost();
  }

  /** Appends to the current file. Only creating a file can fail, so a segment is on the disk completely or not at all. */
  #save(text: string): void {
    const { files, health } = this.options;
    try {
      if (files.append(text)) return;
      this.#rotate();
      files.append(text);
    } catch (error) {
      this.#isSaved = false;
      health.failed('usage_journal', error, () => files.probe());
    }
  }

  #rotate(): void {
    const { count } = this.#current;
    if (count === 0) return;
    const name = this.options.files.rotate();
    this.#segments.push({ name, count, isSaved: this.#isSaved, batches: this.#current });
    this.#current = new UsageBatches();
    let held = 0;
    for (let at = this.#segments.length - 1; at >= 0; at -= 1) {
      const segment = this.#segments[at];
      if (!segment?.batches || !segment.isSaved) continue;
      held += segment.count;
      if (held > MAX_HELD) segment.batches = undefined;
    }
  }

  async #flush(): Promise<void> {
    this.#rotate();
    this.#isSaved = true;
    this.#reportLost();
    for (const segment of [...this.#segments]) {
      // With SQLite, storing a segment blocks the event loop for some milliseconds: requests run in between.
      await nextTurn();
      const stored = await this.#store(segment);
      // No database is reachable: the remaining segments wait too.
      if (stored === 'nothing') return;
      // Some databases have stored their part; a retry has no effect there.
      if (stored === 'some') continue;
      this.#segments = this.#segments.filter((one) => one !== segment);
      if (segment.isSaved) this.options.files.remove(segment.name);
      else this.#unsaved -= segment.count;
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

  #reportLost(): void {
    if (this.#lost === 0) return;
    this.options.events.emit('usage.lost', { count: this.#lost });
    this.#lost = 0;
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
