import { isRecord } from '../core/json.ts';
import type { LogLevel } from './log-format.ts';

/** Conditions of a search; a line must meet all of them. */
export interface LogFilter {
  readonly tenant?: string | undefined;
  /** Id of the key. */
  readonly key?: string | undefined;
  /** Id of the member who owns the key. */
  readonly user?: string | undefined;
  /** As the client named it, or as it was routed. */
  readonly model?: string | undefined;
  readonly provider?: string | undefined;
  readonly requestId?: string | undefined;
  readonly traceId?: string | undefined;
  /** Statuses such as `429`, and classes such as `5xx`. */
  readonly status?: readonly string[] | undefined;
  /** The lowest level. */
  readonly level?: LogLevel | undefined;
  /** Unix milliseconds, inclusive. */
  readonly from?: number | undefined;
  /** Unix milliseconds, exclusive. */
  readonly to?: number | undefined;
  readonly minDurationMs?: number | undefined;
  /** US dollars. */
  readonly minCost?: number | undefined;
  /** A part of the line, in upper or lower case. */
  readonly text?: string | undefined;
}

/** A line that was found. */
export interface FoundLine {
  /** ISO 8601, UTC: texts of it sort by time. */
  readonly time: string;
  readonly text: string;
  readonly record: Readonly<Record<string, unknown>>;
}

const LEVELS: readonly string[] = ['debug', 'info', 'warn', 'error'] satisfies LogLevel[];
/** How a line of Weir begins. */
const HEAD = /^\{"level":"(\w+)","time":"([^"]+)"/;

/** Decides about lines, most of them without parsing: a search reads millions. */
export class LineMatcher {
  /** Lines that are not JSON with a level and a time, such as the banner. */
  skipped = 0;
  readonly #needles: readonly string[];
  readonly #text: string | undefined;
  readonly #level: number;
  readonly #from: string | undefined;
  readonly #to: string | undefined;

  constructor(private readonly filter: LogFilter) {
    const { tenant, key, user, provider, requestId, traceId, level, from, to, text } = filter;
    const exact = { tenant, key, user, provider, request_id: requestId, trace_id: traceId };
    this.#needles = Object.entries(exact).flatMap(([name, value]) =>
      value === undefined ? [] : [`"${name}":${JSON.stringify(value)}`],
    );
    this.#text = text?.toLowerCase();
    this.#level = level === undefined ? 0 : LEVELS.indexOf(level);
    this.#from = from === undefined ? undefined : new Date(from).toISOString();
    this.#to = to === undefined ? undefined : new Date(to).toISOString();
  }

  /** @returns undefined for a line that does not match */
  match(text: string): FoundLine | undefined {
    const head = HEAD.exec(text);
    if (head && !this.#isWanted(head[1] ?? '', head[2] ?? '')) return undefined;
    if (!this.#needles.every((needle) => text.includes(needle))) return undefined;
    if (this.#text !== undefined && !text.toLowerCase().includes(this.#text)) return undefined;
    const record = parsed(text);
    const { level, time } = record ?? {};
    if (!record || typeof level !== 'string' || typeof time !== 'string') {
      if (text !== '') this.skipped += 1;
      return undefined;
    }
    return this.#isWanted(level, time) && this.#matches(record) ? { time, text, record } : undefined;
  }

  #isWanted(level: string, time: string): boolean {
    if (this.#from !== undefined && time < this.#from) return false;
    if (this.#to !== undefined && time >= this.#to) return false;
    return this.#level === 0 || LEVELS.indexOf(level) >= this.#level;
  }

  #matches(record: Readonly<Record<string, unknown>>): boolean {
    const { tenant, key, user, provider, requestId, traceId, model, status } = this.filter;
    const { minDurationMs, minCost } = this.filter;
    const isSame = (wanted: string | undefined, value: unknown) => wanted === undefined || value === wanted;
    return (
      isSame(tenant, record.tenant) &&
      isSame(key, record.key) &&
      isSame(user, record.user) &&
      isSame(provider, record.provider) &&
      isSame(requestId, record.request_id) &&
      isSame(traceId, record.trace_id) &&
      (model === undefined || record.model === model || record.routed_model === model) &&
      (status === undefined || status.some((one) => hasStatus(one, record.status))) &&
      isAtLeast(minDurationMs, record.duration_ms) &&
      isAtLeast(minCost, record.cost)
    );
  }
}

function hasStatus(wanted: string, status: unknown): boolean {
  const text = String(status);
  return wanted.endsWith('xx') ? text.length === 3 && text.startsWith(wanted.slice(0, 1)) : text === wanted;
}

function isAtLeast(least: number | undefined, value: unknown): boolean {
  return least === undefined || (value !== undefined && Number(value) >= least);
}

function parsed(text: string): Readonly<Record<string, unknown>> | undefined {
  if (!text.startsWith('{')) return undefined;
  try {
    const value: unknown = JSON.parse(text);
    return isRecord(value) ? value : undefined;
  } catch {
    // The end of a file whose gateway was killed, or another program's line.
    return undefined;
  }
}
