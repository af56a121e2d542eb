import { REJECTED, type UsageEvent } from './usage-event.ts';
import { isErrorOf, MetricTotals } from './usage-metrics.ts';

const HOUR_MS = 3_600_000;
const DAY_MS = 86_400_000;

type PeriodName = 'hour' | 'day';

/** The sums, in the order of their columns. A new one needs a migration. */
export const USAGE_SUMS = [
  'requests',
  'attempts',
  'failures',
  'input_tokens',
  'output_tokens',
  'cached_tokens',
  'cache_write_tokens',
  'reasoning_tokens',
  'cost_pico',
  'unpriced',
  'estimated',
  'duration_ms',
  'cache_hits',
  'saved_pico',
  'saved_ms',
  'prompt_saved_pico',
  'output_cost_pico',
  'errors',
  'rejected',
] as const;

/** Sums over attempts; `requests` counts each request once. Money is 10^-12 US dollars (`pico`). */
export type UsageSums = Record<(typeof USAGE_SUMS)[number], number>;

class Sums implements UsageSums {
  requests = 0;
  attempts = 0;
  failures = 0;
  input_tokens = 0;
  output_tokens = 0;
  cached_tokens = 0;
  cache_write_tokens = 0;
  reasoning_tokens = 0;
  cost_pico = 0;
  /** Attempts without a known price. */
  unpriced = 0;
  /** Attempts whose tokens are estimates. */
  estimated = 0;
  /** Milliseconds of all attempts. */
  duration_ms = 0;
  /** Responses from the cache, and what they saved. */
  cache_hits = 0;
  saved_pico = 0;
  saved_ms = 0;
  /** What prompt caches of providers saved, less what writing to them cost. */
  prompt_saved_pico = 0;
  /** The part of `cost_pico` that output tokens have. */
  output_cost_pico = 0;
  /** Requests that ended with an error, rejected ones included. */
  errors = 0;
  /** Requests that reached no target. They are in no sum but this one and `errors`. */
  rejected = 0;

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
    this.cache_write_tokens += event.cacheWriteTokens;
    this.reasoning_tokens += event.reasoningTokens;
    if (event.costPico === null) this.unpriced += 1;
    else this.cost_pico += event.costPico;
    if (event.estimated) this.estimated += 1;
    this.duration_ms += event.durationMs;
    if (event.outcome === 'cached') this.cache_hits += 1;
    if (event.saved) {
      this.saved_pico += event.saved.costPico;
      this.saved_ms += event.saved.ms;
    }
    this.prompt_saved_pico += event.promptSavedPico ?? 0;
    this.output_cost_pico += event.outputCostPico ?? 0;
  }
}

/** Sums of one hour or day (UTC) by key, member, model and provider. */
export class UsageRollup extends Sums {
  readonly key_id: string;
  readonly member: string;
  readonly model: string;
  readonly provider: string;

  /** @param start of the period, in Unix milliseconds */
  constructor(
    readonly period: PeriodName,
    readonly start: number,
    { keyId, member, model, provider }: UsageEvent,
  ) {
    super();
    this.key_id = keyId;
    this.member = member ?? '';
    this.model = model;
    this.provider = provider;
  }
}

/** Sums of one hour or day (UTC) by tag and model; a request with several tags counts for each. */
export class UsageTagRollup extends Sums {
  readonly model: string;

  /** @param start of the period, in Unix milliseconds */
  constructor(
    readonly period: PeriodName,
    readonly start: number,
    readonly tag: string,
    { model }: UsageEvent,
  ) {
    super();
    this.model = model;
  }
}

/** Sums of one hour or day (UTC) by client application and model. */
export class UsageClientRollup extends Sums {
  readonly model: string;

  /** @param start of the period, in Unix milliseconds */
  constructor(
    readonly period: PeriodName,
    readonly start: number,
    readonly client: string,
    { model }: UsageEvent,
  ) {
    super();
    this.model = model;
  }
}

/** Clients of one transaction; further ones are summed together, because clients choose their names. */
const MAX_CLIENTS = 50;
const OTHER_CLIENTS = 'other';

