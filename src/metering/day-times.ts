import { TimeZones } from '../core/time-zone.ts';

const MINUTE_MS = 60_000;
const DAY_MINUTES = 1_440;
/** Clocks change at whole quarters of an hour. */
const QUARTER_MS = 15 * MINUTE_MS;

/** A time of day, on some days of the week. */
export interface DayTime {
  /** Minutes since midnight: from inclusive, until exclusive. It ends on the next day where `until` is not after `from`. */
  readonly from: number;
  readonly until: number;
  /** Days on which it begins, 0 for Sunday to 6; every day when absent. */
  readonly days?: readonly number[];
  /** IANA name. */
  readonly timeZone: string;
}

/** Finds whether a moment is within a time of day. The offsets of time zones are kept for a quarter of an hour. */
export class DayTimes {
  readonly #zones = new TimeZones();
  readonly #offsets = new Map<string, { readonly quarter: number; readonly offset: number }>();

  /** @param at Unix milliseconds */
  contains({ from, until, days, timeZone }: DayTime, at: number): boolean {
    const local = at + this.#offset(at, timeZone);
    const minute = Math.floor(local / MINUTE_MS) % DAY_MINUTES;
    const begins = (dayBefore: 0 | 1) =>
      !days || days.includes(new Date(local - dayBefore * DAY_MINUTES * MINUTE_MS).getUTCDay());
    if (from < until) return minute >= from && minute < until && begins(0);
    return minute >= from ? begins(0) : minute < until && begins(1);
  }

  #offset(at: number, timeZone: string): number {
    if (timeZone === 'UTC') return 0;
    const quarter = Math.floor(at / QUARTER_MS);
    const known = this.#offsets.get(timeZone);
    if (known?.quarter === quarter) return known.offset;
    const start = quarter * QUARTER_MS;
    const offset = this.#zones.localTime(start, timeZone) - start;
    this.#offsets.set(timeZone, { quarter, offset });
    return offset;
  }
}
