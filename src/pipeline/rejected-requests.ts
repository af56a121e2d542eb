import type { Clock } from '../core/clock.ts';
import { REJECTED, type UsageEvent } from '../storage/usage-event.ts';
import type { RequestContext } from './request-context.ts';
import { requestFactsOf } from './usage-event-of.ts';

export interface RejectedRequestsOptions {
  readonly clock: Pick<Clock, 'wallTime'>;
  /** A new id for an event; unique among all gateways. */
  readonly newId: () => string;
  /** Takes events; never fails, never waits. */
  readonly journal: { add(event: UsageEvent): void };
}

const SECOND_MS = 1_000;
/** Events of single requests in one second. Further requests share events. */
const MAX_SINGLE = 50;
/** Different events in one second that further requests share. The rest of them counts as one of these. */
const MAX_SHARED = 500;

/**
 * Records requests that reached no target, such as those over a limit, so that they can be listed and counted. A client
 * that is rejected sends many: those of one second with the same key, model and error become one event.
 */
export class RejectedRequests {
  #second = 0;
  #singles = 0;
  readonly #shared = new Map<string, UsageEvent>();

  constructor(private readonly options: RejectedRequestsOptions) {}

  /**
   * @param request which has completed
   * @param endedAt monotonic milliseconds
   */
  add(request: RequestContext, endedAt: number): void {
    if (!isRejected(request)) return;
    const at = this.options.clock.wallTime();
    const second = Math.floor(at / SECOND_MS);
    if (second !== this.#second) {
      this.flush();
      this.#second = second;
      this.#singles = 0;
    }
    const event = this.#event(request, endedAt, at);
    if (this.#singles < MAX_SINGLE) {
      this.#singles += 1;
      this.options.journal.add(event);
      return;
    }
    this.#share(event);
  }

  /** Passes on what is counted. */
  flush(): void {
    for (const event of this.#shared.values()) this.options.journal.add(event);
    this.#shared.clear();
  }

  #share(event: UsageEvent): void {
    const { tenant, keyId, member, model, status, request } = event;
    const key = JSON.stringify([tenant, keyId, member, model, status, request?.error]);
    const known = this.#shared.get(key);
    if (!known && this.#shared.size >= MAX_SHARED) this.flush();
    const count = (known?.request?.count ?? 0) + 1;
    this.#shared.set(key, known?.request ? { ...known, request: { ...known.request, count } } : event);
  }

  #event(request: RequestContext, endedAt: number, at: number): UsageEvent {
    const { identity, controls, routing, outcome, response } = request;
    const { principal, operation } = identity;
    return {
      id: this.options.newId(),
      ...{ tenant: principal.tenant, requestId: identity.id, at },
      ...{ keyId: principal.keyId, member: principal.member ?? null },
      ...{ model: routing.modelLabel ?? 'unknown', provider: '', upstreamModel: '' },
      ...{ operation, tags: controls.tags, status: response.status ?? 500, outcome: REJECTED, requests: 0 },
      ...{ inputTokens: 0, outputTokens: 0, cachedTokens: 0, cacheWriteTokens: 0, reasoningTokens: 0 },
      ...{ costPico: 0, estimated: false, durationMs: 0, firstEventMs: null },
      request: requestFactsOf(request, outcome ?? { kind: 'client_gone' }, endedAt),
    };
  }
}

/** It made no attempt, got no response from the cache, and shares no other request's call. */
function isRejected({ outcome, routing, cache, limits, identity }: RequestContext): boolean {
  if (!outcome || outcome.kind === 'done' || identity.operation === 'count-tokens') return false;
  return routing.attempts.length === 0 && !cache?.served && !limits.isSettledElsewhere;
}
