import { eventOf, lineOf, type UsageEvent } from './usage-event.ts';

const HOUR_MS = 3_600_000;

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

/** Sums of one hour (UTC) of one key, member, model and provider. `start` is its beginning. */
export interface UsageHour extends UsageSums {
  start: number;
  key_id: string;
  member: string;
  model: string;
  provider: string;
}

/** Sums of one hour of one tag and model; a request with several tags counts at each. */
export interface UsageTagHour extends UsageSums {
  start: number;
  tag: string;
  model: string;
}

/** Lines that are put together as soon as there are so many: each that outlives a collection costs it again. */
const MAX_LINES = 64;

/**
 * Events of one tenant that are stored together, added up as they come: so that storing them is one row and a few sums,
 * however many they are.
 */
export class UsageBatch {
  count = 0;
  /** Unix milliseconds of the first and the last event. */
  firstAt = Number.POSITIVE_INFINITY;
  lastAt = 0;
  readonly #blocks: string[] = [];
  #lines: string[] = [];
  readonly #hours = new Map<string, UsageHour>();
  readonly #tagHours = new Map<string, UsageTagHour>();
  readonly #lastUse = new Map<string, number>();
  /** Of the event before: the next is nearly always of the same. */
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

  /** When each key was last used. */
  get lastUse(): ReadonlyMap<string, number> {
    return this.#lastUse;
  }

  /** The same without its first events. */
  after(count: number): UsageBatch {
    const rest = new UsageBatch();
    if (count >= this.count) return rest;
    for (const line of this.text.split('\n').slice(count)) {
      const event = eventOf(line);
      if (event) rest.add(event, line);
    }
    return rest;
  }

  /** @param line of this event */
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

/** Batches by tenant. */
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

  /** @param onDamaged told of lines that can't be read */
  static read(text: string, onDamaged: (line: string) => void): UsageBatches {
    const batches = new UsageBatches();
    for (const line of text.split('\n')) {
      if (line === '') continue;
      const event = eventOf(line);
      // The last line of a process that was killed may be cut off.
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

/** Where usage is kept. */
export interface UsageSink {
  /**
   * @param id of the batch: what was written under it before is not written again. The same batch may have been written
   * as it was when it was shorter; what has come since is added.
   * @throws when it could not be kept; all of it may be tried again
   */
  write(tenant: string, id: string, batch: UsageBatch): Promise<void>;
}
