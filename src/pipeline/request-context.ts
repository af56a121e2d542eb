import { Cancellation } from '../core/cancellation.ts';
import type { GatewayError } from '../core/errors.ts';
import type { SubjectLimits } from '../core/limit.ts';
import { modelScopeOf } from '../core/model-scope.ts';
import type { Slotted } from '../core/slot-list.ts';
import type { Usage } from '../core/usage.ts';
import type { Warning } from '../core/warning.ts';
import {
  type DispatchRequest,
  NO_CONTROLS,
  type RequestControls,
  type RequestIdentity,
  type ReserveMore,
  RoutingTrace,
} from '../dispatch/request.ts';
import type { LimitReservation } from '../limits/limiter.ts';
import type { LineForwarding } from '../providers/line-forwarding.ts';
import type { CacheTrace, SemanticTrace } from './cache-trace.ts';
import type { GuardrailRun } from './guardrail-run.ts';
import type { RequestDigests } from './request-digests.ts';
import type { RequestTrace } from './request-trace.ts';

/** How a request ended. */
export type Outcome =
  | { readonly kind: 'done' }
  | { readonly kind: 'client_gone' }
  | { readonly kind: 'failed'; readonly error: GatewayError };

/** Monotonic milliseconds. Written by the inference handler. */
export interface RequestTiming {
  readonly startedAt: number;
  /** The request ends by then, whatever it is doing. */
  deadlineAt: number;
  /** The first byte went to the client: perhaps a comment only, which commits nothing. */
  headersSentAt: number | undefined;
  /** The first event went to the client, or all of a complete response: no other target can respond any more. */
  committedAt: number | undefined;
}

/** Written by the limits interceptor. */
export interface RequestLimits {
  reservation: LimitReservation | undefined;
  /** Of further calls of the request, such as a hedge. They are settled with the first one. */
  readonly more: LimitReservation[];
  reserveMore: ReserveMore | undefined;
  /** Limits of the client's address, where replicas share them. Written when the request is admitted. */
  addressLimits: readonly SubjectLimits[] | undefined;
  /** What was reserved is settled with another request, which makes the upstream call for this one. */
  isSettledElsewhere: boolean;
  /** The requests that bear the use of this one in equal parts, instead of itself. */
  payers: readonly RequestContext[] | undefined;
}

/** Totals of the request. Written by the inference handler when the request ends. */
export interface RequestUsage {
  usage: Usage | undefined;
  finishReason: string | undefined;
  /** A part of `usage` is an estimate. */
  estimated: boolean;
  /** US dollars as an exact decimal; only where `routing.needsCost`. */
  cost: string | undefined;
}

/** What the client receives beside the body. */
export interface ResponseTrace {
  /** Set when the request completes. 499 is nginx's word for a client that left. */
  status: number | undefined;
  /** What the gateway changed in the request before a target received it; undefined for nothing. */
  warnings: Warning[] | undefined;
  /** Headers that interceptors add. Names in lower case. */
  readonly headers: [name: string, value: string][];
}

/** What is known of a request when it is admitted. */
export interface RequestInit extends RequestIdentity {
  /** Monotonic milliseconds. */
  readonly startedAt: number;
  /** Monotonic milliseconds; Infinity when absent. */
  readonly deadlineAt?: number;
}

/** Receives what a listener threw. */
export type ListenerFault = (error: unknown) => void;

/**
 * One admitted request: identity, cancellation, and what each phase decided. Headers, log, metrics and explanations read it;
 * each group is written by the phase that its type names.
 */
