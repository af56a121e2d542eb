import type { Usage } from '../core/usage.ts';
import { costOf } from '../metering/cost.ts';
import type { ModelInfo } from '../metering/model-data.ts';
import type { Target } from '../providers/types.ts';
import type { Look } from '../routing/plan.ts';
import type { AttemptTrace, Outcome, RequestContext } from './context.ts';

/** What is kept of a request so that it can be explained later. Nothing of what was asked or answered is in it. */
export interface RequestRecord {
  readonly id: string;
  readonly tenant: string;
  readonly model: string | undefined;
  readonly route: string;
  readonly stream: boolean;
  /** Unix milliseconds. */
  readonly at: number;
  /** Monotonic milliseconds, as all times in here. */
  readonly startedAt: number;
  readonly committedAt: number | undefined;
  readonly endedAt: number | undefined;
  readonly status: number | undefined;
  readonly outcome: Outcome | undefined;
  readonly looks: readonly Look[];
  readonly attempts: readonly AttemptTrace[];
  readonly usage: Usage | undefined;
}

/** @param now and `wallTime` the same moment on both clocks */
export function recordOf(
  context: RequestContext,
  now: number,
  wallTime: number,
  outcome?: Outcome,
): RequestRecord {
  return {
    id: context.id,
    tenant: context.principal.tenant,
    model: context.model,
    route: context.route,
    stream: context.stream,
    at: wallTime - (now - context.startedAt),
    startedAt: context.startedAt,
    committedAt: context.committedAt,
    endedAt: outcome ? now : undefined,
    status: context.status,
    outcome,
    looks: context.plan?.looks ?? [],
    attempts: context.attempts,
    usage: context.usage,
  };
}

type Facts = (target: Target) => ModelInfo;

const ms = (from: number, to: number | undefined) =>
  to === undefined ? undefined : Math.round((to - from) * 10) / 10;

/**
 * Why a request went where it went: who was looked at and why not taken, what was tried and how it ended.
 * Times are milliseconds from the request's beginning; costs are US dollars, of the usage that was reported, at each
 * target that might have answered.
 */
export function explain(record: RequestRecord, facts?: Facts) {
  const { startedAt, usage, outcome } = record;
  const costAt = (target: Target) => {
    const price = facts?.(target).price;
    return price && usage ? costOf(price, usage) : undefined;
  };
  return {
    id: record.id,
    tenant: record.tenant,
    model: record.model,
    route: record.route,
    stream: record.stream,
    at: new Date(record.at).toISOString(),
    status: record.status,
    outcome: outcome?.kind ?? 'answering',
    ...(outcome?.kind === 'failed' ? { error: outcome.error.code, reason: outcome.error.message } : {}),
    first_event_ms: ms(startedAt, record.committedAt),
    duration_ms: ms(startedAt, record.endedAt),
    looks: record.looks.map(({ model, because, strategy, at, considered }) => ({
      model,
      because,
      strategy,
      at_ms: ms(startedAt, at),
      targets: considered.map(({ target, leftOut, inflight, pace }) => ({
        provider: target.provider.id,
        model: target.model,
        ...(leftOut === undefined ? {} : { left_out: leftOut }),
        in_flight: inflight,
        ms_per_token: pace === undefined ? undefined : Math.round(pace * 100) / 100,
        cost_usd: costAt(target),
      })),
    })),
    attempts: record.attempts.map(
      ({ provider, model, startedAt: began, firstEventAt, endedAt, failure }) => ({
        provider,
        model,
        at_ms: ms(startedAt, began),
        first_event_ms: ms(startedAt, firstEventAt),
        ended_ms: ms(startedAt, endedAt),
        ...(failure ? { error: failure.code, reason: failure.message } : {}),
      }),
    ),
  };
}

export type Explanation = ReturnType<typeof explain>;

/** The last requests, so that people can ask why. A ring: the oldest gives way. */
export class RequestLog {
  readonly #ring: (RequestRecord | undefined)[];
  readonly #places = new Map<string, number>();
  #next = 0;

  constructor(size = 2_000) {
    this.#ring = new Array<RequestRecord | undefined>(size).fill(undefined);
  }

  add(record: RequestRecord): void {
    const old = this.#ring[this.#next];
    if (old && this.#places.get(old.id) === this.#next) this.#places.delete(old.id);
    this.#ring[this.#next] = record;
    // Clients choose ids: of two requests with the same one, the later is found.
    this.#places.set(record.id, this.#next);
    this.#next = (this.#next + 1) % this.#ring.length;
  }

  find(id: string): RequestRecord | undefined {
    const place = this.#places.get(id);
    return place === undefined ? undefined : this.#ring[place];
  }
}
