import type { EventSink } from '../events/event-bus.ts';
import { lineOf, type UsageEvent } from '../storage/usage-event.ts';
import type { WriteHealth } from '../storage/write-health.ts';
import type { JournalFiles } from './journal-files.ts';
import type { UsageReport, UsageSegment } from './usage-writer.ts';

/** Stores segments of the journal. Rejects when nothing of them can be stored. */
export interface SegmentWriter {
  write(segments: readonly UsageSegment[]): Promise<UsageReport>;
  close(): Promise<void>;
}

export interface UsageJournalOptions {
  readonly files: JournalFiles;
  readonly writer: SegmentWriter;
  readonly events: EventSink;
  /** Learns of writes that the disk rejects. */
  readonly health: Pick<WriteHealth, 'failed'>;
  /** Monotonic milliseconds. */
  readonly now: () => number;
  /** Names of the files of processes that no longer run. */
  readonly leftovers?: readonly string[];
  /** Called with the tenants for which durable events were stored with their usage. Must not throw. */
  readonly onReported?: (tenants: readonly string[]) => void;
}

/** Events of one segment. */
const MAX_SEGMENT = 20_000;
/** Events that are kept in memory while the disk fails; about 40 MB. Further ones are lost and reported. */
const MAX_UNSAVED = 100_000;
/** Segments of one call of the writer, of those that could not be stored before. */
const RETRIED_AT_ONCE = 20;
/** After a flush, the journal rests for so many times its duration: storing takes at most a fifth of the time. */
const REST_FACTOR = 4;
/**
 * And for so many milliseconds for each of its transactions: with many tenants, each transaction stores the usage of
 * several seconds.
 */
const REST_PER_TRANSACTION_MS = 50;
const MAX_REST_MS = 10_000;

interface Segment {
  readonly name: string;
  /** 0 for files of earlier processes. */
  readonly count: number;
  /** Its events, where they are in memory only because the disk failed; undefined when its file has them. */
  readonly unsaved: readonly string[] | undefined;
}

/**
 * Carries usage events to the tenants' databases. An event is written to the local disk when it is added, and its file
 * is removed only after the databases have stored it, so that neither an unreachable database nor a killed gateway loses
 * events. The events of a file are stored under the file's name, so that a retry counts once.
 */
export class UsageJournal {
  #count = 0;
  /** Of the current segment. */
  #lines: string[] | undefined;
  /** Number of events that are in memory only. */
  #unsaved = 0;
  /** Events that were lost since the last report. */
  #lost = 0;
  /** Closed and not tried yet. */
  #segments: Segment[] = [];
  /** Could not be stored. */
  #blocked: Segment[] = [];
  /** Whether the current outage was reported. */
  #reported = false;
  #flushing: Promise<void> | undefined;
  #restsUntil = Number.NEGATIVE_INFINITY;
  /** Of the last flush. */
  #transactions = 0;

  constructor(private readonly options: UsageJournalOptions) {
    this.adopt(options.leftovers ?? options.files.leftovers());
  }

