import type { UsageEvent } from './usage-event.ts';

const HOUR_MS = 3_600_000;
const DAY_MS = 86_400_000;

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

/** The start of an hour or a day (UTC), in Unix milliseconds. */
interface Period {
  readonly period: 'hour' | 'day';
  readonly start: number;
}

/** Sums of one hour or day by key, member, model and provider. */
export interface UsageRollup extends UsageSums, Period {
  readonly key_id: string;
  readonly member: string;
  readonly model: string;
  readonly provider: string;
}

/** Sums of one hour or day by tag and model; a request with several tags counts for each. */
export interface UsageTagRollup extends UsageSums, Period {
  readonly tag: string;
  readonly model: string;
}

/** Rows by a text that names their dimensions, without the period. */
type Rows<Row> = Map<string, Row>;

/** Sums usage events of one tenant. */
export class UsageTotals {
  readonly #hours = new Periods<UsageRollup>(HOUR_MS);
  readonly #days = new Periods<UsageRollup>(DAY_MS);
  readonly #tagHours = new Periods<UsageTagRollup>(HOUR_MS);
  readonly #tagDays = new Periods<UsageTagRollup>(DAY_MS);
  readonly #lastUse = new Map<string, number>();

  add(event: UsageEvent): void {
    const { at, keyId, model, provider, tags } = event;
    const member = event.member ?? '';
    if (at > (this.#lastUse.get(keyId) ?? 0)) this.#lastUse.set(keyId, at);
    const name = nameOf(keyId, member, model, provider);
    const rollup = { key_id: keyId, member, model, provider };
    for (const [period, periods] of [
      ['hour', this.#hours],
      ['day', this.#days],
    ] as const) {
      const rows = periods.at(at);
      let row = rows.get(name);
      if (!row) {
        row = { period, start: periods.startOf(at), ...rollup, ...NOTHING };
        rows.set(name, row);
      }
      addTo(row, event);
    }
    for (const tag of tags) this.#addTag(tag, event);
  }

  /** Hours, then days, each in the order of their keys. */
  get rollups(): UsageRollup[] {
    return [...this.#hours.inOrder(), ...this.#days.inOrder()];
  }

  /** As `rollups`. */
  get tagRollups(): UsageTagRollup[] {
    return [...this.#tagHours.inOrder(), ...this.#tagDays.inOrder()];
  }

  /** Key ids with the Unix milliseconds of their last event, in order. */
  get lastUse(): (readonly [keyId: string, at: number])[] {
    return [...this.#lastUse].sort(([a], [b]) => (a < b ? -1 : 1));
  }

  #addTag(tag: string, event: UsageEvent): void {
    const { at, model } = event;
    const name = nameOf(tag, model);
    for (const [period, periods] of [
      ['hour', this.#tagHours],
      ['day', this.#tagDays],
    ] as const) {
      const rows = periods.at(at);
      let row = rows.get(name);
      if (!row) {
        row = { period, start: periods.startOf(at), tag, model, ...NOTHING };
        rows.set(name, row);
      }
      addTo(row, event);
    }
  }
}

/** Rows of each hour or day. */
class Periods<Row> {
  readonly #byStart = new Map<number, Rows<Row>>();

  /** @param length of a period in milliseconds */
  constructor(private readonly length: number) {}

  startOf(at: number): number {
    return at - (at % this.length);
  }

  at(at: number): Rows<Row> {
    const start = this.startOf(at);
    let rows = this.#byStart.get(start);
    if (!rows) {
      rows = new Map();
      this.#byStart.set(start, rows);
    }
    return rows;
  }

  inOrder(): Row[] {
    const byStart = [...this.#byStart].sort(([a], [b]) => a - b);
    return byStart.flatMap(([, rows]) =>
      [...rows].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, row]) => row),
    );
  }
}

/** @returns a text that no other list of parts gives: the length of each part says where it ends */
function nameOf(...parts: readonly string[]): string {
  let name = '';
  for (const part of parts) name += `${part}\u0000${part.length}\u0000`;
  return name;
}

const NOTHING: UsageSums = {
  ...{ requests: 0, attempts: 0, failures: 0, input_tokens: 0, output_tokens: 0, cached_tokens: 0 },
  ...{ cache_write_tokens: 0, reasoning_tokens: 0, cost_pico: 0, unpriced: 0, estimated: 0 },
};

function addTo(row: UsageSums, event: UsageEvent): void {
  row.requests += event.requests;
  row.attempts += 1;
  row.failures += event.outcome === 'failed' || event.outcome === 'lost' ? 1 : 0;
  row.input_tokens += event.inputTokens;
  row.output_tokens += event.outputTokens;
  row.cached_tokens += event.cachedTokens;
  row.cache_write_tokens += event.cacheWriteTokens;
  row.reasoning_tokens += event.reasoningTokens;
  row.cost_pico += event.costPico ?? 0;
  row.unpriced += event.costPico === null ? 1 : 0;
  row.estimated += event.estimated ? 1 : 0;
}
