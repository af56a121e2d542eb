import type { AttemptFailure, GatewayError } from '../core/errors.ts';
import type { InferenceCall, Operation } from '../core/inference.ts';
import type { SubjectLimits } from '../core/limit.ts';
import type { OutputText } from '../core/output-text.ts';
import type { Principal } from '../core/principal.ts';
import type { Slotted } from '../core/slot-list.ts';
import type { Usage } from '../core/usage.ts';
import type { Warning } from '../core/warning.ts';
import type { LimitReservation } from '../limits/limiter.ts';
import type { ModelOverrides } from '../metering/model-data.ts';
import type { Target } from '../providers/types.ts';
import type { Priority } from '../routing/admission/fair-queue.ts';
import type { EscalationReason } from '../routing/directory.ts';
import type { RoutePlan } from '../routing/plan.ts';
import type { RoutingConstraints } from '../routing/request-facts.ts';

const NO_WARNINGS: readonly Warning[] = [];
const NO_TAGS: readonly string[] = [];

export type Outcome =
  | { readonly kind: 'done' }
  | { readonly kind: 'client_gone' }
  | { readonly kind: 'failed'; readonly error: GatewayError };

/** A target that was tried, or is being tried. Times are from the injected monotonic clock, in milliseconds. */
export interface AttemptTrace {
  readonly provider: string;
  readonly model: string;
  /** Where it went, and what the configuration says of that model: for its price. */
  readonly target?: Target | undefined;
  readonly facts?: ModelOverrides | undefined;
  /** Which of the provider's keys, where it has several. */
  readonly account?: number | undefined;
  readonly startedAt: number;
  firstEventAt: number | undefined;
  endedAt: number | undefined;
  failure: AttemptFailure | undefined;
  usage?: Usage | undefined;
  /** Taken from the target's own limits. */
  reservation?: LimitReservation | undefined;
  /** How it ended; undefined while it goes on. */
  outcome?: 'done' | 'failed' | 'client_gone';
  /** What it has answered, where it has to be counted here. */
  answer?: OutputText | undefined;
  /** Millionths of a millionth of a US dollar, when the books are closed; null where no price is known. */
  costPico?: number | null;
  /** Its usage was not told, and is an estimate. */
  estimated?: boolean;
  /** It went on with the stream of another that broke. */
  continued?: boolean;
  /** Why its answer was not good enough for the client. */
  rejected?: EscalationReason;
  /** Began because another was slow; `lost` when it, or the one it was to help, was too late. */
  hedge?: 'began' | 'lost';
}

export interface ContextInit {
  readonly id: string;
  readonly principal: Principal;
  readonly operation: Operation;
  readonly route: string;
  readonly startedAt: number;
}

/**
 * All that is known of one admitted request while it lives: identity, cancellation, times and decisions.
 * The phases are plain functions over it; headers, log and metrics read it.
 */
export class RequestContext implements Slotted {
  slot = -1;
  readonly id: string;
  readonly principal: Principal;
  readonly operation: Operation;
  readonly route: string;
  readonly startedAt: number;

  model: string | undefined;
  /** The configured model that the name resolved to; bounded, so fit for a metric's label. */
  modelLabel: string | undefined;
  stream = false;
  /** Refuse what the target can't be told, instead of warning of it. */
  strict = false;
  /** What the target that answers was not told, or told in another way. */
  warnings: readonly Warning[] = NO_WARNINGS;
  readonly attempts: AttemptTrace[] = [];
  /** The attempt whose answer goes to the client. */
  answeredBy: AttemptTrace | undefined;
  /** Whom it goes before and gives way to, where requests have to wait. */
  priority: Priority = 'normal';
  /** What the client insists on. */
  constraints: RoutingConstraints | undefined;
  /** Milliseconds that it has waited for a place. */
  queuedMs = 0;
  /** Milliseconds that it has waited for an engine to be loaded. */
  loadingMs = 0;
  /** Set by who would rather tell the client that it may take long. */
  heldUp: (() => void) | undefined;
  /** How targets were chosen. */
  plan: RoutePlan | undefined;
  committedAt: number | undefined;
  usage: Usage | undefined;
  finishReason: string | undefined;
  status: number | undefined;
  /** A part of the usage is an estimate. */
  usageEstimated = false;
  /** Taken from the limits that concern it. */
  reservation: LimitReservation | undefined;
  /** Limits of the address that it comes from, where gateways share them. */
  addressLimits: readonly SubjectLimits[] | undefined;
  /** Labels that the client has put on it. */
  tags: readonly string[] = NO_TAGS;
  /** What was asked for, until the books are closed. */
  call: InferenceCall | undefined;
  /** US dollars, as an exact decimal; only where somebody wants to know. */
  cost: string | undefined;
  wantsCost = false;
  /** Told of the end, beside whom it concerns first. */
  onCompleted: ((outcome: Outcome) => void) | undefined;
  /** When the request must be over, whatever it is doing. */
  deadlineAt = Number.POSITIVE_INFINITY;

  #aborted: GatewayError | undefined;
  #onAbort: ((reason: GatewayError) => void) | undefined;
  #outcome: Outcome | undefined;
  readonly #onComplete: (context: RequestContext, outcome: Outcome) => void;

  constructor(init: ContextInit, onComplete: (context: RequestContext, outcome: Outcome) => void) {
    this.id = init.id;
    this.principal = init.principal;
    this.operation = init.operation;
    this.route = init.route;
    this.startedAt = init.startedAt;
    this.#onComplete = onComplete;
  }

  get aborted(): GatewayError | undefined {
    return this.#aborted;
  }

  get completed(): boolean {
    return this.#outcome !== undefined;
  }

  /** Ends the request early: client gone, deadline, shutdown. The first reason counts. */
  abort(reason: GatewayError): void {
    if (this.#aborted || this.#outcome) return;
    this.#aborted = reason;
    this.#onAbort?.(reason);
  }

  /** Sets who is told of an abort: the phase that is running. One at a time; a later one replaces the earlier. */
  onAbort(listener: ((reason: GatewayError) => void) | undefined): void {
    this.#onAbort = listener;
    if (listener && this.#aborted) listener(this.#aborted);
  }

  /** Closes the books, exactly once however the request ends; later calls change nothing. */
  complete(outcome: Outcome): void {
    if (this.#outcome) return;
    this.#outcome = outcome;
    this.#onAbort = undefined;
    this.#onComplete(this, outcome);
    this.onCompleted?.(outcome);
  }
}
