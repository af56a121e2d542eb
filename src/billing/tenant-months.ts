import type { Calendar } from '../limits/calendar.ts';
import type { SqlUsageStore } from '../storage/sql/usage-store.ts';
import type { BilledContent, BilledMonth } from './billed-usage.ts';
import type { BillingAccount } from './billing-accounts.ts';
import { dayAt, dayStart } from './month.ts';
import type { Names, PricePeriod } from './month-charges.ts';
import { activePrices, type PriceListVersion, versionOn } from './price-list.ts';
import { DEFAULT_LIST, type PriceLists } from './price-lists.ts';
import { sliceOf, type UsageSlice, unbilled } from './usage-slice.ts';

/** Usage of a closed month that no invoice contains. */
export interface LateMonth {
  readonly month: BilledMonth;
  /** What invoices contain of it. */
  readonly billed: readonly UsageSlice[];
  readonly late: readonly UsageSlice[];
}

/** Both price lists of a tenant. */
export interface TenantPrices {
  readonly common: readonly PriceListVersion[];
  readonly own: readonly PriceListVersion[];
}

/** Late usage of older months is not looked for. */
const LATE_MONTHS = 12;

/** Reads usage and prices of tenants' months. */
export class TenantMonths {
  constructor(
    private readonly usage: SqlUsageStore,
    private readonly priceLists: PriceLists,
    private readonly calendar: Calendar,
  ) {}

  async pricesOf({ account }: BillingAccount): Promise<TenantPrices> {
    const [common, own] = [
      await this.priceLists.versions(DEFAULT_LIST),
      await this.priceLists.versions(account),
    ];
    return { common, own };
  }

  /**
   * Splits a time where prices change.
   *
   * @param knownAt price lists that were created later do not apply
   */
  periodsOf(
    { common, own }: TenantPrices,
    { start, end }: { readonly start: number; readonly end: number },
    timeZone: string,
    knownAt: number,
  ): PricePeriod[] {
    const changes = [...common, ...own]
      .filter(({ createdAt }) => createdAt <= knownAt)
      .map(({ validFrom }) => dayStart(this.calendar, validFrom, timeZone))
      .filter((at) => at > start && at < end);
    const starts = [...new Set([start, ...changes])].sort((a, b) => a - b);
    return this.periodsAt({ common, own }, { starts, end, knownAt }, timeZone);
  }

  /** @returns the price periods that begin at some times */
  periodsAt(
    { common, own }: TenantPrices,
    { starts, end, knownAt }: Pick<BilledMonth, 'starts' | 'end' | 'knownAt'>,
    timeZone: string,
  ): PricePeriod[] {
    return starts.map((start, index) => {
      const day = dayAt(this.calendar, start, timeZone);
      const prices = activePrices(versionOn(common, day, knownAt), versionOn(own, day, knownAt));
      return { start, end: starts[index + 1] ?? end, prices };
    });
  }

  /** @param user only of this member. @returns usage between price changes */
  async slices(
    { tenant }: BillingAccount,
    starts: readonly number[],
    end: number,
    user?: string,
  ): Promise<UsageSlice[]> {
    const [from] = starts;
    if (from === undefined || from >= end) return [];
    const groups = await this.usage.summarise(
      { tenant },
      {
        ...{ from, to: end, interval: null, buckets: starts, user },
        groupBy: ['key', 'user', 'model', 'provider'],
      },
    );
    return groups.map(sliceOf);
  }

  /** @returns closed months with usage that no invoice contains, the oldest first */
  async late(account: BillingAccount, contents: readonly BilledContent[]): Promise<LateMonth[]> {
    const closed = contents.flatMap(({ months }) => months.slice(0, 1)).slice(-LATE_MONTHS);
    const found: LateMonth[] = [];
    for (const month of closed) {
      const now = await this.slices(account, month.starts, month.end);
      const billed = contents.flatMap(({ months }) =>
        months.filter((one) => one.month === month.month).flatMap(({ slices }) => slices),
      );
      const late = unbilled(now, billed);
      if (late.length > 0) found.push({ month, billed, late });
    }
    return found.sort((a, b) => a.month.start - b.month.start);
  }

  /** @returns the names of the keys and members of some usage */
  namesOf({ tenant }: BillingAccount, slices: readonly UsageSlice[]): Promise<Names> {
    const keys = [...new Set(slices.map(({ key }) => key))].filter((id) => id !== '');
    const members = [...new Set(slices.map(({ user }) => user))].filter((id) => id !== '');
    return this.usage.namesOf({ tenant }, { keys, members });
  }
}
