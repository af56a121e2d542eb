import { z } from 'zod';
import {
  ALERT_KINDS,
  ALERT_LABELS,
  ALERT_SEVERITIES,
  type AlertKind,
  type AlertLabel,
  type AlertSeverity,
} from '../core/alert.ts';
import { parseJsonText } from '../core/json.ts';
import type { AlertRow } from '../storage/sql/alert-tables.ts';
import type { AlertState } from './alert-state.ts';
import type { Condition } from './condition.ts';
import { KIND_DEFAULTS } from './rule.ts';

export const ALERT_STATES = ['pending', 'firing', 'resolved'] as const;

/** One alert, for people and receivers. Times are Unix milliseconds. */
export interface Alert extends AlertState {
  readonly id: string;
  /** Null for an alert of the platform. */
  readonly tenant: string | null;
  readonly rule: string;
  readonly kind: AlertKind;
  readonly subject: string;
  readonly labels: Readonly<Partial<Record<AlertLabel, string>>>;
  readonly severity: AlertSeverity;
  readonly summary: string;
  readonly value: number;
  readonly threshold: number | null;
  readonly unit: string;
  readonly updatedAt: number;
}

const labelsText = z.partialRecord(z.enum(ALERT_LABELS), z.string());

/** @returns the alert of a row */
export function alertOf(row: AlertRow): Alert {
  return {
    ...{ id: row.id, tenant: row.tenant === '' ? null : row.tenant, rule: row.rule, subject: row.subject },
    kind: ALERT_KINDS.find((kind) => kind === row.kind) ?? 'error_rate',
    labels: labelsText.safeParse(parseJsonText(row.labels)).data ?? {},
    severity: ALERT_SEVERITIES.find((severity) => severity === row.severity) ?? 'warning',
    ...{ summary: row.summary, value: row.value, threshold: row.threshold, unit: row.unit },
    updatedAt: row.updated_at,
    ...stateOf(row),
  };
}

/** @returns the state of a row */
export function stateOf(row: AlertRow): AlertState {
  return {
    state: ALERT_STATES.find((state) => state === row.state) ?? 'resolved',
    ...{ since: row.since, firedAt: row.fired_at, clearSince: row.clear_since, resolvedAt: row.resolved_at },
    flaps: row.flaps,
  };
}

/** @returns what an alert of a tenant has unique while it is open */
export function openKey(tenant: string, rule: string, subject: string): string {
  return `${tenant}\n${rule}\n${subject}`;
}

/** @returns the row of an alert in a state, with what was measured last */
export function rowOf(
  id: string,
  tenant: string,
  { rule, subject, labels, value, threshold, unit, summary }: Condition,
  state: AlertState,
  now: number,
): AlertRow {
  return {
    ...{ id, tenant, rule: rule.id, kind: rule.kind, subject, labels: JSON.stringify(labels) },
    open_key: state.state === 'resolved' ? null : openKey(tenant, rule.id, subject),
    ...{ severity: rule.severity, summary, value, threshold, unit, updated_at: now },
    ...columnsOf(state),
  };
}

/** @returns the columns of a state */
export function columnsOf({ state, since, firedAt, clearSince, resolvedAt, flaps }: AlertState) {
  return { state, since, fired_at: firedAt, clear_since: clearSince, resolved_at: resolvedAt, flaps };
}

/** @returns the value of a label; undefined for one that the alert lacks */
export function labelOf(alert: Alert, label: AlertLabel): string | undefined {
  switch (label) {
    case 'rule':
      return alert.rule;
    case 'kind':
      return alert.kind;
    case 'severity':
      return alert.severity;
    case 'subject':
      return alert.subject;
    case 'tenant':
      return alert.tenant ?? undefined;
    default:
      return alert.labels[label];
  }
}

/** Where messages lead. */
export interface AlertLinks {
  /** Of the console, without a slash at its end; null where it is not known. */
  readonly consoleUrl: string | null;
  readonly runbooksUrl: string | null;
}

/** @returns the page of an alert in the console */
export function consoleLink({ id }: Pick<Alert, 'id'>, { consoleUrl }: AlertLinks): string | null {
  return consoleUrl === null ? null : `${consoleUrl}/console/alerts?alert=${encodeURIComponent(id)}`;
}

/** @returns the page that says what to do: a link, or the path of the file */
export function runbookOf(kind: AlertKind, { runbooksUrl }: AlertLinks): string {
  const { runbook } = KIND_DEFAULTS[kind];
  return runbooksUrl === null
    ? `docs/runbooks/${runbook}.md`
    : `${runbooksUrl.replace(/\/+$/, '')}/${runbook}.md`;
}
