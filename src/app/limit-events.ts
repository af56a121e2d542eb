import type { Kysely } from 'kysely';
import { RecentMap } from '../core/recent-map.ts';
import type { Outbox } from '../events/outbox.ts';
import type { NewEvent } from '../events/stored-event.ts';
import type { Counter } from '../limits/counter.ts';
import type { UsedPeriod } from '../limits/limiter.ts';
import type { ControlTables } from '../storage/sql/control-tables.ts';
import { claimedEventKeys } from '../storage/sql/event-log.ts';

/** Shares of a limit that are reported, in percent; 100 is the event that it is used up. */
const SHARES = [50, 80, 90, 100] as const;
/** Keys outlive their period, so that its end can be reported after an outage. */
const KEEP_MS = 45 * 86_400_000;
const MAX_COUNTERS = 200_000;
const NANO = 1_000_000_000;

/** What is known of a counter in its current period. */
interface Reached {
  readonly period: string;
  readonly endsAt: number;
  readonly percent: number;
}

/**
 * Reports when quotas and budgets reach a share of their limit, are used up, and begin again: once for each share and period,
 * by all gateways together. The use is that of the recorded usage, so no request in flight counts.
 */
export class LimitEvents {
  readonly #reached = new RecentMap<string, Reached>(MAX_COUNTERS);

  /** @param control the control database */
  constructor(
    private readonly control: Kysely<ControlTables>,
    private readonly outbox: Pick<Outbox, 'publishOnce'>,
  ) {}

  /** Whether a counter has passed a share since the last report, as far as this process knows. */
  isDue({ key, limit }: Counter, used: number, endsAt: number): boolean {
    const reached = this.#reached.get(key);
    return shareOf(used, limit.max) > (reached?.endsAt === endsAt ? reached.percent : 0);
  }

  /**
   * Reports what is new of some limits of a tenant.
   * @param used by the recorded usage, also of limits without any
   * @throws the database's error; the report is then to be repeated
   */
  async report(tenant: string, used: readonly UsedPeriod[]): Promise<void> {
    const counted = used.filter(({ counter: { limit } }) => limit.mode !== 'shadow');
    await this.#reportResets(tenant, counted);
    for (const one of counted) {
      const { counter, period } = one;
      const percent = shareOf(one.used, counter.limit.max);
      const before = this.#reached.get(counter.key);
      const known = before?.period === period.id ? before.percent : 0;
      for (const share of SHARES) {
        if (share > known && share <= percent) await this.#publish(tenant, one, share);
      }
      const { id, endsAt } = period;
      this.#reached.set(counter.key, { period: id, endsAt, percent: Math.max(known, percent) });
    }
  }

  /** The first report of a period says that it began, where its limit had reached a share in the one before. */
  async #reportResets(tenant: string, used: readonly UsedPeriod[]): Promise<void> {
    const first = used.filter(({ counter, period }) => this.#reached.get(counter.key)?.period !== period.id);
    const keys = first.map(({ counter, period }) => keyOf(counter, previousOf(period.id), SHARES[0]));
    const claimed = await claimedEventKeys(this.control, keys);
    for (const [index, one] of first.entries()) {
      if (claimed.has(keys[index] ?? '')) await this.#publish(tenant, { ...one, used: 0 }, 'reset');
    }
  }

  async #publish(tenant: string, used: UsedPeriod, what: (typeof SHARES)[number] | 'reset'): Promise<void> {
    const key = keyOf(used.counter, used.period.id, what);
    await this.outbox.publishOnce(eventOf(tenant, used, what), {
      key,
      keepUntil: used.period.endsAt + KEEP_MS,
    });
  }
}

/** @returns the largest share that is reached; 0 for none */
function shareOf(used: number, max: number): number {
  if (max <= 0) return 0;
  return SHARES.findLast((share) => used * 100 >= share * max) ?? 0;
}

function keyOf({ key }: Counter, period: string, what: number | string): string {
  return `limit:${key}:${period}:${what}`;
}

/** @param id `2026-11-21` or `2026-11` @returns the id of the period before */
function previousOf(id: string): string {
  const [year = 0, month = 1, day] = id.split('-').map(Number);
  const before = day === undefined ? Date.UTC(year, month - 2) : Date.UTC(year, month - 1, day - 1);
  return new Date(before).toISOString().slice(0, id.length);
}

function eventOf(
  tenant: string,
  { counter: { subject, limit }, period, used }: UsedPeriod,
  what: (typeof SHARES)[number] | 'reset',
): NewEvent {
  const { of, per, max } = limit;
  const unit = of === 'cost' ? NANO : 1;
  const data = {
    scope: subject.scope,
    id: subject.id.slice(subject.id.indexOf('/') + 1) || tenant,
    of: of === 'requests' || of === 'tokens' ? of : ('cost' as const),
    per: per === 'day' ? ('day' as const) : ('month' as const),
    ...{ period: period.id, used: used / unit, max: max / unit },
  };
  const isBudget = data.of === 'cost';
  if (what === 'reset') return { type: isBudget ? 'budget.reset' : 'quota.reset', tenant, data };
  if (what === 100) return { type: isBudget ? 'budget.exceeded' : 'quota.exceeded', tenant, data };
  const type = isBudget ? 'budget.threshold_reached' : 'quota.threshold_reached';
  return { type, tenant, data: { ...data, percent: what } };
}
