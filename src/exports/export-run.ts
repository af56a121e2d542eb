import type { Kysely } from 'kysely';
import type { Clock } from '../core/clock.ts';
import type { EventSink } from '../events/event-bus.ts';
import type { ControlTables } from '../storage/sql/control-tables.ts';
import { advanceExport, exportCursors, leaseExport, openExportCursor } from '../storage/sql/export-store.ts';
import type { ExportCursorRow } from '../storage/sql/export-tables.ts';
import { UnknownTenantError } from '../storage/sql/tenant-databases.ts';
import { deliver } from './deliver.ts';
import type { ExportedRecord } from './record.ts';
import type { ExportSink } from './sink.ts';
import type { ExportSource, SourcePage } from './source.ts';

/** One configured export. */
export interface Export {
  readonly id: string;
  /** Under which its positions are stored. */
  readonly cursor: string;
  readonly type: string;
  readonly source: ExportSource;
  /** Empty for all. */
  readonly tenants: readonly string[];
  /** Unix milliseconds: an export that is new to the database takes no earlier records. */
  readonly beginsAt: number;
  /** Milliseconds between two visits. */
  readonly every: number;
  readonly maxRecords: number;
  /** Of the records of one batch, as JSON. */
  readonly maxBytes: number;
  /** Of one record, as JSON. */
  readonly maxRecordBytes: number;
  readonly sink: ExportSink;
}

export interface ExportRunOptions {
  readonly control: Kysely<ControlTables>;
  readonly clock: Clock;
  readonly events: EventSink;
  /** Names this process, and no other. */
  readonly owner: string;
  /** From 0 to 1. */
  readonly random: () => number;
  /** All tenants of this gateway's region. */
  readonly tenants: () => readonly string[];
  /** Called before the first records of a tenant are sent; again where it cannot be known that they were. */
  readonly onBegin: (one: Export, tenant: string) => Promise<void>;
}

/** A visit of all tenants. */
export interface ExportVisit {
  /** Why tenants fail, by tenant; those of `errors` included. */
  readonly failing: ReadonlyMap<string, string>;
  /** Of the tenants whose databases failed. */
  readonly errors: readonly unknown[];
}

/** The error itself may name hosts and queries: it is in the log. */
const DATABASE_FAILS = 'its database fails';

/** Longer than the deadline of a request. */
const LEASE_MS = 60_000;
const FIRST_PAUSE_MS = 2_000;
const LAST_PAUSE_MS = 10 * 60_000;
const JITTER = 0.2;
const MAX_RETRY_AFTER = 3_600;
/** Tenants in a row whose batches failed: the receiver is down, and the other tenants wait for the next visit. */
const MAX_FAILED = 3;
/** Batches of one tenant in one visit, so that the others get their turn. */
const BATCHES_AT_ONCE = 50;

/**
 * Sends records to one receiver, tenant by tenant, in the order in which they were stored. The cursor of a tenant advances after
 * the receiver has acknowledged a batch, so each record arrives at least once. One gateway at a time runs an export.
 */
export class ExportRun {
  constructor(private readonly options: ExportRunOptions) {}

  /**
   * Visits all tenants once, unless another gateway does, or it is paused.
   * @returns undefined where it did not visit them
   * @throws the control database's error
   */
  async visit(one: Export, signal: AbortSignal): Promise<ExportVisit | undefined> {
    const { control, clock, owner } = this.options;
    const lease = (ms: number) => leaseExport(control, one.cursor, owner, clock.wallTime(), ms, one.beginsAt);
    const startedAt = await lease(LEASE_MS);
    if (startedAt === undefined) return undefined;
    try {
      const cursors = await exportCursors(control, one.cursor);
      const errors: unknown[] = [];
      const failing = new Map<string, string>();
      const tenants = this.#tenantsOf(one, cursors);
      for (const tenant of tenants) {
        const { failures = 0, error = '' } = cursors.get(tenant) ?? {};
        if (failures > 0) failing.set(tenant, error);
      }
      let failed = 0;
      for (const tenant of tenants) {
        if (signal.aborted || failed === MAX_FAILED) break;
        if ((cursors.get(tenant)?.next_at ?? 0) > clock.wallTime()) continue;
        try {
          const known = cursors.get(tenant);
          const failure = await this.#visitTenant(one, tenant, known, startedAt, signal, lease);
          failed = failure === undefined ? 0 : failed + 1;
          if (failure === undefined) failing.delete(tenant);
          else failing.set(tenant, failure);
        } catch (error) {
          // The database of one tenant must not keep the others waiting.
          if (error instanceof UnknownTenantError) continue;
          errors.push(error);
          failing.set(tenant, DATABASE_FAILS);
        }
      }
      return { failing, errors };
    } finally {
      await lease(0);
    }
  }