export class RequestContext implements DispatchRequest, Slotted {
  slot = -1;
  readonly identity: RequestIdentity;
  controls: RequestControls | typeof NO_CONTROLS = NO_CONTROLS;
  readonly timing: RequestTiming;
  readonly routing: RoutingTrace;
  readonly limits: RequestLimits = {
    reservation: undefined,
    more: [],
    reserveMore: undefined,
    addressLimits: undefined,
    isSettledElsewhere: false,
    payers: undefined,
  };
  readonly usage: RequestUsage = {
    usage: undefined,
    finishReason: undefined,
    estimated: false,
    cost: undefined,
  };
  readonly response: ResponseTrace = { status: undefined, warnings: undefined, headers: [] };
  /** How the cache took part; undefined where it is off. Written by the cache's interceptors. */
  cache: CacheTrace | undefined = undefined;
  /** What the semantic cache found; undefined where it took no part. Written by the cache's interceptor. */
  semantic: SemanticTrace | undefined = undefined;
  /** What guardrails found; undefined where there are none. Written by the guardrails interceptor. */
  guardrails: GuardrailRun | undefined = undefined;
  /** Undefined where the tenant's requests are not audited. Written when the request is admitted. */
  audit: RequestDigests | undefined = undefined;
  /** Undefined where traces are not exported. Written when the request is admitted. */
  trace: RequestTrace | undefined = undefined;
  /** Set for a line of a batch whose upstream call a provider's batch API makes. Written when the request is admitted. */
  forwarding: LineForwarding | undefined = undefined;
  /** The interceptor that ran last: the one to blame when nothing happens any more. */
  stage = '';
  /** Its usage is settled when it completes. Written by the settlement interceptor. */
  isSettled = false;
  /**
   * Receives what the request cost, once it is settled: 10^-12 US dollars; undefined where a price is not known. Such a
   * request makes its own upstream call. Written when the request is admitted.
   */
  onSettled: ((costPico: number | undefined) => void) | undefined = undefined;

  /** Cancelled when the request is aborted, or ends. */
  readonly cancellation = new Cancellation();
  #abortReason: GatewayError | undefined;
  #outcome: Outcome | undefined;
  readonly #listeners: ((outcome: Outcome) => void)[] = [];
  readonly #lastListeners: ((outcome: Outcome) => void)[] = [];

  constructor(
    { startedAt, deadlineAt = Number.POSITIVE_INFINITY, ...identity }: RequestInit,
    private readonly onFault: ListenerFault = () => undefined,
  ) {
    this.identity = identity;
    this.routing = new RoutingTrace(modelScopeOf(identity.principal.scopes));
    this.timing = { startedAt, deadlineAt, headersSentAt: undefined, committedAt: undefined };
  }

  /** Aborted with a `GatewayError` as the reason: when the request is aborted, or ends. */
  get signal(): AbortSignal {
    return this.cancellation.signal;
  }

  /** How targets were selected for its response: by this request, or by the one that made the call for it. */
  get upstream(): RoutingTrace {
    const { cache } = this;
    return (cache?.status === 'miss' ? cache.call : undefined)?.routing ?? this.routing;
  }

  get abortReason(): GatewayError | undefined {
    return this.#abortReason;
  }

  get completed(): boolean {
    return this.#outcome !== undefined;
  }

  get outcome(): Outcome | undefined {
    return this.#outcome;
  }

  /** Ends the request early: client gone, deadline, shutdown. The first reason counts. */
  abort(reason: GatewayError): void {
    if (this.#abortReason || this.#outcome) return;
    this.#abortReason = reason;
    this.cancellation.cancel(reason);
  }

  /** Aborts what still runs for the request, before it completes. It counts as no abort of the request. */
  close(reason: GatewayError): void {
    this.cancellation.cancel(reason);
  }

  /** Calls back once when the request has completed, at once if it has. Listeners run in the order of registration. */
  onEnd(listener: (outcome: Outcome) => void): void {
    if (this.#outcome) this.#notify(listener, this.#outcome);
    else this.#listeners.push(listener);
  }

  /** Calls back once, at once if it has completed, after all listeners of `onEnd`, such as settlement, which decides what the request costs. */
  afterEnd(listener: (outcome: Outcome) => void): void {
    if (this.#outcome) this.#notify(listener, this.#outcome);
    else this.#lastListeners.push(listener);
  }

  /** Closes the request. Called once, by the inference handler; later calls have no effect. */
  complete(outcome: Outcome): void {
    if (this.#outcome) return;
    this.#outcome = outcome;
    this.response.status = statusOf(outcome);
    for (const listener of this.#listeners) this.#notify(listener, outcome);
    for (const listener of this.#lastListeners) this.#notify(listener, outcome);
    this.#listeners.length = 0;
    this.#lastListeners.length = 0;
  }

  #notify(listener: (outcome: Outcome) => void, outcome: Outcome): void {
    try {
      listener(outcome);
    } catch (error) {
      this.onFault(error);
    }
  }
}

function statusOf(outcome: Outcome): number {
  if (outcome.kind === 'failed') return outcome.error.status;
  return outcome.kind === 'client_gone' ? 499 : 200;
}
