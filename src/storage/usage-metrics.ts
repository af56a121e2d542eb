import { QuantileSketch } from './quantile-sketch.ts';
import { REJECTED, type RequestFacts, type UsageEvent } from './usage-event.ts';

const MINUTE_MS = 60_000;
const HOUR_MS = 3_600_000;

/** Lengths of the periods that have sums by model and provider. Milliseconds. */
export const METRIC_PERIODS = { minute: MINUTE_MS, hour: HOUR_MS } as const;
export type MetricPeriod = keyof typeof METRIC_PERIODS;

/**
 * Models of one period that have sums by minute and times of their own in one batch, and keys that have times. More models
 * share a row without a name, and more keys have none: writing times means reading them first, which a batch of a thousand
 * models and keys would spend most of its time with. Quantiles are then of a sample of the requests.
 */
const MAX_TIMED = 20;

/** The sums of a row, in the order of their columns. A new one needs a migration. */
export const METRIC_SUMS = [
  'requests',
  'errors',
  'rejected',
  'attempts',
  'failures',
  'input_tokens',
  'output_tokens',
  'cached_tokens',
  'reasoning_tokens',
  'cost_pico',
  'cache_hits',
  'saved_pico',
] as const;
export type MetricSums = Record<(typeof METRIC_SUMS)[number], number>;

/** The client left before the response ended: no fault of anybody. */
const CLIENT_GONE = 499;

/** @returns the number of requests that an event stands for and that ended with an error */
export function isErrorOf({ status, requests, outcome, request }: UsageEvent): number {
  if (outcome === REJECTED) return status >= 400 && status !== CLIENT_GONE ? (request?.count ?? 1) : 0;
  if (requests === 0) return 0;
  return outcome === 'lost' || (status >= 400 && status !== CLIENT_GONE) ? requests : 0;
}

interface Times {
  readonly latency: QuantileSketch;
  readonly first_event: QuantileSketch;
}

/** Only the times of successful requests count: failures would make a broken provider look fast. */
function isTimed({ requests, status, outcome }: UsageEvent): boolean {
  return requests > 0 && status < 400 && outcome !== 'lost';
}

function addTimes({ durationMs, firstEventMs }: RequestFacts, { latency, first_event }: Times): void {
  latency.add(durationMs);
  if (firstEventMs !== null) first_event.add(firstEventMs);
}

/** Sums of one minute or hour (UTC) of a model at a provider. */
export class MetricRow implements MetricSums, Times {
  requests = 0;
  errors = 0;
  rejected = 0;
  attempts = 0;
  failures = 0;
  input_tokens = 0;
  output_tokens = 0;
  cached_tokens = 0;
  reasoning_tokens = 0;
  cost_pico = 0;
  cache_hits = 0;
  saved_pico = 0;
  readonly latency = new QuantileSketch();
  readonly first_event = new QuantileSketch();

  /** @param start of the period, in Unix milliseconds */
  constructor(
    readonly period: MetricPeriod,
    readonly start: number,
    readonly model: string,
    readonly provider: string,
  ) {}

  /** Adds everything but the times. */
  add(event: UsageEvent): void {
    this.errors += isErrorOf(event);
    if (event.outcome === REJECTED) {
      this.rejected += event.request?.count ?? 1;
      return;
    }
    this.requests += event.requests;
    this.attempts += 1;
    if (event.outcome === 'failed' || event.outcome === 'lost') this.failures += 1;
    this.input_tokens += event.inputTokens;
    this.output_tokens += event.outputTokens;
    this.cached_tokens += event.cachedTokens;
    this.reasoning_tokens += event.reasoningTokens;
    this.cost_pico += event.costPico ?? 0;
    if (event.outcome === 'cached') this.cache_hits += 1;
    this.saved_pico += event.saved?.costPico ?? 0;
  }
}

/** Times of one hour (UTC) of a key: they are kept apart from its sums, which are for each model. */
export class KeyTimes implements Times {
  readonly latency = new QuantileSketch();
  readonly first_event = new QuantileSketch();

  /** @param start of the hour, in Unix milliseconds */
  constructor(
    readonly start: number,
    readonly key_id: string,
    readonly member: string,
  ) {}
}

/** Sums of one tenant by minute and hour, of all keys together, and the times of each key. */
export class MetricTotals {
  readonly #minutes = new Map<string, MetricRow>();
  readonly #hours = new Map<string, MetricRow>();
  readonly #keyTimes = new Map<string, KeyTimes>();
  /** Rows of each period. */
  readonly #minuteRows = new Map<number, number>();
  readonly #timedKeys = new Map<number, number>();
  readonly #timedHours = new Map<number, Set<MetricRow>>();

  add(event: UsageEvent): void {
    const { at, model, provider, keyId, member } = event;
    const hour = rowOf(this.#hours, 'hour', at, model, provider);
    hour.add(event);
    const minute = this.#minuteOf(at, model, provider);
    minute.add(event);
    if (!event.request || !isTimed(event)) return;
    addTimes(event.request, minute);
    addTimes(event.request, this.#isTimed(hour) ? hour : rowOf(this.#hours, 'hour', at, '', ''));
    const start = at - (at % HOUR_MS);
    const name = `${start}\u0000${member ?? ''}\u0000${keyId}`;
    let times = this.#keyTimes.get(name);
    if (!times) {
      const count = this.#timedKeys.get(start) ?? 0;
      if (count >= MAX_TIMED) return;
      this.#timedKeys.set(start, count + 1);
      times = new KeyTimes(start, keyId, member ?? '');
      this.#keyTimes.set(name, times);
    }
    addTimes(event.request, times);
  }

  /** Minutes, then hours. */
  get rows(): MetricRow[] {
    return [...this.#minutes.values(), ...this.#hours.values()];
  }

  get keyTimes(): KeyTimes[] {
    return [...this.#keyTimes.values()];
  }

  #minuteOf(at: number, model: string, provider: string): MetricRow {
    const start = at - (at % MINUTE_MS);
    const known = this.#minutes.get(nameOf(start, model, provider));
    if (known) return known;
    const count = this.#minuteRows.get(start) ?? 0;
    if (count >= MAX_TIMED) return rowOf(this.#minutes, 'minute', at, '', '');
    this.#minuteRows.set(start, count + 1);
    return rowOf(this.#minutes, 'minute', at, model, provider);
  }

  #isTimed(hour: MetricRow): boolean {
    let rows = this.#timedHours.get(hour.start);
    if (!rows) {
      rows = new Set();
      this.#timedHours.set(hour.start, rows);
    }
    if (rows.size < MAX_TIMED) rows.add(hour);
    return rows.has(hour);
  }
}

function rowOf(
  rows: Map<string, MetricRow>,
  period: MetricPeriod,
  at: number,
  model: string,
  provider: string,
): MetricRow {
  const start = at - (at % METRIC_PERIODS[period]);
  const name = nameOf(start, model, provider);
  let row = rows.get(name);
  if (!row) {
    row = new MetricRow(period, start, model, provider);
    rows.set(name, row);
  }
  return row;
}

function nameOf(start: number, model: string, provider: string): string {
  return `${start}\u0000${provider}\u0000${model}`;
}
