import { z } from 'zod';
import type { Calendar } from '../limits/calendar.ts';

const HOUR_MS = 3_600_000;

/** `2026-11`. */
export const monthText = z.string().regex(/^20\d{2}-(?:0[1-9]|1[0-2])$/, 'must be a month such as 2026-11');
/** `2026-11-21`. */
export const dayText = z.iso.date('must be a day such as 2026-11-21');

/** A month in a time zone. Times are Unix milliseconds, at whole hours. */
export interface BillingMonth {
  readonly id: string;
  readonly start: number;
  /** The first moment after it. */
  readonly end: number;
  readonly timeZone: string;
}

/**
 * Finds a month. Usage is summed by hours of UTC: where a zone's months begin within one, that hour belongs to the month
 * before, so that each hour is in exactly one month.
 *
 * @throws RangeError when the time zone does not exist
 */
export function monthIn(calendar: Calendar, id: string, timeZone: string): BillingMonth {
  const start = hourFrom(calendar.startOfDate(id, timeZone));
  return { id, start, end: hourFrom(calendar.startOfDate(monthAfter(id), timeZone)), timeZone };
}

/** @returns the month that contains a moment */
export function monthAt(calendar: Calendar, at: number, timeZone: string): BillingMonth {
  const id = calendar.localText(at, timeZone).slice(0, 7);
  const month = monthIn(calendar, id, timeZone);
  return at < month.start ? monthIn(calendar, monthBefore(id), timeZone) : month;
}

/** @returns the day that contains a moment: `2026-11-21` */
export function dayAt(calendar: Calendar, at: number, timeZone: string): string {
  return calendar.localText(at, timeZone).slice(0, 10);
}

/** @returns the first whole hour of a day */
export function dayStart(calendar: Calendar, day: string, timeZone: string): number {
  return hourFrom(calendar.startOfDate(day, timeZone));
}

/** @returns a day that is so many days later */
export function addDays(day: string, count: number): string {
  return new Date(Date.parse(`${day}T00:00:00Z`) + count * 24 * HOUR_MS).toISOString().slice(0, 10);
}

export function monthAfter(id: string): string {
  return shift(id, 1);
}

export function monthBefore(id: string): string {
  return shift(id, -1);
}

function shift(id: string, by: number): string {
  const [year = 0, month = 1] = id.split('-').map(Number);
  return new Date(Date.UTC(year, month - 1 + by)).toISOString().slice(0, 7);
}

function hourFrom(at: number): number {
  return Math.ceil(at / HOUR_MS) * HOUR_MS;
}
