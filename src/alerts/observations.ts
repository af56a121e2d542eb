import type { Kysely } from 'kysely';
import type { Clock } from '../core/clock.ts';
import { latestObservations, saveObservations } from '../storage/sql/alert-store.ts';
import type { AlertObservationRow } from '../storage/sql/alert-tables.ts';
import type { ControlTables } from '../storage/sql/control-tables.ts';
import { amountText, type Condition, type Evaluation } from './condition.ts';
import type { AlertRule } from './rule.ts';

/** Something that a gateway finds wrong with itself or its targets. */
export interface Observation {
  readonly kind:
    | 'target_unavailable'
    | 'provider_unavailable'
    | 'queue_depth'
    | 'engine_failed'
    | 'storage_failing'
    | 'backup_overdue'
    | 'export_failing';
  /** A target, provider, engine or export; empty for the gateway itself. */
  readonly subject: string;
  readonly value: number;
  /** Why, for people. */
  readonly detail: string;
}

/** A gateway that has reported nothing for so long is gone, or has lost the database. Milliseconds. */
const STALE_MS = 45_000;
/** Reports without a change: so that they do not become stale. Milliseconds. */
const REFRESH_MS = 15_000;
const MAX_DETAIL = 300;
const MAX_OBSERVATIONS = 500;

/** Reports what this process finds: whichever gateway evaluates alerts sees the targets and queues of all of them. */
export class ObservationReporter {
  #last = '[]';
  #savedAt = Number.NEGATIVE_INFINITY;

  constructor(
    private readonly control: Kysely<ControlTables>,
    private readonly clock: Clock,
    /** Names this process, and no other. */
    private readonly instance: string,
    private readonly observe: () => readonly Observation[],
  ) {}

  /** To be called every few seconds. A gateway where nothing is wrong writes nothing. @throws the database's error */
  async report(): Promise<void> {
    const found = this.observe().slice(0, MAX_OBSERVATIONS);
    const text = JSON.stringify(found);
    const isDue = found.length > 0 && this.clock.now() - this.#savedAt >= REFRESH_MS;
    if (text === this.#last && !isDue) return;
    const rows = new Map<string, Omit<AlertObservationRow, 'seen_at'>>();
    for (const { kind, subject, value, detail } of found) {
      rows.set(`${kind} ${subject}`, {
        ...{ instance: this.instance, kind, subject, value },
        detail: detail.replaceAll('\0', '').slice(0, MAX_DETAIL),
      });
    }
    await saveObservations(this.control, this.instance, [...rows.values()], this.clock.wallTime());
    this.#last = text;
    this.#savedAt = this.clock.now();
  }

  /** Removes what it reported: a gateway that stops on purpose is no reason for an alert. */
  async close(): Promise<void> {
    if (this.#last === '[]') return;
    await saveObservations(this.control, this.instance, [], this.clock.wallTime());
  }
}

/** @returns what gateways report now */
export function currentObservations(
  control: Kysely<ControlTables>,
  now: number,
): Promise<AlertObservationRow[]> {
  return latestObservations(control, now, STALE_MS);
}

const TEXTS: Readonly<Record<Exclude<Observation['kind'], 'queue_depth'>, (subject: string) => string>> = {
  target_unavailable: (subject) => `The target ${subject} gets no requests`,
  provider_unavailable: (subject) => `No target of the provider ${subject} is available`,
  engine_failed: (subject) => `The engine ${subject} failed`,
  storage_failing: () => 'The local disk of a gateway rejects writes',
  backup_overdue: () => 'The latest backup is older than two intervals, or missing',
  export_failing: (subject) => `The receiver of the export ${subject} takes no records`,
};

/** Of what concerns a gateway itself. */
const SUBJECTS: Readonly<Partial<Record<AlertRule['kind'], string>>> = {
  storage_failing: 'disk',
  backup_overdue: 'backup',
};

/** Evaluates a rule about the state of gateways. */
export function evaluateObservations(rule: AlertRule, rows: readonly AlertObservationRow[]): Evaluation {
  const own = rows.filter(({ kind }) => kind === rule.kind);
  if (rule.kind === 'queue_depth') {
    const value = own.reduce((sum, row) => sum + row.value, 0);
    const summary = `${amountText(value)} requests wait for a target (limit ${amountText(rule.above)}).`;
    const shared = { rule, subject: 'queue', labels: {}, unit: 'requests', summary };
    return { rule, conditions: [{ ...shared, value, threshold: rule.above, holds: value > rule.above }] };
  }
  const { kind } = rule;
  if (!Object.hasOwn(TEXTS, kind)) return { rule, conditions: [] };
  const subjects = Map.groupBy(own, ({ subject }) => subject);
  return {
    rule,
    conditions: Array.from(subjects, ([subject, found]): Condition => {
      const detail = found.find((row) => row.detail !== '')?.detail;
      const text = textOf(kind, subject);
      const gateways = found.length === 1 ? '' : `, at ${found.length} gateways`;
      return {
        ...{
          rule,
          subject: subject || SUBJECTS[kind] || '',
          labels: labelsOf(kind, subject),
          value: found.length,
        },
        ...{ threshold: null, unit: 'gateways', holds: found.length > rule.above },
        summary: `${text}${gateways}${detail === undefined ? '' : `: ${detail}`}.`,
      };
    }),
  };
}

function textOf(kind: AlertRule['kind'], subject: string): string {
  for (const [name, text] of Object.entries(TEXTS)) if (name === kind) return text(subject);
  return subject;
}

function labelsOf(kind: AlertRule['kind'], subject: string): Condition['labels'] {
  if (kind === 'provider_unavailable') return { provider: subject };
  if (kind !== 'target_unavailable') return {};
  const slash = subject.indexOf('/');
  return { provider: subject.slice(0, slash), model: subject.slice(slash + 1) };
}
