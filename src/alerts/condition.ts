import type { AlertLabel } from '../core/alert.ts';
import type { AlertRule } from './rule.ts';

/** What a rule measured of one subject. */
export interface Condition {
  readonly rule: AlertRule;
  /** What it is about, within the rule: `fast`, `key:key_1:cost:month`. */
  readonly subject: string;
  readonly labels: Readonly<Partial<Record<AlertLabel, string>>>;
  /** Whether it is met. */
  readonly holds: boolean;
  readonly value: number;
  /** Null where no number decides. */
  readonly threshold: number | null;
  readonly unit: string;
  /** A sentence with the value and its limit. */
  readonly summary: string;
}

/** The outcome of a rule that was evaluated. */
export interface Evaluation {
  readonly rule: AlertRule;
  /** Subjects without a condition have nothing to report. */
  readonly conditions: readonly Condition[];
}

/** @returns a number for people: `1,234`, `0.07` */
export function amountText(value: number): string {
  const digits = Math.abs(value) >= 100 || Number.isInteger(value) ? 0 : Math.abs(value) >= 1 ? 1 : 3;
  return value.toLocaleString('en-US', { maximumFractionDigits: digits });
}

/** @returns milliseconds for people: `850 ms`, `12.4 s`, `3 min` */
export function durationText(ms: number): string {
  if (ms < 1_000) return `${Math.round(ms)} ms`;
  if (ms < 120_000) return `${amountText(ms / 1_000)} s`;
  return ms < 7_200_000 ? `${Math.round(ms / 60_000)} min` : `${amountText(ms / 3_600_000)} h`;
}
