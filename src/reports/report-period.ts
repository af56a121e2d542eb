import type { Calendar } from '../limits/calendar.ts';

export const REPORT_PERIODS = ['daily', 'weekly', 'monthly'] as const;
export type ReportPeriodName = (typeof REPORT_PERIODS)[number];

/** A day, week or month in a time zone. Times are Unix milliseconds, at whole hours. */
export interface ReportPeriod {
  /** `2026-11-21`, `2026-W47` or `2026-11`. */
  readonly id: string;
  readonly from: number;
  /** The first moment after it. */
  readonly to: number;
  readonly timeZone: string;
}

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;

/**
 * @param at Unix milliseconds
 * @param timeZone IANA name
 * @returns the period that contains a moment; weeks begin on Monday (ISO 8601)
 */
export function periodAt(
  calendar: Calendar,
  at: number,
  name: ReportPeriodName,
  timeZone: string,
): ReportPeriod {
  const date = calendar.localText(at, timeZone).slice(0, 10);
  const first =
    name === 'daily'
      ? date
      : name === 'monthly'
        ? `${date.slice(0, 7)}-01`
        : daysAfter(date, -((weekdayOf(date) + 6) % 7));
  const found = periodFrom(calendar, first, name, timeZone);
  // Usage is summed by hours of UTC: an hour in which a day begins belongs to the day before.
  if (at >= found.from) return found;
  return periodFrom(calendar, before(first, name), name, timeZone);
}

/** @returns the period before another one */
export function periodBefore(calendar: Calendar, period: ReportPeriod, name: ReportPeriodName): ReportPeriod {
  return periodAt(calendar, period.from - 1, name, period.timeZone);
}

/** @returns 0 for Sunday */
export function weekdayOf(date: string): number {
  return new Date(`${date}T00:00:00Z`).getUTCDay();
}

/** @param first its first day, such as `2026-11-01` */
function periodFrom(
  calendar: Calendar,
  first: string,
  name: ReportPeriodName,
  timeZone: string,
): ReportPeriod {
  const next =
    name === 'daily'
      ? daysAfter(first, 1)
      : name === 'weekly'
        ? daysAfter(first, 7)
        : `${daysAfter(first, 31).slice(0, 7)}-01`;
  const id = name === 'daily' ? first : name === 'weekly' ? weekId(first) : first.slice(0, 7);
  const hourOf = (date: string) => Math.ceil(calendar.startOfDate(date, timeZone) / HOUR_MS) * HOUR_MS;
  return { id, from: hourOf(first), to: hourOf(next), timeZone };
}

function before(first: string, name: ReportPeriodName): string {
  if (name === 'monthly') return `${daysAfter(first, -1).slice(0, 7)}-01`;
  return daysAfter(first, name === 'daily' ? -1 : -7);
}

function daysAfter(date: string, days: number): string {
  return new Date(Date.parse(`${date}T00:00:00Z`) + days * DAY_MS).toISOString().slice(0, 10);
}

/** A week belongs to the year of its Thursday. */
function weekId(monday: string): string {
  const thursday = daysAfter(monday, 3);
  const dayOfYear = (Date.parse(thursday) - Date.parse(`${thursday.slice(0, 4)}-01-01`)) / DAY_MS;
  return `${thursday.slice(0, 4)}-W${String(Math.floor(dayOfYear / 7) + 1).padStart(2, '0')}`;
}
