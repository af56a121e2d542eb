import { type Kysely, sql } from 'kysely';
import { eventOf, REJECTED, type UsageEvent } from '../usage-event.ts';
import type { ControlTables } from './control-tables.ts';
import { leaseTime } from './event-log.ts';
import type { ExportCursorRow } from './export-tables.ts';
import type { TenantTables } from './tenant-tables.ts';

type Control = Kysely<ControlTables>;

/** Of the row of an export itself. */
const WHOLE = '';

/** A position in a tenant's usage: after so many lines of the batch with this number. */
export interface ExportPlace {
  readonly sequence: number;
  readonly line: number;
}

/** Number of a position before everything; its line is a name of its own. */
const BEGINNING = 0;
/** Seconds from here fit into an integer of 32 bits until 2088. */
const LINES_SINCE = Date.UTC(2020, 0);
/** Rows of one INSERT. */
const REWOUND_AT_ONCE = 100;

/** One event, and the position after it. */
export interface PlacedEvent {
  readonly event: UsageEvent;
  readonly after: ExportPlace;
}

export interface ExportPage {
  readonly events: readonly PlacedEvent[];
  /** After the last line that was read, which may be one without an event to export. */
  readonly end: ExportPlace;
  readonly isLast: boolean;
}

/** Batches of one page. */
const MAX_BATCHES = 200;

/**
 * Reads usage in the order in which it was stored, which late usage does not change.
 * @param since Unix milliseconds; earlier events are skipped
 */
export async function exportedUsage(
  db: Kysely<TenantTables>,
  after: ExportPlace,
  { since, limit }: { readonly since: number; readonly limit: number },
): Promise<ExportPage> {
  const events: PlacedEvent[] = [];
  let end = after;
  // One batch at a time, because batches may be large.
  for (let read = 0; read < MAX_BATCHES; read += 1) {
    const batch = await db
      .selectFrom('usage_batches')
      .select(['sequence', 'archived', 'events'])
      .where('sequence', '>', 0)
      .where('sequence', read === 0 ? '>=' : '>', end.sequence)
      .where('last_at', '>=', since)
      .whereRef('count', '>', 'archived')
      .orderBy('sequence')
      .limit(1)
      .executeTakeFirst();
    if (!batch) return { events, end, isLast: true };
    const sequence = Number(batch.sequence);
    const first = Number(batch.archived);
    const lines = batch.events.split('\n');
    const from = sequence === end.sequence ? Math.max(0, end.line - first) : 0;
    for (let index = from; index < lines.length; index += 1) {
      if (events.length === limit) return { events, end, isLast: false };
      end = { sequence, line: first + index + 1 };
      const event = eventOf(lines[index] ?? '');
      if (!event || event.outcome === REJECTED || event.at < since) continue;
      events.push({ event, after: end });
    }
  }
  return { events, end, isLast: false };
}

/**
 * Takes or extends the lease of an export, by the clock of the database server where there is one.
 * @param ms length; 0 ends it
 * @param beginsAt Unix milliseconds; when the export begins, where it is new to the database
 * @returns when the export began, in Unix milliseconds; undefined while another gateway has it, or it is paused
 */
export async function leaseExport(
  control: Control,
  id: string,
  owner: string,
  now: number,
  ms: number,
  beginsAt: number,
): Promise<number | undefined> {
  const time = leaseTime(control, now);
  if (ms > 0) await insertCursor(control, id, WHOLE, beginsAt);
  const taken = await control
    .updateTable('export_cursors')
    .set({ owner, lease_until: ms === 0 ? sql<number>`0` : sql<number>`${time} + ${ms}` })
    .where('export', '=', id)
    .where('tenant', '=', WHOLE)
    .where(({ eb, or }) => or([eb('owner', '=', owner), eb('lease_until', '<', time)]))
    // One that is paused can still be released.
    .$if(ms > 0, (query) => query.where('paused_at', '=', 0))
    .returning('started_at')
    .executeTakeFirst();
  return taken && Number(taken.started_at);
}

/** @returns the rows of exports themselves, by export */
export async function exportHeads(control: Control): Promise<Map<string, ExportCursorRow>> {
  const rows = await control.selectFrom('export_cursors').selectAll().where('tenant', '=', WHOLE).execute();
  return new Map(rows.map((row) => [row.export, numbered(row)]));
}

/** @param pausedAt Unix milliseconds; 0 resumes */
export async function pauseExport(
  control: Control,
  id: string,
  pausedAt: number,
  now: number,
): Promise<void> {
  await insertCursor(control, id, WHOLE, now);
  await control
    .updateTable('export_cursors')
    .set({ paused_at: pausedAt, updated_at: now })
    .where('export', '=', id)
    .where('tenant', '=', WHOLE)
    .execute();
}

