import type { Kysely } from 'kysely';
import type { Clock } from '../core/clock.ts';
import type { EventSink } from '../events/event-bus.ts';
import type { ControlTables } from '../storage/sql/control-tables.ts';
import {
  advanceExport,
  type ExportPlace,
  exportCursors,
  exportedUsage,
  leaseExport,
  openExportCursor,
} from '../storage/sql/export-store.ts';
import type { ExportCursorRow } from '../storage/sql/export-tables.ts';
import type { TenantDatabases } from '../storage/sql/tenant-databases.ts';
import { deliver } from './deliver.ts';
import { type ExportedUsage, exportedUsageOf } from './record.ts';
import type { ExportSink } from './sink.ts';

/** One configured export. */
export interface Export {
  readonly id: string;
  readonly type: string;
  /** Empty for all. */
  readonly tenants: readonly string[];
  /** Unix milliseconds: an export that is new to the database takes no earlier usage. */
  readonly beginsAt: number;
  /** Milliseconds between two visits. */
  readonly every: number;
  readonly maxRecords: number;
  /** Of the records of one batch, as JSON. */
  readonly maxBytes: number;
  readonly sink: ExportSink;
}

export interface ExportRunOptions {
  readonly control: Kysely<ControlTables>;
  readonly databases: TenantDatabases;
  readonly clock: Clock;
  readonly events: EventSink;
  /** Names this process, and no other. */
  readonly owner: string;
  /** From 0 to 1. */
  readonly random: () => number;
  /** All tenants of this gateway's region. */
  readonly tenants: () => readonly string[];
}

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

interface Pending {
  readonly records: readonly ExportedUsage[];
  /** After each record. */
  readonly places: readonly ExportPlace[];
  readonly end: ExportPlace;
  readonly isLast: boolean;
}

/**
 * Sends usage to one receiver, tenant by tenant, in the order in which it was stored. The cursor of a tenant advances after
 * the receiver has acknowledged a batch, so each record arrives at least once. One gateway at a time runs an export.
 */
export class ExportRun {
  constructor(private readonly options: ExportRunOptions) {}

  /** Visits all tenants once, unless another gateway does. @throws the database's error */
  async visit(one: Export, signal: AbortSignal): Promise<void> {
    const { control, clock, owner } = this.options;
    const lease = (ms: number) => leaseExport(control, one.id, owner, clock.wallTime(), ms, one.beginsAt);
    const startedAt = await lease(LEASE_MS);
    if (startedAt === undefined) return;
    try {
      const cursors = await exportCursors(control, one.id);
      let failed = 0;
      for (const tenant of this.#tenantsOf(one, cursors)) {
        if (signal.aborted || failed === MAX_FAILED) return;
        if ((cursors.get(tenant)?.next_at ?? 0) > clock.wallTime()) continue;
        const isDelivered = await this.#visitTenant(
          one,
          tenant,
          cursors.get(tenant),
          startedAt,
          signal,
          lease,
        );
        failed = isDelivered ? 0 : failed + 1;
      }
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

  /** @returns false after a failure */
  async #visitTenant(
    one: Export,
    tenant: string,
    known: ExportCursorRow | undefined,
    since: number,
    signal: AbortSignal,
    lease: (ms: number) => Promise<number | undefined>,
  ): Promise<boolean> {
    const { control, clock } = this.options;
    let row = known;
    for (let batches = 0; batches < BATCHES_AT_ONCE; batches += 1) {
      const from = row ?? { sequence: 0, line: 0 };
      const pending = await this.#read(tenant, from, since, one);
      const isUnchanged = pending.end.sequence === from.sequence && pending.end.line === from.line;
      if (isUnchanged) return true;
      row ??= await openExportCursor(control, one.id, tenant, clock.wallTime());
      if (signal.aborted || (await lease(LEASE_MS)) === undefined) return true;
      const next = await this.#send(one, row, pending, signal);
      if (!next || signal.aborted) return true;
      if (next.failures > 0) return false;
      row = next;
      if (pending.isLast) return true;
    }
    return true;
  }

  /** @returns the next records, within the limits of a batch */
  async #read(
    tenant: string,
    from: ExportPlace,
    since: number,
    { maxRecords, maxBytes }: Export,
  ): Promise<Pending> {
    const page = await this.options.databases.use({ tenant }, (db) =>
      exportedUsage(db, from, { since, limit: maxRecords }),
    );
    const records: ExportedUsage[] = [];
    const places: ExportPlace[] = [];
    let bytes = 0;
    for (const { event, after } of page.events) {
      const record = exportedUsageOf(event);
      bytes += Buffer.byteLength(JSON.stringify(record)) + 1;
      if (bytes > maxBytes && records.length > 0) {
        return { records, places, end: places.at(-1) ?? from, isLast: false };
      }
      records.push(record);
      places.push(after);
    }
    return { records, places, end: page.end, isLast: page.isLast };
  }

  /** @returns the cursor after it; undefined when another gateway has moved it */
  async #send(
    { id, type, sink }: Export,
    row: ExportCursorRow,
    { records, places, end }: Pending,
    signal: AbortSignal,
  ): Promise<ExportCursorRow | undefined> {
    const { control, clock, events } = this.options;
    const { tenant } = row;
    const { done, dropped, failure } = await deliver(sink, { tenant, from: row, records }, places, signal);
    if (signal.aborted && failure) return undefined;
    const sent = done - dropped.length;
    const to = failure ? (done === 0 ? row : (places[done - 1] ?? row)) : end;
    const failures = failure ? row.failures + 1 : 0;
    const progress = {
      ...{ to, sent, dropped: dropped.length, failures, error: failure?.reason ?? '' },
      nextAt: failure ? clock.wallTime() + this.#pause(failures, failure.retryAfter) : 0,
    };
    if (!(await advanceExport(control, row, progress, clock.wallTime()))) return undefined;
    const names = { export: id, type, tenant };
    const lagOf = (record: ExportedUsage | undefined) =>
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
    return { ...row, ...{ sequence: to.sequence, line: to.line, failures, next_at: progress.nextAt } };
  }

  #pause(failures: number, retryAfter: string | undefined): number {
    const pause = Math.min(LAST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** Math.min(failures - 1, 20));
    const varied = Math.round(pause * (1 + JITTER * (2 * this.options.random() - 1)));
    const wanted = /^\d{1,7}$/.test(retryAfter ?? '') ? Math.min(Number(retryAfter), MAX_RETRY_AFTER) : 0;
    return Math.max(varied, wanted * 1_000);
  }
}
