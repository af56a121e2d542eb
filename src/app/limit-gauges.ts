import type { Clock } from '../core/clock.ts';
import type { Charge, Counter } from '../limits/counter.ts';
import type { GaugeChild } from '../observability/metric-children.ts';
import type { Metrics } from '../observability/metrics.ts';

/** The last known state of a counter. */
interface LastUse {
  readonly counter: Counter;
  /** What is used; of a rate, what was left. */
  state: number;
  /** Monotonic milliseconds. */
  at: number;
  /** End of the period; Unix milliseconds. Undefined for a rate. */
  endsAt: number | undefined;
  /** Its series, or that of all others. */
  gauge: GaugeChild | undefined;
}

/** A tenant that sends nothing for this long has no series any more. */
const FORGOTTEN_MS = 24 * 60 * 60_000;

/**
 * How much of the quotas, budgets and bursts of tenants is used. A request only stores its numbers; a scrape computes the
 * ratios, so that they fall when a period ends or a burst refills, although the tenant sends nothing more.
 */
export class LimitGauges {
  /** By object, which is the fast way for a request. */
  readonly #byCounter = new WeakMap<Counter, LastUse>();
  /** By key, because a counter is made again when limits change. */
  readonly #uses = new Map<string, LastUse>();
  /** With which series were assigned. */
  #maxSeries: number | undefined;

  constructor(private readonly clock: Clock) {}

  /** @param state what is used of the charge's counter; of a rate, what is left */
  record({ counter, period }: Charge, state: number): void {
    const use = this.#byCounter.get(counter) ?? this.#add(counter);
    use.state = state;
    use.at = this.clock.now();
    use.endsAt = period?.endsAt;
  }

  /** Sets the gauges; to be called before each scrape. A few milliseconds for 10,000 tenants. */
  update(metrics: Pick<Metrics, 'limits' | 'maxSeries'>): void {
    const [now, wallTime] = [this.clock.now(), this.clock.wallTime()];
    if (this.#forget(now) || this.#maxSeries !== metrics.maxSeries) this.#restart(metrics);
    for (const use of this.#uses.values()) {
      use.gauge ??= gaugeOf(use, metrics);
      use.gauge.set(0);
    }
    // A limit of a tenant may have a second one in mode `warn` or `shadow`: the larger part counts.
    for (const use of this.#uses.values()) {
      use.gauge?.set(Math.max(use.gauge.value, usedRatio(use, now, wallTime)));
    }
  }

  /** @returns quotas and budgets that were used in their current period, with the last known use */
  *periodUses(): Generator<{ readonly counter: Counter; readonly used: number; readonly endsAt: number }> {
    const now = this.clock.wallTime();
    for (const { counter, state, endsAt } of this.#uses.values()) {
      if (counter.kind === 'period' && endsAt !== undefined && now < endsAt)
        yield { counter, used: state, endsAt };
    }
  }

  /** @returns whether a tenant was forgotten */
  #forget(now: number): boolean {
    let any = false;
    for (const [key, use] of this.#uses) {
      if (now - use.at <= FORGOTTEN_MS) continue;
      this.#uses.delete(key);
      this.#byCounter.delete(use.counter);
      any = true;
    }
    return any;
  }

  /** Assigns all series again: there is room for others. */
  #restart({ limits, maxSeries }: Pick<Metrics, 'limits' | 'maxSeries'>): void {
    this.#maxSeries = maxSeries;
    limits.quotaUsed.reset();
    limits.burstUsed.reset();
    for (const use of this.#uses.values()) use.gauge = undefined;
  }

  #add(counter: Counter): LastUse {
    const use: LastUse = { counter, state: 0, at: 0, endsAt: undefined, gauge: undefined };
    this.#byCounter.set(counter, use);
    this.#uses.set(counter.key, use);
    return use;
  }
}

function gaugeOf({ counter }: LastUse, { limits }: Pick<Metrics, 'limits'>): GaugeChild {
  const { kind, subject, limit } = counter;
  const family = kind === 'rate' ? limits.burstUsed : limits.quotaUsed;
  return family.labels(subject.id.slice(0, -1), `${limit.of}_per_${limit.per}`);
}

function usedRatio({ counter, state, at, endsAt }: LastUse, now: number, wallTime: number): number {
  if (counter.kind === 'rate') {
    const { capacity, perMs } = counter;
    if (capacity === 0) return 1;
    const left = state + perMs * (now - at);
    return Math.min(1, Math.max(0, 1 - left / capacity));
  }
  const { max } = counter.limit;
  if (max === 0) return 1;
  return endsAt !== undefined && wallTime >= endsAt ? 0 : state / max;
}
