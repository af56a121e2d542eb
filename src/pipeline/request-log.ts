import type { RefusedModel } from '../core/model-scope.ts';
import type { Usage } from '../core/usage.ts';
import type { AttemptTrace } from '../dispatch/attempt-trace.ts';
import type { DecisionFacts } from '../routing/routing-decision.ts';
import type { Outcome, RequestContext } from './request-context.ts';
import { RequestSlot } from './request-slot.ts';

const NO_MODELS: readonly RefusedModel[] = [];

/** What is kept of a request for its explanation. It holds nothing of the prompt or the response. */
export interface RequestRecord {
  readonly id: string;
  readonly tenant: string;
  readonly model: string | undefined;
  readonly route: string;
  readonly stream: boolean;
  /** It asked for the rate of batches. */
  readonly isBatch: boolean;
  /** The variant of an experiment that answered. */
  readonly variant: string | undefined;
  readonly queuedMs: number;
  readonly loadingMs: number;
  /** Unix milliseconds. */
  readonly at: number;
  /** Monotonic milliseconds, as all times below. */
  readonly startedAt: number;
  readonly committedAt: number | undefined;
  readonly endedAt: number | undefined;
  readonly status: number | undefined;
  readonly outcome: Outcome | undefined;
  readonly decisions: readonly DecisionFacts[];
  /** Models that the request did not reach because its key may not use them. */
  readonly refusedModels: readonly RefusedModel[];
  readonly attempts: readonly AttemptTrace[];
  readonly usage: Usage | undefined;
  /** A part of the usage is an estimate. */
  readonly usageEstimated: boolean;
}

/**
 * @param now monotonic milliseconds
 * @param wallTime the same moment in Unix milliseconds
 */
export function recordOf(request: RequestContext, now: number, wallTime: number): RequestRecord {
  const { identity, controls, timing, upstream: routing, usage, response, outcome } = request;
  const { startedAt, committedAt } = timing;
  return {
    id: identity.id,
    tenant: identity.principal.tenant,
    model: controls.model,
    route: identity.route,
    stream: controls.stream,
    isBatch: controls.isBatch,
    variant: routing.plan?.participation?.variant,
    queuedMs: routing.queuedMs,
    loadingMs: routing.loadingMs,
    at: wallTime - (now - startedAt),
    startedAt,
    committedAt,
    endedAt: outcome ? now : undefined,
    status: response.status,
    outcome,
    decisions: routing.plan?.decisions ?? [],
    refusedModels: routing.modelScope?.refused ?? NO_MODELS,
    attempts: routing.attempts,
    usage: usage.usage,
    usageEstimated: usage.estimated,
  };
}

/**
 * Keeps the last requests of this process for explanations; the newest replaces the oldest. A request whose first target
 * responded is copied into a slot that is used again and again, about 0.5 KB: keeping its own objects made the garbage
 * collector follow about 30 for each of them.
 */
export class RequestLog {
  readonly #slots: RequestSlot[] = [];
  #next = 0;

  /** @param size number of requests that are kept */
  constructor(private readonly size = 2_000) {}

  /**
   * @param request which has completed
   * @param endedAt monotonic milliseconds
   * @param wallTime the same moment in Unix milliseconds
   */
  add(request: RequestContext, endedAt: number, wallTime: number): void {
    let slot = this.#slots[this.#next];
    if (!slot) {
      slot = new RequestSlot();
      this.#slots.push(slot);
    }
    if (!slot.fill(request, endedAt, wallTime)) slot.keep(recordOf(request, endedAt, wallTime));
    this.#next = (this.#next + 1) % this.size;
  }

  /** @returns the latest request with this id, which clients may choose; undefined where it is not kept */
  find(id: string): RequestRecord | undefined {
    for (let back = 1; back <= this.size; back += 1) {
      const slot = this.#slots[(this.#next - back + this.size) % this.size];
      if (slot?.id === id) return slot.record();
    }
    return undefined;
  }
}
