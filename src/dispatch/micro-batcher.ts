import { hasExactNumbers } from '../cache/exact-numbers.ts';
import type { Clock } from '../core/clock.ts';
import type { ErrorCode } from '../core/errors.ts';
import type { EmbeddingCall } from '../core/inference.ts';
import type { Target } from '../providers/types.ts';
import type { RouteCandidate } from '../routing/routing-decision.ts';
import type { AttemptTrace } from './attempt-trace.ts';
import { JoinedAttempt, type JoiningOptions } from './joined-attempt.ts';
import { sharedForm } from './joined-call.ts';
import { type JoinedCallResult, MicroBatch } from './micro-batch.ts';
import type { DispatchScope } from './request.ts';

/** Batches that wait at the same time. Further calls are sent alone. */
const MAX_OPEN = 1_000;

/** Failures that one input may cause for all: the next attempt of each request is not joined. */
const MAYBE_BY_INPUT: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  'upstream_error',
  'upstream_closed',
  'upstream_invalid_response',
  'upstream_timeout',
]);

/** Learns of upstream calls for several requests. */
export interface MicroBatchObserver {
  /** @param requests that the call was sent for, at least 2 */
  callJoined(model: string, requests: number, result: JoinedCallResult): void;
}

/** Makes an attempt that waits for others. @param startedAt monotonic milliseconds */
export type JoinAttempt = (options: JoiningOptions, startedAt: number) => JoinedAttempt;

interface MicroBatcherOptions {
  readonly clock: Clock;
  readonly observer: MicroBatchObserver;
  /** Milliseconds for a response of a target without a time of its own. */
  readonly limits: { readonly answerMs: number };
}

/**
 * Joins the calls of requests for embeddings that go to the same target within a few milliseconds. Each request has passed its
 * own limits, routing and admission by then; only the upstream call is shared.
 */
export class MicroBatcher {
  readonly #open = new WeakMap<Target, Map<string, MicroBatch>>();
  #openCount = 0;

  constructor(private readonly options: MicroBatcherOptions) {}

  /**
   * @param mostInputs that the target takes in one call; undefined where it has no such limit
   * @returns undefined where the call is sent alone
   */
  joinOf(
    call: EmbeddingCall,
    { request, deadlineAt }: DispatchScope,
    { target, route }: RouteCandidate,
    mostInputs = Number.POSITIVE_INFINITY,
  ): JoinAttempt | undefined {
    const { microBatch } = route;
    if (!microBatch) return undefined;
    const settings = { ...microBatch, maxInputs: Math.min(microBatch.maxInputs, mostInputs) };
    const { clock, limits } = this.options;
    // A call that fills a batch alone, or has no time to wait.
    if (call.embedding.inputs.length >= settings.maxInputs || call.text.length >= settings.maxBytes) {
      return undefined;
    }
    // The time that the target has begins with the attempt, before the window.
    const targetMs = target.timeoutMs ?? target.provider.timeoutMs ?? limits.answerMs;
    if (Math.min(deadlineAt - clock.now(), targetMs) <= 2 * settings.windowMs) return undefined;
    if (request.routing.attempts.some(wasFailedByJoining)) return undefined;
    const form = hasExactNumbers(call.text) ? sharedForm(call) : undefined;
    if (form === undefined) return undefined;
    const isStrict = request.controls.strict || request.routing.route?.strict === true;
    const headers = (target.provider.profile.forwardHeaders ?? []).map((name) => call.headers.get(name));
    const { tenant } = request.identity.principal;
    const key = `${JSON.stringify([tenant, call.model, isStrict, headers])}${form}`;
    const model = request.routing.modelLabel ?? 'unknown';
    const newBatch = (onClosed: (batch: MicroBatch) => void) =>
      new MicroBatch({
        ...{ settings, isStrict, onClosed },
        onEnded: (requests, result) => this.options.observer.callJoined(model, requests, result),
      });
    return (options, startedAt) =>
      new JoinedAttempt(options, call, startedAt, () => {
        const batches = this.#batchesOf(target);
        const known = batches.get(key);
        if (known?.fits(call)) return known;
        known?.send();
        const batch = newBatch((closed) => {
          if (batches.get(key) === closed) batches.delete(key);
          this.#openCount -= 1;
        });
        this.#openCount += 1;
        batches.set(key, batch);
        if (this.#openCount <= MAX_OPEN) void clock.sleep(settings.windowMs).then(() => batch.send());
        else queueMicrotask(() => batch.send());
        return batch;
      });
  }

  #batchesOf(target: Target): Map<string, MicroBatch> {
    const known = this.#open.get(target);
    if (known) return known;
    const made = new Map<string, MicroBatch>();
    this.#open.set(target, made);
    return made;
  }
}

function wasFailedByJoining({ joined, failure }: AttemptTrace): boolean {
  return joined !== undefined && failure !== undefined && MAYBE_BY_INPUT.has(failure.code);
}
