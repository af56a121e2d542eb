import type { Clock } from '../core/clock.ts';
import { GatewayError } from '../core/errors.ts';
import type { SubjectLimits } from '../core/limit.ts';
import type { Principal } from '../core/principal.ts';
import type { RateLimitStatus } from '../core/rate-limit.ts';
import type { EventSink } from '../events/event-bus.ts';
import type { Calendar, Period } from './calendar.ts';
import { type Charge, type Counter, countersOf } from './counter.ts';
import { amountOf, type ExpectedUse, isUnbounded, withRest } from './expected-use.ts';
import { describeLimit, limitError, usedOf } from './limit-error.ts';
import {
  type LimitStore,
  type Reservation,
  type ReserveResult,
  StoreUnavailableError,
  type UsedPeriod,
} from './limit-store.ts';

export type { UsedPeriod } from './limit-store.ts';

/** A request that asks to be admitted. */
export interface Admission {
  readonly principal: Principal;
  readonly tags: readonly string[];
  /** Further limits besides the principal's: of the model, the target or the address. */
  readonly more?: readonly SubjectLimits[] | undefined;
  readonly use: ExpectedUse;
  /** Only what the request uses is reserved, neither a request nor a concurrency slot: it is a part of one that was admitted. */
  readonly isPart?: boolean;
  /** Rates and concurrency slots do not count: a provider's batch API runs the request in its own time. */
  readonly periodsOnly?: boolean;
  /** Quotas and budgets count the request, and refuse it no more: it has been made. */
  readonly isMade?: boolean;
}

/** The actual use of a request. */
export interface Used {
  /** Input and output tokens. */
  readonly tokens: number;
  /** 10^-9 US dollars. */
  readonly nanoUsd: number;
  /** What was reserved when absent. */
  readonly requests?: number;
}

export interface LimiterOptions {
  readonly clock: Clock;
  readonly store: LimitStore;
  readonly calendar: Calendar;
  /**
   * Called for each quota, budget and rate of the tenant, at each request that is admitted, and for the one that rejects it.
   * @param state what is used; of a rate, what is left
   */
  readonly onUse?: (charge: Charge, state: number) => void;
  readonly events: EventSink;
}

/** Reservation of an admitted request. */
export class LimitReservation {
  #settled = false;

  constructor(
    private readonly store: LimitStore,
    private readonly reservation: Reservation,
    /** State of the request rate that leaves the fewest requests; undefined where no rate is enforced. */
    readonly requestRate: RateLimitStatus | undefined,
    /** Messages for the client about exceeded limits of mode `warn`. */
    readonly warnings: readonly string[],
  ) {}

  /** Corrects the reserved amounts to the actual use. Only the first call has an effect. */
  settle(used: Used): void {
    if (this.#settled) return;
    this.#settled = true;
    const { charges } = this.reservation;
    this.store.settle(
      this.reservation,
      charges.map((charge) => usedFrom(charge, used)),
    );
  }
}

/** Admits requests that are within all limits of their principal, tags, model, target and address. */
export class Limiter {
  readonly #counters = new WeakMap<SubjectLimits, readonly Counter[]>();

  constructor(private readonly options: LimiterOptions) {}

  /**
   * Reserves the expected use in every limit that applies, or in none: the most that the request may use. Where a quota or
   * budget has less left, a request whose use the body does not bound gets the rest, if that is enough for a usual response.
   *
   * @returns the reservation, to be settled once; undefined where no limit applies; a promise only with a shared store
   * @throws GatewayError `rate_limit_exceeded`, `quota_exceeded` or `store_unavailable`
   */
  admit(admission: Admission): LimitReservation | Promise<LimitReservation> | undefined {
    const charges = this.#charges(admission);
    return charges.length === 0 ? undefined : this.#reserve(charges, admission);
  }

  #reserve(charges: readonly Charge[], admission: Admission): LimitReservation | Promise<LimitReservation> {
    let result: ReserveResult | Promise<ReserveResult>;
    try {
      result = this.options.store.reserve(charges);
    } catch (error) {
      throw storeUnavailable(error);
    }
    if (!(result instanceof Promise)) return this.#reserved(result, charges, admission);
    return result.then(
      (known) => this.#reserved(known, charges, admission),
      (error: unknown) => {
        throw storeUnavailable(error);
      },
    );
  }