/**
 * Sends what was stored again, from a time. The position is one that no other has: a batch that is under way does not move
 * it, and files that were written before keep their names.
 * @param since Unix milliseconds
 */
export async function rewindExport(
  control: Control,
  id: string,
  tenants: readonly string[],
  since: number,
  now: number,
): Promise<void> {
  const place = { sequence: BEGINNING, line: Math.floor((now - LINES_SINCE) / 1_000) };
  const state = { ...place, started_at: since, updated_at: now, ...{ failures: 0, next_at: 0, error: '' } };
  for (let at = 0; at < tenants.length; at += REWOUND_AT_ONCE) {
    await control
      .insertInto('export_cursors')
      .values(
        tenants.slice(at, at + REWOUND_AT_ONCE).map((tenant) => ({
          ...{ ...state, export: id, tenant, sent: 0, dropped: 0, owner: '', lease_until: 0 },
        })),
      )
      .onConflict((conflict) => conflict.columns(['export', 'tenant']).doUpdateSet(state))
      .execute();
  }
}

/** @returns the cursors of an export by tenant */
export async function exportCursors(control: Control, id: string): Promise<Map<string, ExportCursorRow>> {
  const rows = await control
    .selectFrom('export_cursors')
    .selectAll()
    .where('export', '=', id)
    .where('tenant', '!=', WHOLE)
    .execute();
  return new Map(rows.map((row) => [row.tenant, numbered(row)]));
}

/** @returns the cursors of all exports, also of those that are no longer configured */
export async function allExportCursors(control: Control): Promise<ExportCursorRow[]> {
  const rows = await control
    .selectFrom('export_cursors')
    .selectAll()
    .where('tenant', '!=', WHOLE)
    .orderBy('export')
    .orderBy('tenant')
    .execute();
  return rows.map(numbered);
}

/**
 * Adds the cursor of a tenant, at the beginning.
 * @param since Unix milliseconds; earlier records are not sent
 * @returns it, or the one that was there
 */
export async function openExportCursor(
  control: Control,
  id: string,
  tenant: string,
  since: number,
): Promise<ExportCursorRow> {
  await insertCursor(control, id, tenant, since);
  const row = await control
    .selectFrom('export_cursors')
    .selectAll()
    .where('export', '=', id)
    .where('tenant', '=', tenant)
    .executeTakeFirstOrThrow();
  return numbered(row);
}

export interface ExportProgress {
  readonly to: ExportPlace;
  readonly sent: number;
  readonly dropped: number;
  /** Empty after a success. */
  readonly error: string;
  readonly failures: number;
  readonly nextAt: number;
}

/** @returns whether the cursor was still where it was read: otherwise another gateway has the export, or it was rewound */
export async function advanceExport(
  control: Control,
  row: ExportCursorRow,
  { to, sent, dropped, error, failures, nextAt }: ExportProgress,
  now: number,
): Promise<boolean> {
  const { numUpdatedRows } = await control
    .updateTable('export_cursors')
    .set(({ eb }) => ({
      ...{ sequence: to.sequence, line: to.line, error, failures, next_at: nextAt, updated_at: now },
      sent: eb('sent', '+', sent),
      dropped: eb('dropped', '+', dropped),
      ...(sent > 0 && { sent_at: now }),
    }))
    .where('export', '=', row.export)
    .where('tenant', '=', row.tenant)
    .where('sequence', '=', row.sequence)
    .where('line', '=', row.line)
    .where('started_at', '=', row.started_at)
    .executeTakeFirst();
  return numUpdatedRows === 1n;
}

async function insertCursor(control: Control, id: string, tenant: string, startedAt: number): Promise<void> {
  await control
    .insertInto('export_cursors')
    .values({
      ...{
        export: id,
        tenant,
        sequence: 0,
        line: 0,
        sent: 0,
        dropped: 0,
        failures: 0,
        next_at: 0,
        error: '',
      },
      ...{ owner: '', lease_until: 0, started_at: startedAt, updated_at: startedAt },
    })
    .onConflict((conflict) => conflict.columns(['export', 'tenant']).doNothing())
    .execute();
}

/** PostgreSQL returns integers of 64 bits as text. */
function numbered(row: ExportCursorRow): ExportCursorRow {
  return {
    ...row,
    sequence: Number(row.sequence),
    sent: Number(row.sent),
    dropped: Number(row.dropped),
    next_at: Number(row.next_at),
    paused_at: Number(row.paused_at),
    sent_at: Number(row.sent_at),
    lease_until: Number(row.lease_until),
    started_at: Number(row.started_at),
    updated_at: Number(row.updated_at),
  };
}
