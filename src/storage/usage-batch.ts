import { eventOf, lineOf, type UsageEvent } from './usage-event.ts';

const HOUR_MS = 3_600_000;

/** Sums over attempts; `requests` counts each request once. Money is 10^-12 US dollars (`pico`). */
export interface UsageSums {
  requests: number;
  attempts: number;
  failures: number;
  input_tokens: number;
  output_tokens: number;
  cached_tokens: number;
  cache_write_tokens: number;
  reasoning_tokens: number;
  cost_pico: number;
  /** Attempts without a known price. */
  unpriced: number;
  /** Attempts whose tokens are estimates. */
  estimated: number;
}

/** Sums of one hour (UTC) by key, member, model and provider. `start` is Unix milliseconds. */
export interface UsageHour extends UsageSums {
  start: number;
  key_id: string;
  member: string;
  model: string;
  provider: string;
}

/** Sums of one hour (UTC) by tag and model; a request with several tags counts for each. */
export interface UsageTagHour extends UsageSums {
  start: number;
  tag: string;
  model: string;
}

/** Lines are joined into a block at this number, because each separate string costs the garbage collector again. */
const MAX_LINES = 64;

/** Usage events of one tenant, summed as they are added: a batch is stored as one row and a few sums. */
export class UsageBatch {
  /** Number of events. */
  count = 0;
  /** Unix milliseconds of the first and the last event. */
  firstAt = Number.POSITIVE_INFINITY;
  lastAt = 0;
  readonly #blocks: string[] = [];
  #lines: string[] = [];
  readonly #hours = new Map<string, UsageHour>();
  readonly #tagHours = new Map<string, UsageTagHour>();
  readonly #lastUse = new Map<string, number>();
  /** Sums of the previous event: the next event nearly always belongs to them too. */
  #hour: UsageHour | undefined;

  /** The events, one on each line. */
  get text(): string {
    return [...this.#blocks, ...this.#lines].join('\n');
  }

  get hours(): Iterable<UsageHour> {
    return this.#hours.values();
  }

  get tagHours(): Iterable<UsageTagHour> {
    return this.#tagHours.values();
  }

  /** Unix milliseconds of the last event of each key, by key id. */
  get lastUse(): ReadonlyMap<string, number> {
    return this.#lastUse;
  }

  /** @returns a batch without the first `count` events */
  after(count: number): UsageBatch {
    const rest = new UsageBatch();
    if (count >= this.count) return rest;
    for (const line of this.text.split('\n').slice(count)) {
      const event = eventOf(line);
      if (event) rest.add(event, line);
    }
    return rest;
  }

  /** @param line the event as text, as `lineOf` returns it */
  add(event: UsageEvent, line: string): void {
    const { at, keyId } = event;
    this.count += 1;
    if (at < this.firstAt) this.firstAt = at;
    if (at > this.lastAt) this.lastAt = at;
    this.#lines.push(line);
    if (this.#lines.length >= MAX_LINES) {
      this.#blocks.push(this.#lines.join('\n'));
      this.#lines = [];
    }
    if (at > (this.#lastUse.get(keyId) ?? 0)) this.#lastUse.set(keyId, at);
    const start = at - (at % HOUR_MS);
    addTo(this.#hourOf(start, event), event);
    for (const tag of event.tags) addTo(this.#tagHourOf(start, tag, event.model), event);
  }

  #hourOf(start: number, { keyId, member, model, provider }: UsageEvent): UsageHour {
    const user = member ?? '';
    const last = this.#hour;
    if (
      last?.start === start &&
      last.key_id === keyId &&
      last.model === model &&
      last.provider === provider &&
      last.member === user
    ) {
      return last;
    }
    const name = JSON.stringify([start, keyId, user, model, provider]);
    const known = this.#hours.get(name);
    this.#hour = known ?? { start, key_id: keyId, member: user, model, provider, ...NOTHING };
    if (!known) this.#hours.set(name, this.#hour);
    return this.#hour;
  }

  #tagHourOf(start: number, tag: string, model: string): UsageTagHour {
    const name = JSON.stringify([start, tag, model]);
    const known = this.#tagHours.get(name);
    if (known) return known;
    const made = { start, tag, model, ...NOTHING };
    this.#tagHours.set(name, made);
    return made;
  }
}

const NOTHING: UsageSums = {
  ...{ requests: 0, attempts: 0, failures: 0, input_tokens: 0, output_tokens: 0, cached_tokens: 0 },
  ...{ cache_write_tokens: 0, reasoning_tokens: 0, cost_pico: 0, unpriced: 0, estimated: 0 },
};

function addTo(row: UsageSums, event: UsageEvent): void {
  row.requests += event.requests;
  row.attempts += 1;
  row.failures += event.outcome === 'failed' ? 1 : 0;
  row.input_tokens += event.inputTokens;
  row.output_tokens += event.outputTokens;
  row.cached_tokens += event.cachedTokens;
  row.cache_write_tokens += event.cacheWriteTokens;
  row.reasoning_tokens += event.reasoningTokens;
  row.cost_pico += event.costPico ?? 0;
  row.unpriced += event.costPico === null ? 1 : 0;
  row.estimated += event.estimated ? 1 : 0;
}

/** Usage events of several tenants, one batch for each. */
export class UsageBatches {
  readonly byTenant = new Map<string, UsageBatch>();
  count = 0;

  add(event: UsageEvent, line: string): void {
    let batch = this.byTenant.get(event.tenant);
    if (!batch) {
      batch = new UsageBatch();
      this.byTenant.set(event.tenant, batch);
    }
    batch.add(event, line);
    this.count += 1;
  }

  /**
   * Reads a journal file.
   *
   * @param text events, one on each line
   * @param onDamaged called with each line that is not an event
   */
  static read(text: string, onDamaged: (line: string) => void): UsageBatches {
    const batches = new UsageBatches();
    for (const line of text.split('\n')) {
      if (line === '') continue;
      const event = eventOf(line);
      // The last line of a killed process may be incomplete.
      if (event) batches.add(event, line);
      else onDamaged(line);
    }
    return batches;
  }

  static of(events: readonly UsageEvent[]): UsageBatches {
    const batches = new UsageBatches();
    for (const event of events) batches.add(event, lineOf(event));
    return batches;
  }
}

/** Stores usage events. Fails closed: a batch that is not stored stays in the journal and is retried. */
export interface UsageSink {
  /**
   * Stores a batch exactly once.
   *
   * @param id of the batch. Events already stored under it are skipped, so a batch may be retried, also after it has grown.
   * @throws UnknownTenantError, or the database's error; nothing is stored then
   */
  write(tenant: string, id: string, batch: UsageBatch): Promise<void>;
}