  #reserved(
    result: ReserveResult,
    charges: readonly Charge[],
    admission: Admission,
  ): LimitReservation | Promise<LimitReservation> {
    const reduced = result.granted ? undefined : withRest(charges, result, admission.use);
    return reduced ? this.#reserve(reduced, admission) : this.#toReservation(result, charges, admission.use);
  }

  /**
   * Reads the counters of all limits of some subjects.
   *
   * @returns in the order of the limits; `resetsAt` is Unix milliseconds, null except for quotas and budgets
   * @throws StoreUnavailableError when the store is unreachable
   */
  async counterStates(
    subjects: readonly SubjectLimits[],
  ): Promise<
    { readonly counter: Counter; readonly counterState: number; readonly resetsAt: number | null }[]
  > {
    const { clock, calendar, store } = this.options;
    const now = clock.wallTime();
    return Promise.all(
      subjects.flatMap((subject) =>
        this.#countersOf(subject).map(async (counter) => {
          const period =
            counter.kind === 'period'
              ? calendar.periodAt(now, counter.per, counter.subject.timeZone)
              : undefined;
          return {
            counter,
            counterState: await store.stateOf(counter, period),
            resetsAt: period?.endsAt ?? null,
          };
        }),
      ),
    );
  }

  /** @returns the quotas and budgets of some subjects, with their current periods */
  periodCounters(
    subjects: readonly SubjectLimits[],
  ): { readonly counter: Counter; readonly period: Period }[] {
    const { clock, calendar } = this.options;
    const now = clock.wallTime();
    return subjects.flatMap((subject) =>
      this.#countersOf(subject).flatMap((counter) =>
        counter.kind === 'period'
          ? [{ counter, period: calendar.periodAt(now, counter.per, subject.timeZone) }]
          : [],
      ),
    );
  }

  /** See `LimitStore.raise`. */
  async raise(used: readonly UsedPeriod[]): Promise<void> {
    await this.options.store.raise(used);
  }

  #notifyUsage(charges: readonly Charge[], counterStates: readonly number[]): void {
    const { onUse } = this.options;
    if (!onUse) return;
    for (let index = 0; index < charges.length; index += 1) {
      const charge = charges[index];
      if (charge && isShown(charge)) onUse(charge, counterStates[index] ?? 0);
    }
  }

  #charges(admission: Admission): Charge[] {
    const { principal, tags, more } = admission;
    const charges: Charge[] = [];
    const now = this.options.clock.wallTime();
    for (const subject of principal.limits) this.#add(charges, subject, admission, now);
    if (principal.tagLimits) {
      for (const tag of tags) {
        const subject = principal.tagLimits.get(tag);
        if (subject) this.#add(charges, subject, admission, now);
      }
    }
    if (more) for (const subject of more) this.#add(charges, subject, admission, now);
    return charges;
  }

  #add(
    charges: Charge[],
    subject: SubjectLimits,
    { use, isPart, periodsOnly, isMade }: Admission,
    now: number,
  ): void {
    const { calendar } = this.options;
    for (const counter of this.#countersOf(subject)) {
      const { of } = counter.limit;
      if (isPart && of !== 'tokens' && of !== 'cost') continue;
      if (periodsOnly && counter.kind !== 'period') continue;
      const period =
        counter.kind === 'period' ? calendar.periodAt(now, counter.per, subject.timeZone) : undefined;
      const charged = isMade ? unenforced(counter) : counter;
      charges.push({ counter: charged, amount: amountOf(counter, use), period });
    }
  }

  #reportHit({ subject, limit }: Counter, refused: boolean): void {
    this.options.events.emit('limit.hit', { scope: subject.scope, mode: limit.mode, refused });
  }

  #countersOf(subject: SubjectLimits): readonly Counter[] {
    let counters = this.#counters.get(subject);
    if (!counters) {
      counters = countersOf(subject);
      this.#counters.set(subject, counters);
    }
    return counters;
  }

  #toReservation(result: ReserveResult, charges: readonly Charge[], use: ExpectedUse): LimitReservation {
    const { store } = this.options;
    if (!result.granted) {
      const charge = charges[result.refused];
      if (!charge) throw new Error('a charge was refused that was not asked for');
      this.#reportHit(charge.counter, true);
      if (isShown(charge)) this.options.onUse?.(charge, result.counterState);
      throw limitError(charge, result.counterState, isUnbounded(charge, use), this.options.clock.wallTime());
    }
    const { reservation, counterStates, over } = result;
    const warnings: string[] = [];
    this.#notifyUsage(charges, counterStates);
    for (const index of over) {
      const charge = charges[index];
      if (!charge) continue;
      this.#reportHit(charge.counter, false);
      if (charge.counter.limit.mode === 'warn') {
        warnings.push(
          `${describeLimit(charge.counter)} is used up: ${usedOf(charge.counter, counterStates[index] ?? 0)}.`,
        );
      }
    }
    return new LimitReservation(store, reservation, tightestRequestRate(charges, counterStates), warnings);
  }
}

/** Whether the metrics show the state of its counter. */
function isShown({ counter: { kind, subject } }: Charge): boolean {
  return kind !== 'concurrency' && subject.scope === 'tenant';
}

/** The amount that a request used of a charge; 0 for a concurrency slot, which is released. */
function usedFrom({ counter, amount }: Charge, { tokens, nanoUsd, requests }: Used): number {
  switch (counter.limit.of) {
    case 'requests':
      return requests ?? amount;
    case 'tokens':
      return tokens;
    case 'cost':
      return nanoUsd;
    case 'concurrent_requests':
      return 0;
  }
}

/** The same counter, for a request that is charged whatever is left. */
function unenforced(counter: Counter): Counter {
  const { limit } = counter;
  return limit.mode === 'enforce' ? { ...counter, limit: { ...limit, mode: 'warn' } } : counter;
}

function storeUnavailable(error: unknown): unknown {
  if (!(error instanceof StoreUnavailableError)) return error;
  return new GatewayError(
    'store_unavailable',
    'Limit store unreachable; a limit of this request fails closed. Retry in 5 s.',
    { cause: error, retryAfterSeconds: 5 },
  );
}

/** The state of the enforced request rate that leaves the fewest requests. */
function tightestRequestRate(
  charges: readonly Charge[],
  counterStates: readonly number[],
): RateLimitStatus | undefined {
  let tightest: Extract<Counter, { kind: 'rate' }> | undefined;
  let least = 0;
  for (let index = 0; index < charges.length; index += 1) {
    const counter = charges[index]?.counter;
    const left = counterStates[index] ?? 0;
    if (counter?.kind !== 'rate' || counter.limit.of !== 'requests' || counter.limit.mode !== 'enforce')
      continue;
    if (tightest && left >= least) continue;
    tightest = counter;
    least = left;
  }
  if (!tightest) return undefined;
  const { limit, capacity, perMs } = tightest;
  return {
    limit: limit.max,
    remaining: Math.max(0, Math.floor(least)),
    resetSeconds: Math.ceil(Math.max(0, capacity - least) / perMs / 1000),
  };
}
