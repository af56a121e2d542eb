import { parseDuration } from '../config/units.ts';
import { systemClock } from '../core/clock.ts';
import { type LimitDocument, limitSchema } from '../core/limit-schema.ts';
import { CommandError } from './output.ts';

const LIMIT = /^\s*(\d[\d_]*)\s*(?:x\s*)?([a-z_ ]+?)\s*(?:(?:per|\/)\s*(second|minute|day|month))?\s*$/i;
const BUDGET = /^\s*\$?(\d[\d.]*)\s*(?:(?:per|\/)\s*(day|month))?\s*$/i;
const DATE = /^\d{4}-\d{2}-\d{2}$/;

/** @param text such as `100 requests per minute`, `1_000_000 tokens/day` or `5 concurrent requests` */
export function parseLimit(text: string): LimitDocument {
  const [, max = '', of = '', per] = LIMIT.exec(text) ?? [];
  return checked(
    text,
    'limit',
    '"100 requests per minute", "1000000 tokens/day" or "5 concurrent requests"',
    {
      of: of
        .trim()
        .toLowerCase()
        .replaceAll(' ', '_')
        .replace(/^(request|token)$/, '$1s'),
      per: per?.toLowerCase() ?? null,
      max: Number(max.replaceAll('_', '')),
    },
  );
}

/** @param text US dollars: `50` for a month, or such as `5/day` */
export function parseBudget(text: string): LimitDocument {
  const [, max = '', per = 'month'] = BUDGET.exec(text) ?? [];
  return checked(text, 'budget', '"50" (US dollars per month) or "5/day"', {
    of: 'cost',
    per: per.toLowerCase(),
    max,
  });
}

function checked(text: string, what: string, examples: string, document: unknown): LimitDocument {
  const result = limitSchema.safeParse(document);
  if (result.success) return result.data;
  throw new CommandError(`${JSON.stringify(text)} is not a ${what}. Write it as ${examples}.`);
}

/** @param texts limits; `none` alone is an empty list. @returns undefined where none was given */
export function limitsFrom(
  limits: readonly string[],
  budgets: readonly string[],
): LimitDocument[] | undefined {
  if (limits.length === 0 && budgets.length === 0) return undefined;
  const given = limits.filter((text) => text !== 'none');
  return [...given.map(parseLimit), ...budgets.filter((text) => text !== 'none').map(parseBudget)];
}

/** @param text a date or time, a duration from now such as `90d`, or `never`. @returns Unix milliseconds */
export function parseExpiry(text: string): number | null {
  if (text === 'never') return null;
  const duration = parseDuration(text);
  const now = systemClock.wallTime();
  const at = duration === undefined ? parseTime(text) : now + duration;
  if (at !== undefined && at > now) return at;
  throw new CommandError(
    `${JSON.stringify(text)} is not a time in the future. Write a date such as 2027-01-31, a duration such as 90d, or never.`,
  );
}

/** @param text a date, which begins in UTC, or a time. @returns Unix milliseconds; undefined for other texts */
export function parseTime(text: string): number | undefined {
  const at = Date.parse(DATE.test(text) ? `${text}T00:00:00Z` : text);
  return Number.isNaN(at) ? undefined : at;
}

/** @param what the option, for the error. @returns milliseconds */
export function durationFrom(text: string, what: string): number {
  const duration = parseDuration(text);
  if (duration !== undefined) return duration;
  throw new CommandError(`${what} must be a duration such as 30m, 24h or 7d; got ${JSON.stringify(text)}.`);
}

/** `a, b` as a list. */
export function listFrom(text: string): string[] {
  return text
    .split(',')
    .map((one) => one.trim())
    .filter((one) => one !== '');
}

/** A time in a table: `2026-11-29 17:30`, in UTC. */
export function shortTime(time: number): string {
  return new Date(time).toISOString().slice(0, 16).replace('T', ' ');
}

/** `100 requests per minute`. */
export function describeLimit({ of, per, max, mode }: LimitDocument): string {
  const what = of === 'cost' ? `$${max}` : `${max} ${of.replaceAll('_', ' ')}`;
  return `${what}${per ? ` per ${per}` : ''}${mode === 'enforce' ? '' : ` (${mode})`}`;
}