  /** Takes over files of processes that no longer run. Those that are known already are left out. */
  adopt(names: readonly string[]): void {
    const known = new Set([...this.#segments, ...this.#blocked].map(({ name }) => name));
    for (const name of names) {
      if (!known.has(name)) this.#segments.push({ name, count: 0, unsaved: undefined });
    }
  }

  /** Number of events that are not stored yet; files of earlier processes count 0. */
  get pending(): number {
    return [...this.#segments, ...this.#blocked].reduce((sum, { count }) => sum + count, this.#count);
  }

  /**
   * Adds an event. Never throws: while the disk fails, events stay in memory only, up to a bound; the next flush tries the
   * disk again.
   */
  add(event: UsageEvent): void {
    const line = `${lineOf(event)}\n`;
    if (!this.#lines && !this.#save(line)) this.#lines = [];
    if (this.#lines) {
      if (this.#unsaved >= MAX_UNSAVED) {
        this.#lost += 1;
        return;
      }
      this.#unsaved += 1;
      this.#lines.push(line);
    }
    this.#count += 1;
    if (this.#count >= MAX_SEGMENT) this.#rotate();
  }

  /** Stores all events so far. Concurrent calls share one run. Resolves when stored, or postponed after a failure. */
  flush(): Promise<void> {
    this.#flushing ??= this.#flush().finally(() => {
      this.#flushing = undefined;
    });
    return this.#flushing;
  }

  /** As `flush`, with the events that a flush in progress has not taken. */
  async flushAll(): Promise<void> {
    await this.#flushing;
    await this.flush();
  }

  /** Flushes, unless the last flush took so long that the next one is not due. */
  async flushWhenDue(): Promise<void> {
    const { now } = this.options;
    if (this.#flushing || now() < this.#restsUntil) return;
    const startedAt = now();
    await this.flush();
    const endedAt = now();
    const rest = Math.max(REST_FACTOR * (endedAt - startedAt), REST_PER_TRANSACTION_MS * this.#transactions);
    this.#restsUntil = endedAt + Math.min(MAX_REST_MS, rest);
  }

  /** Stores all events that can be stored; the others stay on the disk for the next process, where the disk has them. */
  async close(): Promise<void> {
    await this.flushAll();
    await this.options.writer.close();
    this.#lost += this.#unsaved;
    this.#reportLost();
  }

  /**
   * Appends to the current file. Only creating a file can fail, so a segment is on the disk completely or not at all.
   * @returns false when the disk fails
   */
  #save(line: string): boolean {
    const { files, health } = this.options;
    try {
      if (files.append(line)) return true;
      this.#rotate();
      return files.append(line);
    } catch (error) {
      health.failed('usage_journal', error, () => files.probe());
      return false;
    }
  }

  #rotate(): void {
    if (this.#count === 0) return;
    this.#segments.push({ name: this.options.files.rotate(), count: this.#count, unsaved: this.#lines });
    this.#count = 0;
    if (this.#lines) this.#lines = [];
  }

  async #flush(): Promise<void> {
    this.#rotate();
    this.#lines = undefined;
    this.#transactions = 0;
    this.#reportLost();
    const fresh = this.#segments;
    if (fresh.length > 0) await this.#store(fresh);
    // One that was blocked is tried with a few others. While that succeeds, the next ones are tried.
    for (;;) {
      const some = this.#blocked.filter((segment) => !fresh.includes(segment)).slice(0, RETRIED_AT_ONCE);
      if (some.length === 0 || !(await this.#store(some))) return;
    }
  }

  /** @returns whether all of them were stored */
  async #store(segments: readonly Segment[]): Promise<boolean> {
    const { writer, files, events } = this.options;
    let report: UsageReport;
    try {
      report = await writer.write(
        segments.map(({ name, unsaved }) => ({ name, path: files.pathOf(name), unsaved: unsaved?.join('') })),
      );
    } catch (error) {
      const message = error instanceof Error ? error.message : String(error);
      report = {
        stored: [],
        dropped: [],
        damaged: [],
        transactions: 0,
        failure: { tenants: 0, message, code: undefined, placement: undefined },
      };
    }
    this.#transactions += report.transactions;
    for (const { file, line } of report.damaged) events.emit('usage.line_skipped', { file, line });
    for (const { tenant, count } of report.dropped) {
      events.emit('usage.dropped', { tenant, count, error: new Error(`tenant "${tenant}" does not exist`) });
    }
    if (report.reported && report.reported.length > 0) this.options.onReported?.(report.reported);
    this.#reportFailure(report.failure);
    const stored = new Set(report.stored);
    for (const { name, unsaved } of segments) {
      if (!stored.has(name)) continue;
      if (unsaved) this.#unsaved -= unsaved.length;
      else files.remove(name);
    }
    const tried = new Set(segments);
    this.#segments = this.#segments.filter((segment) => !tried.has(segment));
    // At the end: others are tried before these again.
    this.#blocked = [
      ...this.#blocked.filter((segment) => !tried.has(segment)),
      ...segments.filter(({ name }) => !stored.has(name)),
    ];
    return stored.size === segments.length;
  }

  /** Reports an outage once, at its first failure. */
  #reportFailure(failure: UsageReport['failure']): void {
    if (failure && !this.#reported) {
      const { tenants, message } = failure;
      this.options.events.emit('usage.store_failed', { tenants, error: new Error(message) });
    }
    this.#reported = failure !== undefined;
  }

  #reportLost(): void {
    if (this.#lost === 0) return;
    this.options.events.emit('usage.lost', { count: this.#lost });
    this.#lost = 0;
  }
}