  /** Those that failed come last. */
  #tenantsOf({ tenants }: Export, cursors: ReadonlyMap<string, ExportCursorRow>): string[] {
    const all = this.options.tenants().filter((tenant) => tenants.length === 0 || tenants.includes(tenant));
    const failures = (tenant: string) => cursors.get(tenant)?.failures ?? 0;
    return all.sort((a, b) => failures(a) - failures(b) || (a < b ? -1 : 1));
  }

  /** @returns why it failed; undefined where it did not */
  async #visitTenant(
    one: Export,
    tenant: string,
    known: ExportCursorRow | undefined,
    since: number,
    signal: AbortSignal,
    lease: (ms: number) => Promise<number | undefined>,
  ): Promise<string | undefined> {
    const { control } = this.options;
    const { maxRecords, maxBytes, maxRecordBytes } = one;
    let row = known;
    for (let batches = 0; batches < BATCHES_AT_ONCE; batches += 1) {
      const from = row ?? { sequence: 0, line: 0 };
      // A tenant that was rewound begins at a time of its own.
      const begin = row?.started_at ?? since;
      const limits = { since: begin, maxRecords, maxBytes, maxRecordBytes };
      const page = await one.source.read(tenant, from, limits);
      const isUnchanged = page.end.sequence === from.sequence && page.end.line === from.line;
      if (isUnchanged) {
        if (row && row.failures > 0) await this.#forgetFailure(row);
        return undefined;
      }
      if (signal.aborted || (await lease(LEASE_MS)) === undefined) return undefined;
      if (isUnsent(row) && page.records.length + page.unreadable.length > 0) {
        await this.options.onBegin(one, tenant);
      }
      if (!row) {
        row = await openExportCursor(control, one.cursor, tenant, since);
        // It was rewound meanwhile.
        if (row.started_at !== begin) continue;
      }
      const next = await this.#send(one, row, page, signal);
      if (!next || signal.aborted) return undefined;
      if (next.failures > 0) return next.error;
      row = next;
      if (page.isLast) return undefined;
    }
    return undefined;
  }

  /** What it could not send is gone: it was erased, or is older than the retention. */
  async #forgetFailure(row: ExportCursorRow): Promise<void> {
    const { control, clock } = this.options;
    const progress = { to: row, sent: 0, dropped: 0, error: '', failures: 0, nextAt: 0 };
    await advanceExport(control, row, progress, clock.wallTime());
  }

  /** @returns the cursor after it; undefined when another gateway has moved it */
  async #send(
    { id, type, sink }: Export,
    row: ExportCursorRow,
    { records, places, end, unreadable }: SourcePage,
    signal: AbortSignal,
  ): Promise<ExportCursorRow | undefined> {
    const { control, clock, events } = this.options;
    const { tenant } = row;
    const delivery = await deliver(sink, { tenant, from: row, records }, places, signal);
    const { done, failure } = delivery;
    if (signal.aborted && failure) return undefined;
    const sent = done - delivery.dropped.length;
    // They are counted once, when the position passes them.
    const dropped = failure ? delivery.dropped : [...delivery.dropped, ...unreadable];
    const to = failure ? (done === 0 ? row : (places[done - 1] ?? row)) : end;
    const failures = failure ? row.failures + 1 : 0;
    const progress = {
      ...{ to, sent, dropped: dropped.length, failures, error: failure?.reason ?? '' },
      nextAt: failure ? clock.wallTime() + this.#pause(failures, failure.retryAfter) : 0,
    };
    if (!(await advanceExport(control, row, progress, clock.wallTime()))) return undefined;
    const names = { export: id, type, tenant };
    const lagOf = (record: ExportedRecord | undefined) =>
      record ? Math.max(0, clock.wallTime() - Date.parse(record.at)) : 0;
    if (done > 0) events.emit('export.sent', { ...names, count: sent, lag: lagOf(records[done - 1]) });
    const [first] = dropped;
    if (first)
      events.emit('export.dropped', {
        ...names,
        count: dropped.length,
        record: first.id,
        reason: first.reason,
      });
    if (failure)
      events.emit('export.failed', { ...names, failures, error: failure.reason, lag: lagOf(records[done]) });
    const { error, nextAt } = progress;
    const counts = { sent: row.sent + sent, dropped: row.dropped + dropped.length };
    return { ...row, ...counts, sequence: to.sequence, line: to.line, failures, error, next_at: nextAt };
  }

  #pause(failures: number, retryAfter: string | undefined): number {
    const pause = Math.min(LAST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** Math.min(failures - 1, 20));
    const varied = Math.round(pause * (1 + JITTER * (2 * this.options.random() - 1)));
    const wanted = /^\d{1,7}$/.test(retryAfter ?? '') ? Math.min(Number(retryAfter), MAX_RETRY_AFTER) : 0;
    return Math.max(varied, wanted * 1_000);
  }
}

/** Whether nothing of a tenant was sent or attempted. A rewind adds a row too, so its absence alone does not tell. */
function isUnsent(row: ExportCursorRow | undefined): boolean {
  return row === undefined || row.sent + row.dropped + row.failures === 0;
}
