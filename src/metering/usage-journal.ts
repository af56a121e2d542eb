import { setImmediate as nextTurn } from 'node:timers/promises';
import { UsageBatches, type UsageSink } from '../storage/usage-batch.ts';
import { lineOf, type UsageEvent } from '../storage/usage-event.ts';
import type { JournalFiles } from './journal-files.ts';

export interface UsageJournalOptions {
  readonly files: JournalFiles;
  readonly sink: UsageSink;
  /** Told of events that could not be stored now, and of those that no longer can be. */
  readonly onError: (message: string, error: unknown) => void;
  /** Which server a tenant's database is on. */
  readonly serverOf: (tenant: string) => string;
  /** True for a failure of the server, and not of one database. */
  readonly isLost: (error: unknown) => boolean;
  /** True for a failure that will not go away by itself: the tenant is gone, say. */
  readonly isPermanent: (error: unknown) => boolean;
}

/** Events of closed segments that are held in memory, so that they need not be read again. */
const MAX_HELD = 100_000;
const MAX_SEGMENT = 20_000;

interface Segment {
  readonly name: string;
  readonly count: number;
  /** Undefined when it has to be read from its file. */
  batches: UsageBatches | undefined;
}

/**
 * Usage on its way to the databases. Every event is on the local disk before its request is forgotten, and is taken off
 * it only when a database has it: so a database that is down, and a gateway that is killed, lose nothing. A file's events
 * are stored together, under its name, so that what arrives twice counts once.
 */
export class UsageJournal {
  #current = new UsageBatches();
  #segments: Segment[] = [];
  #troubled = false;
  #flushing: Promise<void> | undefined;

  constructor(private readonly options: UsageJournalOptions) {
    // What processes that are gone have left behind.
    for (const name of options.files.leftovers()) this.#segments.push({ name, count: 0, batches: undefined });
  }

  /** Events that no database has yet, as far as they are counted. */
  get pending(): number {
    return this.#segments.reduce((sum, { count }) => sum + count, this.#current.count);
  }

  add(event: UsageEvent): void {
    const line = lineOf(event);
    try {
      this.#append(`${line}\n`);
    } catch (error) {
      // It is still in memory, and may reach the database from there.
      this.options.onError('usage could not be written to the local disk', error);
    }
    this.#current.add(event, line);
    if (this.#current.count >= MAX_SEGMENT) this.#rotate();
  }

  /** Hands over what is there. Calls that overlap share one run. @returns when it is done, or has been given up for now */
  flush(): Promise<void> {
    this.#flushing ??= this.#flush().finally(() => {
      this.#flushing = undefined;
    });
    return this.#flushing;
  }

  /** Writes what has to be written, and hands over what can be. */
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
      // Storing one holds everybody up for some milliseconds where the database is a file: not for all of them at once.
      await nextTurn();
      const kept = await this.#handOver(segment);
      // Nothing can be stored anywhere: no use in trying the rest.
      if (kept === 'nothing') return;
      // Where one of several databases is down, the others have theirs; those events are known when they come again.
      if (kept === 'some') continue;
      this.#segments = this.#segments.filter((one) => one !== segment);
      this.options.files.remove(segment.name);
    }
  }

  async #handOver(segment: Segment): Promise<'all' | 'some' | 'nothing'> {
    const { sink, isPermanent, onError } = this.options;
    const { byTenant } = segment.batches ?? this.#read(segment.name);
    let failures = 0;
    const lost = new Set<string>();
    let trouble: unknown;
    for (const [tenant, batch] of byTenant) {
      // A server that did not answer is not asked again for each of its tenants: that could take for ever.
      if (lost.has(this.options.serverOf(tenant))) {
        failures += 1;
        continue;
      }
      try {
        await sink.write(tenant, segment.name, batch);
      } catch (error) {
        if (isPermanent(error)) {
          onError(`usage of the tenant ${tenant}, which is gone, is dropped (${batch.count} events)`, error);
        } else {
          failures += 1;
          trouble ??= error;
          if (this.options.isLost(error)) lost.add(this.options.serverOf(tenant));
        }
      }
    }
    this.#tell(failures, trouble);
    if (failures === 0) return 'all';
    return failures < byTenant.size ? 'some' : 'nothing';
  }

  /** Once when it begins, however often it is tried. */
  #tell(failures: number, error: unknown): void {
    if (failures > 0 && !this.#troubled) {
      this.options.onError(
        `usage of ${failures} tenants can not be stored now; it is kept and tried again`,
        error,
      );
    }
    this.#troubled = failures > 0;
  }

  #read(name: string): UsageBatches {
    return UsageBatches.read(this.options.files.read(name), (line) => {
      this.options.onError(`a line of ${name} can not be read`, line.slice(0, 100));
    });
  }
}