/** Sums usage events of one tenant. */
export class UsageTotals {
  readonly #hours = new Periods<UsageRollup>('hour', HOUR_MS);
  readonly #days = new Periods<UsageRollup>('day', DAY_MS);
  readonly #tagHours = new Periods<UsageTagRollup>('hour', HOUR_MS);
  readonly #tagDays = new Periods<UsageTagRollup>('day', DAY_MS);
  readonly #clientHours = new Periods<UsageClientRollup>('hour', HOUR_MS);
  readonly #clientDays = new Periods<UsageClientRollup>('day', DAY_MS);
  readonly #clients = new Set<string>();
  readonly #lastUse = new Map<string, number>();
  /** Sums by model and provider only. */
  readonly metrics = new MetricTotals();

  add(event: UsageEvent): void {
    const { at, keyId, member, model, provider, tags } = event;
    this.metrics.add(event);
    if (event.outcome !== REJECTED && at > (this.#lastUse.get(keyId) ?? 0)) this.#lastUse.set(keyId, at);
    const name = nameOf(keyId) + nameOf(member ?? '') + nameOf(model) + nameOf(provider);
    const create = (period: PeriodName, start: number) => new UsageRollup(period, start, event);
    this.#hours.of(at, name, create).add(event);
    this.#days.of(at, name, create).add(event);
    for (const tag of tags) this.#addTag(tag, event);
    if (event.client !== undefined) this.#addClient(event.client, event);
  }

  /** Hours, then days. */
  get rollups(): UsageRollup[] {
    return [...this.#hours.rows(), ...this.#days.rows()];
  }

  /** As `rollups`. */
  get tagRollups(): UsageTagRollup[] {
    return [...this.#tagHours.rows(), ...this.#tagDays.rows()];
  }

  /** As `rollups`. */
  get clientRollups(): UsageClientRollup[] {
    return [...this.#clientHours.rows(), ...this.#clientDays.rows()];
  }

  /** Starts of the days (UTC) that have events. */
  get days(): number[] {
    return this.#days.starts();
  }

  /** Key ids with the Unix milliseconds of their last event. */
  get lastUse(): (readonly [keyId: string, at: number])[] {
    return [...this.#lastUse];
  }

  #addClient(named: string, event: UsageEvent): void {
    const client = this.#clients.has(named) || this.#clients.size < MAX_CLIENTS ? named : OTHER_CLIENTS;
    this.#clients.add(client);
    const name = nameOf(client) + nameOf(event.model);
    const create = (period: PeriodName, start: number) => new UsageClientRollup(period, start, client, event);
    this.#clientHours.of(event.at, name, create).add(event);
    this.#clientDays.of(event.at, name, create).add(event);
  }

  #addTag(tag: string, event: UsageEvent): void {
    const name = nameOf(tag) + nameOf(event.model);
    const create = (period: PeriodName, start: number) => new UsageTagRollup(period, start, tag, event);
    this.#tagHours.of(event.at, name, create).add(event);
    this.#tagDays.of(event.at, name, create).add(event);
  }
}

/** Rows of each hour or day. */
class Periods<Row> {
  /** By start, then by a text that names the other dimensions. */
  readonly #byStart = new Map<number, Map<string, Row>>();

  /** @param length of a period in milliseconds */
  constructor(
    private readonly period: PeriodName,
    private readonly length: number,
  ) {}

  of(at: number, name: string, create: (period: PeriodName, start: number) => Row): Row {
    const start = at - (at % this.length);
    let rows = this.#byStart.get(start);
    if (!rows) {
      rows = new Map();
      this.#byStart.set(start, rows);
    }
    let row = rows.get(name);
    if (!row) {
      row = create(this.period, start);
      rows.set(name, row);
    }
    return row;
  }

  /** In order. */
  starts(): number[] {
    return [...this.#byStart.keys()].sort((a, b) => a - b);
  }

  *rows(): Generator<Row> {
    for (const rows of this.#byStart.values()) yield* rows.values();
  }
}

/** @returns the part with its length, so that parts that follow each other are never taken for others */
function nameOf(part: string): string {
  return `${part}\u0000${part.length}\u0000`;
}
