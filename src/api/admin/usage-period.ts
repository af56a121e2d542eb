import { z } from 'zod';
import { GatewayError } from '../../core/errors.ts';
import { Calendar } from '../../limits/calendar.ts';
import { timeZone } from '../../tenancy/names.ts';

const HOUR_MS = 3_600_000;
const MAX_HOURLY_MS = 32 * 24 * HOUR_MS;
/** Ten years of days. */
const MAX_PERIODS = 3_700;

const MONTH = /^\d{4}-(?:0[1-9]|1[0-2])$/;
const isDay = z.iso.date();
const isTime = z.iso.datetime({ offset: true });

/** A time, or a day or month in the time zone of the report. */
const timeOrDate = z
  .string()
  .refine(
    (text) => isDate(text) || isTime.safeParse(text).success,
    'must be a date such as 2026-01-31, a month such as 2026-01, or a time such as 2026-01-31T12:00:00Z',
  );

/** `2026-01-31` or `2026-01`. */
function isDate(text: string): boolean {
  return MONTH.test(text) || isDay.safeParse(text).success;
}

/** The parameters of a report's time range. */
export const periodParameters = {
  from: timeOrDate
    .optional()
    .describe('Inclusive: a day, a month, or a time with its offset. Default: the start of this month.'),
  to: timeOrDate.optional().describe('Exclusive. Default: now.'),
  interval: z
    .enum(['hour', 'day', 'month', 'none'])
    .default('none')
    .describe('One row for each hour, day or month.'),
  time_zone: timeZone
    .optional()
    .describe(
      'Time zone of days and months. Default: that of the tenant, in which its budgets count; else UTC.',
    ),
};

export type PeriodFilter = z.output<z.ZodObject<typeof periodParameters>>;

/** The time range of a report. Times are Unix milliseconds, at whole hours. */
export interface ReportPeriod {
  readonly from: number;
  readonly to: number;
  readonly interval: 'hour' | 'day' | 'month' | 'none';
  readonly timeZone: string;
  /** Starts of the days or months, in order; undefined for other intervals. */
  readonly buckets: readonly number[] | undefined;
}

/** Resolves the parameters of reports in time zones. */
export class ReportPeriods {
  readonly #calendar = new Calendar();

  /**
   * @param now Unix milliseconds
   * @param defaultZone used when the filter names none
   * @throws GatewayError `invalid_request` for a range that ends before it begins or is too long
   */
  resolve(filter: PeriodFilter, now: number, defaultZone: string): ReportPeriod {
    const { interval, time_zone: zone = defaultZone } = filter;
    const first = this.#timeOf(filter.from, zone) ?? this.#calendar.periodAt(now, 'month', zone).startsAt;
    const last = this.#timeOf(filter.to, zone) ?? now + 1;
    const from = first - (first % HOUR_MS);
    const to = last + ((HOUR_MS - (last % HOUR_MS)) % HOUR_MS);
    if (to <= from) throw invalid('to', 'it must be later than "from"');
    if (interval === 'hour' && to - from > MAX_HOURLY_MS) {
      throw invalid('interval', 'hours are available for at most 32 days');
    }
    const buckets =
      interval === 'day' || interval === 'month' ? this.#bucketsOf(from, to, interval, zone) : undefined;
    return { from, to, interval, timeZone: zone, buckets };
  }

  /** @returns the name of the hour, day or month that begins at a time: `2026-11-21T13:00`, `2026-11-21`, `2026-11` */
  labelOf(start: number, { interval, timeZone: zone }: ReportPeriod): string {
    if (interval === 'day' || interval === 'month') {
      return this.#calendar.periodAt(start + HOUR_MS - 1, interval, zone).id;
    }
    return this.#calendar.localText(start, zone).slice(0, 16);
  }

  #timeOf(text: string | undefined, zone: string): number | undefined {
    if (text === undefined) return undefined;
    return isDate(text) ? this.#calendar.startOfDate(text, zone) : Date.parse(text);
  }

  #bucketsOf(from: number, to: number, per: 'day' | 'month', zone: string): number[] {
    const buckets: number[] = [];
    for (let at = from; at < to; ) {
      const { startsAt, endsAt } = this.#calendar.periodAt(at, per, zone);
      buckets.push(startsAt);
      if (buckets.length > MAX_PERIODS)
        throw invalid('from', `at most ${MAX_PERIODS} rows of time are possible`);
      at = endsAt;
    }
    return buckets;
  }
}

function invalid(param: string, why: string): GatewayError {
  return new GatewayError('invalid_request', `"${param}" is not valid: ${why}.`, { param });
}
