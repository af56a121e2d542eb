import type { SubjectLimits } from '../core/limit.ts';
import type { Counter } from '../limits/counter.ts';
import { amountText, type Condition } from './condition.ts';
import type { AlertRule } from './rule.ts';

/** A quota or budget with what is used of it now. */
export interface LimitUse {
  readonly counter: Counter;
  readonly counterState: number;
}

const NANO = 1e9;

/** @returns the id within the tenant; empty for the tenant itself */
export function idWithin({ id }: Pick<SubjectLimits, 'id'>): string {
  return id.slice(id.indexOf('/') + 1);
}

/** @returns how people name an owner of limits: `the key batch jobs` */
export function ownerText({ scope, name }: Pick<SubjectLimits, 'scope' | 'name'>): string {
  return `the ${scope} ${name}`;
}

/** @returns an amount of what a limit counts, for people; money is given in 10^-9 US dollars */
export function limitAmount(of: Counter['limit']['of'], amount: number): string {
  return of === 'cost' ? `$${(amount / NANO).toFixed(2)}` : `${amountText(amount)} ${of}`;
}

/** Evaluates a rule of the kind `limit_used`: quotas and budgets of a day or month. */
export function limitsUsed(rule: AlertRule, uses: readonly LimitUse[]): Condition[] {
  return uses.flatMap(({ counter: { kind, limit, subject }, counterState: used }) => {
    if (kind !== 'period' || limit.mode === 'shadow' || limit.max <= 0) return [];
    const id = idWithin(subject);
    const value = Math.floor((1_000 * used) / limit.max) / 10;
    const holds = used * 100 >= limit.max * rule.above;
    const part = `${limitAmount(limit.of, used)} of ${limitAmount(limit.of, limit.max)}`;
    return [
      {
        ...{ rule, value, threshold: rule.above, unit: '%', holds },
        subject: `${subject.scope}:${id}:${limit.of}:${limit.per}`,
        labels: subject.scope === 'key' ? { key: id } : {},
        summary: `${capital(ownerText(subject))} has used ${part} per ${limit.per}: ${amountText(value)} %.`,
      },
    ];
  });
}

export const capital = (text: string): string => text.charAt(0).toUpperCase() + text.slice(1);
