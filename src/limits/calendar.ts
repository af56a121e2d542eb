import type { CalendarPeriod } from '../core/limit.ts';
import { TimeZones } from '../core/time-zone.ts';

/** A day or a month in one time zone. Times are Unix milliseconds. */
export interface Period {
  /** `2026-11-21` or `2026-11`; sorts by time. */
  readonly id: string;
  readonly startsAt: number;
  /** The first moment after it. */
  readonly endsAt: number;
}

const HOUR_MS = 3_600_000;

interface LocalDate {
  readonly year: number;
  readonly month: number;
  readonly day: number;
}

/** Finds days and months of time zones. The current period of each zone is cached, because date formats are slow. */
export class Calendar {
  readonly #zones = new TimeZones();
  readonly #current = { day: new Map<string, Period>(), month: new Map<string, Period>() };

  /**
   * @param now Unix milliseconds
   * @param timeZone IANA name, such as `Europe/Zurich`
   * @returns the period that contains the moment
   * @throws RangeError when the time zone does not exist
   */
  periodAt(now: number, per: CalendarPeriod, timeZone: string): Period {
    const current = this.#current[per];
    const known = current.get(timeZone);
    if (known && now >= known.startsAt && now < known.endsAt) return known;
    const { year, month, day } = this.#dateAt(now, timeZone);
    const period =
      per === 'day'
        ? {
            id: `${year}-${pad(month)}-${pad(day)}`,
            startsAt: this.#startOf({ year, month, day }, timeZone),
            endsAt: this.#startOf({ year, month, day: day + 1 }, timeZone),
          }
        : {
            id: `${year}-${pad(month)}`,
            startsAt: this.#startOf({ year, month, day: 1 }, timeZone),
            endsAt: this.#startOf({ year, month: month + 1, day: 1 }, timeZone),
          };
    current.set(timeZone, period);
    return period;
  }

  /**
   * @param date `2026-11-21`, or `2026-11` for the first day of a month
   * @returns the first moment of the date in the zone, in Unix milliseconds
   * @throws RangeError when the time zone does not exist
   */
  startOfDate(date: string, timeZone: string): number {
    const [year = 0, month = 1, day = 1] = date.split('-').map(Number);
    return this.#startOf({ year, month, day }, timeZone);
  }

  /** @returns the local time of a moment without its offset, as `2026-11-21T13:00:00.000` */
  localText(time: number, timeZone: string): string {
    return new Date(this.#zones.localTime(time, timeZone)).toISOString().slice(0, -1);
  }

  /** The first moment of a date in a zone. Days and months beyond the last continue in the next month or year. */
  #startOf({ year, month, day }: LocalDate, timeZone: string): number {
    const utc = Date.UTC(year, month - 1, day);
    const guess = utc - this.#offsetAt(utc, timeZone);
    let start = utc - this.#offsetAt(guess, timeZone);
    const wanted = new Date(utc).toISOString().slice(0, 10);
    // Where clocks go forward at midnight, the day begins at 01:00.
    while (isoDate(this.#dateAt(start, timeZone)) < wanted) start += HOUR_MS;
    return start;
  }

  /** Milliseconds that local time is ahead of UTC. */
  #offsetAt(time: number, timeZone: string): number {
    const seconds = Math.floor(time / 1000) * 1000;
    return this.#zones.localTime(seconds, timeZone) - seconds;
  }

  #dateAt(time: number, timeZone: string): LocalDate {
    const local = new Date(this.#zones.localTime(time, timeZone));
    return { year: local.getUTCFullYear(), month: local.getUTCMonth() + 1, day: local.getUTCDate() };
  }
}

function isoDate({ year, month, day }: LocalDate): string {
  return `${year}-${pad(month)}-${pad(day)}`;
}

function pad(value: number): string {
  return String(value).padStart(2, '0');
}
