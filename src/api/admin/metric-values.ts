import { dollarsOfPico } from '../../metering/price.ts';
import { QuantileSketch } from '../../storage/quantile-sketch.ts';
import type { MetricPoint, MetricQuery, MetricTimes } from '../../storage/sql/metric-store.ts';

type Sums = MetricPoint['sums'];

/** Sums by their names in the API. */
const SUMS = {
  requests: ({ requests, rejected }: Sums) => requests + rejected,
  errors: ({ errors }: Sums) => errors,
  rejected: ({ rejected }: Sums) => rejected,
  attempts: ({ attempts }: Sums) => attempts,
  failed_attempts: ({ failures }: Sums) => failures,
  tokens: ({ input_tokens, output_tokens }: Sums) => input_tokens + output_tokens,
  input_tokens: ({ input_tokens }: Sums) => input_tokens,
  output_tokens: ({ output_tokens }: Sums) => output_tokens,
  cached_tokens: ({ cached_tokens }: Sums) => cached_tokens,
  reasoning_tokens: ({ reasoning_tokens }: Sums) => reasoning_tokens,
  cost: ({ cost_pico }: Sums) => cost_pico,
  cache_hits: ({ cache_hits }: Sums) => cache_hits,
  saved: ({ saved_pico }: Sums) => saved_pico,
} as const;

const QUANTILES = {
  latency_p50: ['latency', 0.5],
  latency_p95: ['latency', 0.95],
  latency_p99: ['latency', 0.99],
  ttft_p50: ['firstEvent', 0.5],
  ttft_p95: ['firstEvent', 0.95],
  ttft_p99: ['firstEvent', 0.99],
} as const;

type SumName = keyof typeof SUMS;
type QuantileName = keyof typeof QUANTILES;
export type MetricName = SumName | QuantileName;

const MONEY: readonly string[] = ['cost', 'saved'];
const isSum = (name: string): name is SumName => Object.hasOwn(SUMS, name);
const isQuantile = (name: string): name is QuantileName => Object.hasOwn(QUANTILES, name);

export const SUM_NAMES: readonly MetricName[] = Object.keys(SUMS).filter(isSum);
export const QUANTILE_NAMES: readonly MetricName[] = Object.keys(QUANTILES).filter(isQuantile);

/** @returns the metrics that a name means: itself, or all quantiles for `latency` and `ttft`; undefined for no name */
export function metricsNamed(name: string): readonly MetricName[] | undefined {
  if (isSum(name) || isQuantile(name)) return [name];
  if (name !== 'latency' && name !== 'ttft') return undefined;
  return QUANTILE_NAMES.filter((one) => one.startsWith(name));
}

/** A value: a count, US dollars as an exact decimal, or milliseconds; null where nothing was measured. */
export type MetricValue = number | string | null;

const NO_SUMS: Sums = {
  ...{ requests: 0n, errors: 0n, rejected: 0n, attempts: 0n, failures: 0n, input_tokens: 0n },
  ...{ output_tokens: 0n, cached_tokens: 0n, reasoning_tokens: 0n, cost_pico: 0n, cache_hits: 0n },
  saved_pico: 0n,
};

class Step {
  readonly latency = new QuantileSketch();
  readonly firstEvent = new QuantileSketch();

  constructor(public sums: Sums = NO_SUMS) {}

  value(name: MetricName): MetricValue {
    if (isQuantile(name)) {
      const [of, q] = QUANTILES[name];
      const value = this[of].quantile(q);
      return value === undefined ? null : Math.round(value);
    }
    const sum = SUMS[name](this.sums);
    return MONEY.includes(name) ? dollarsOfPico(sum) : Number(sum);
  }
}

/** The values of one group, step by step. */
export class Series {
  readonly #steps = new Map<number, Step>();

  constructor(private readonly query: MetricQuery) {}

  /** @param start of the step, in Unix milliseconds */
  step(start: number): Step {
    let step = this.#steps.get(start);
    if (!step) {
      step = new Step();
      this.#steps.set(start, step);
    }
    return step;
  }

  /** The whole range as one step. */
  get whole(): Step {
    const whole = new Step();
    for (const { sums, latency, firstEvent } of this.#steps.values()) {
      whole.sums = combined(whole.sums, sums, 1n);
      whole.latency.merge(latency);
      whole.firstEvent.merge(firstEvent);
    }
    return whole;
  }

  /** Whether nothing was counted. */
  get isEmpty(): boolean {
    return [...this.#steps.values()].every(({ sums }) => Object.values(sums).every((sum) => sum === 0n));
  }

  /** @returns a value for each step of the range, in order */
  values(name: MetricName): MetricValue[] {
    const none = new Step();
    return timesOf(this.query).map((start) => (this.#steps.get(start) ?? none).value(name));
  }

  /** @returns the sums without those of some groups; quantiles do not subtract, so it has none */
  without(groups: readonly Series[]): Series {
    const rest = new Series(this.query);
    for (const [start, { sums }] of this.#steps) {
      let left = sums;
      for (const group of groups) {
        const own = group.#steps.get(start);
        if (own) left = combined(left, own.sums, -1n);
      }
      rest.step(start).sums = left;
    }
    return rest;
  }
}

export function addPoint(series: Series, { start, sums }: MetricPoint): void {
  const step = series.step(start);
  step.sums = combined(step.sums, sums, 1n);
}

export function addTimes(series: Series, { start, latency, firstEvent }: MetricTimes): void {
  const step = series.step(start);
  step.latency.merge(latency);
  step.firstEvent.merge(firstEvent);
}

/** @returns the starts of all steps, in Unix milliseconds */
export function timesOf({ from, to, step }: MetricQuery): number[] {
  return Array.from({ length: Math.round((to - from) / step) }, (_, index) => from + index * step);
}

function combined(a: Sums, b: Sums, sign: bigint): Sums {
  return {
    requests: a.requests + sign * b.requests,
    errors: a.errors + sign * b.errors,
    rejected: a.rejected + sign * b.rejected,
    attempts: a.attempts + sign * b.attempts,
    failures: a.failures + sign * b.failures,
    input_tokens: a.input_tokens + sign * b.input_tokens,
    output_tokens: a.output_tokens + sign * b.output_tokens,
    cached_tokens: a.cached_tokens + sign * b.cached_tokens,
    reasoning_tokens: a.reasoning_tokens + sign * b.reasoning_tokens,
    cost_pico: a.cost_pico + sign * b.cost_pico,
    cache_hits: a.cache_hits + sign * b.cache_hits,
    saved_pico: a.saved_pico + sign * b.saved_pico,
  };
}
