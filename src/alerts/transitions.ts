import type { Kysely } from 'kysely';
import type { Outbox } from '../events/outbox.ts';
import type { NewEvent } from '../events/stored-event.ts';
import { type AlertLease, assertAlertLease, lastAlert } from '../storage/sql/alert-store.ts';
import type { AlertRow } from '../storage/sql/alert-tables.ts';
import type { ControlTables } from '../storage/sql/control-tables.ts';
import { alertOf, columnsOf, openKey, rowOf, stateOf } from './alert.ts';
import { FLAP_MS, nextState } from './alert-state.ts';
import type { Condition, Evaluation } from './condition.ts';

export interface TransitionOptions {
  readonly control: Kysely<ControlTables>;
  readonly outbox: Pick<Outbox, 'append' | 'wake'>;
  readonly newId: (prefix: string) => string;
  readonly onTransition: (event: 'fired' | 'resolved', alert: AlertRow) => void;
}

/** Values of an alert whose state stays are stored this often. Milliseconds. */
const REFRESH_MS = 60_000;

/** Open alerts by tenant and what they are about; kept current while alerts change. */
export class OpenAlerts {
  readonly #rows = new Map<string, AlertRow>();
  readonly #byRule = new Map<string, Map<string, AlertRow>>();

  constructor(rows: readonly AlertRow[]) {
    for (const row of rows) this.set(row);
  }

  get all(): readonly AlertRow[] {
    return [...this.#rows.values()];
  }

  get tenants(): ReadonlySet<string> {
    return new Set(Array.from(this.#rows.values(), ({ tenant }) => tenant));
  }

  /** @returns those of a rule, by what they are about */
  of(tenant: string, rule: string): ReadonlyMap<string, AlertRow> {
    return this.#byRule.get(`${tenant}\n${rule}`) ?? new Map();
  }

  set(row: AlertRow): void {
    const { tenant, rule, subject } = row;
    this.#rows.set(openKey(tenant, rule, subject), row);
    const group = this.#byRule.get(`${tenant}\n${rule}`);
    if (group) group.set(subject, row);
    else this.#byRule.set(`${tenant}\n${rule}`, new Map([[subject, row]]));
  }

  delete({ tenant, rule, subject }: AlertRow): void {
    this.#rows.delete(openKey(tenant, rule, subject));
    this.#byRule.get(`${tenant}\n${rule}`)?.delete(subject);
  }
}

/** One change of an alert. */
interface Change {
  readonly kind: 'insert' | 'update' | 'delete';
  readonly row: AlertRow;
  readonly event: 'fired' | 'resolved' | undefined;
}

/** Moves alerts from state to state. Each step is one transaction, with its events. */
export class Transitions {
  constructor(private readonly options: TransitionOptions) {}

  /**
   * Applies what was measured. Alerts of these rules that no condition is about are as if it did not hold.
   * @param tenant empty for the platform
   * @throws AlertLeaseLost, or the database's error: nothing is changed then
   */
  async apply(
    lease: AlertLease,
    open: OpenAlerts,
    tenant: string,
    evaluations: readonly Evaluation[],
    now: number,
  ): Promise<void> {
    const changes: Change[] = [];
    for (const { rule, conditions } of evaluations) {
      const known = open.of(tenant, rule.id);
      const seen = new Set<string>();
      for (const condition of conditions) {
        if (seen.has(condition.subject)) continue;
        seen.add(condition.subject);
        const change = await this.#changeOf(tenant, condition, known.get(condition.subject), now);
        if (change) changes.push(change);
      }
      for (const [subject, row] of known) {
        if (seen.has(subject)) continue;
        const next = nextState(stateOf(row), false, rule, 0, now);
        const change = changeTo(row, next, now);
        if (change) changes.push(change);
      }
    }
    await this.#store(lease, open, changes);
  }

  /** Ends alerts at once: their rule or tenant no longer exists. @throws as `apply` */
  async end(lease: AlertLease, open: OpenAlerts, rows: readonly AlertRow[], now: number): Promise<void> {
    const changes = rows.flatMap((row) => {
      const state = stateOf(row);
      const ended =
        state.state === 'firing' ? { ...state, state: 'resolved' as const, resolvedAt: now } : undefined;
      return changeTo(row, ended, now) ?? [];
    });
    await this.#store(lease, open, changes);
  }

  async #changeOf(
    tenant: string,
    condition: Condition,
    row: AlertRow | undefined,
    now: number,
  ): Promise<Change | undefined> {
    const { rule, subject, holds } = condition;
    if (!row) {
      if (!holds) return undefined;
      const last = await lastAlert(this.options.control, { tenant, rule: rule.id, subject });
      const flaps = last && now - (last.resolved_at ?? 0) < FLAP_MS ? last.flaps + 1 : 0;
      const state = nextState(undefined, true, rule, flaps, now);
      if (!state) return undefined;
      const begun = rowOf(this.options.newId('alt'), tenant, condition, state, now);
      return { kind: 'insert', row: begun, event: state.state === 'firing' ? 'fired' : undefined };
    }
    const next = nextState(stateOf(row), holds, rule, 0, now);
    const change = changeTo(row, next, now);
    if (!next || next.state === 'resolved' || !holds) return change;
    const measured = rowOf(row.id, tenant, condition, next, now);
    if (change) return { ...change, row: measured };
    const isNews = measured.severity !== row.severity || now - row.updated_at >= REFRESH_MS;
    return isNews ? { kind: 'update', row: measured, event: undefined } : undefined;
  }

  async #store(lease: AlertLease, open: OpenAlerts, changes: readonly Change[]): Promise<void> {
    if (changes.length === 0) return;
    const { control, outbox, onTransition } = this.options;
    const events = changes.flatMap(({ event, row }) => (event ? [eventOf(event, row)] : []));
    await control.transaction().execute(async (transaction) => {
      await assertAlertLease(transaction, lease);
      for (const { kind, row } of changes) {
        if (kind === 'insert') await transaction.insertInto('alerts').values(row).execute();
        else if (kind === 'delete') await transaction.deleteFrom('alerts').where('id', '=', row.id).execute();
        else await transaction.updateTable('alerts').set(row).where('id', '=', row.id).execute();
      }
      await outbox.append(transaction, events);
    });
    if (events.length > 0) outbox.wake();
    for (const { kind, row, event } of changes) {
      if (kind === 'delete' || row.open_key === null) open.delete(row);
      else open.set(row);
      if (event) onTransition(event, row);
    }
  }
}

/** @returns how a row gets to a state; undefined when it is there */
function changeTo(row: AlertRow, next: ReturnType<typeof nextState>, now: number): Change | undefined {
  if (!next) return { kind: 'delete', row, event: undefined };
  if (next.state === row.state && next.clearSince === row.clear_since) return undefined;
  const isOver = next.state === 'resolved';
  const changed = { ...row, ...columnsOf(next), open_key: isOver ? null : row.open_key, updated_at: now };
  const event = isOver ? 'resolved' : next.state === row.state ? undefined : 'fired';
  return { kind: 'update', row: changed, event };
}

function eventOf(event: 'fired' | 'resolved', row: AlertRow): NewEvent {
  const { id, tenant, rule, kind, subject, severity, summary, value, threshold, unit, since } = alertOf(row);
  const data = { alert: id, rule, kind, subject, severity, summary, value, threshold, unit, since };
  return { type: event === 'fired' ? 'alert.fired' : 'alert.resolved', tenant, data };
}
