import type { Cancellation } from '../core/cancellation.ts';
import type { GatewayError } from '../core/errors.ts';
import type { InferenceCall, Operation } from '../core/inference.ts';
import type { ModelScope } from '../core/model-scope.ts';
import type { Principal } from '../core/principal.ts';
import type { FrameStream, StreamMode } from '../core/stream/frame.ts';
import { strongerMode } from '../core/stream/frame.ts';
import type { StreamObservation } from '../core/stream/observation.ts';
import type { Warning } from '../core/warning.ts';
import type { Priority } from '../routing/admission/fair-queue.ts';
import type { ModelRoute } from '../routing/directory.ts';
import type { RoutePlan } from '../routing/plan.ts';
import type { RoutingConstraints } from '../routing/request-facts.ts';
import type { TargetPreference } from '../routing/target-preference.ts';
import type { AttemptTrace } from './attempt-trace.ts';
import type { PossibleRoute } from './use-estimates.ts';

const NO_WARNINGS: readonly Warning[] = [];
const NO_TAGS: readonly string[] = [];

/** Who sent the request, and what for. Written when the request is admitted. */
export interface RequestIdentity {
  readonly id: string;
  readonly principal: Principal;
  readonly operation: Operation;
  /** The pattern of the HTTP path. */
  readonly route: string;
  /** IP address of the client; absent for requests that no client sent. */
  readonly address?: string;
}

/** What the client asked for, apart from the body. Written once, when the body was parsed. */
export interface RequestControls {
  /** The model as the client named it. */
  readonly model: string;
  readonly stream: boolean;
  /** The request asks for the vendor's rate of batches. */
  readonly isBatch: boolean;
  /** Reject the request where a target cannot express all of it. */
  readonly strict: boolean;
  readonly priority: Priority;
  readonly constraints: RoutingConstraints | undefined;
  readonly tags: readonly string[];
  /** The application that sent it; see `clientApplication`. */
  readonly client?: string | undefined;
  /** False: nothing is added for the prompt cache of the provider. */
  readonly promptCaching?: boolean | undefined;
}

/** The controls of a request whose body was not parsed. */
export const NO_CONTROLS: Omit<RequestControls, 'model'> & { readonly model: undefined } = {
  model: undefined,
  stream: false,
  isBatch: false,
  strict: false,
  priority: 'normal',
  constraints: undefined,
  tags: NO_TAGS,
};

/** An attempt that is running. */
export interface ActiveAttempt {
  readonly trace: AttemptTrace;
  /** What has arrived of its response so far. */
  readonly observed: StreamObservation;
  /** Its stream, once the first event came. */
  readonly stream: FrameStream | undefined;
  cancel(reason: GatewayError): void;
}

/** How targets were selected, and the outcome. Written by dispatch; interceptors may switch the plan to another model. */
export class RoutingTrace {
  /** What the model's name resolved to. */
  route: ModelRoute | undefined;
  plan: RoutePlan | undefined;
  /** The order of targets that a plugin chose. Written before dispatch. */
  preference: TargetPreference | undefined;
  readonly attempts: AttemptTrace[] = [];
  /** The attempt whose response goes to the client. */
  respondedBy: AttemptTrace | undefined;
  /** The vendor's rate-limit headers beside its response; undefined where it sent none. */
  vendorLimits: Readonly<Record<string, string>> | undefined;
  /** What the responding target could not express, or expressed in another way. */
  warnings: readonly Warning[] = NO_WARNINGS;
  /** Milliseconds in the admission queue. */
  queuedMs = 0;
  /** Milliseconds of waiting for an engine to load. */
  loadingMs = 0;
  /** Called once, when the request starts to wait for an engine to load, which may take minutes. */
  onSlowStart: (() => void) | undefined;
  /** Attempts compute their cost while the request runs: for experiments and mirrors. */
  needsCost = false;
  streamMode: StreamMode = 'bytes';

  readonly #active: ActiveAttempt[] = [];
  #onIdle: (() => void) | undefined;

  /** @param modelScope the models that the key may use; undefined where it may use all */
  constructor(readonly modelScope?: ModelScope) {}

  /** The configured model, fit for a metric's label: a bounded set. */
  get modelLabel(): string | undefined {
    return this.route?.label;
  }

  /** Number of attempts; the calls of one that was split count together. */
  get attemptCount(): number {
    let count = 0;
    for (const { part } of this.attempts) if (part === undefined || part === 0) count += 1;
    return count;
  }

  /** Decodes at least as much of streams as `mode` needs. No effect on attempts that began. */
  requireStreamMode(mode: StreamMode): void {
    this.streamMode = strongerMode(this.streamMode, mode);
  }

  get active(): readonly ActiveAttempt[] {
    return this.#active;
  }

  attemptStarted(attempt: ActiveAttempt): void {
    this.attempts.push(attempt.trace);
    this.#active.push(attempt);
  }

  attemptEnded(attempt: ActiveAttempt): void {
    const at = this.#active.indexOf(attempt);
    if (at >= 0) this.#active.splice(at, 1);
    if (this.#active.length > 0) return;
    const onIdle = this.#onIdle;
    this.#onIdle = undefined;
    onIdle?.();
  }

  /** Calls back when no attempt is running: at once, or when the last one ends. One listener: request completion. */
  whenIdle(listener: () => void): void {
    if (this.#active.length === 0) listener();
    else this.#onIdle = listener;
  }
}

/**
 * Reserves what another call of the same request may use, in addition to what is reserved.
 * @param routes where the call may go
 * @returns false where a limit has no room for it, so that the call must not be made
 */
export type ReserveMore = (
  call: InferenceCall,
  routes: readonly PossibleRoute[],
) => boolean | Promise<boolean>;

/** The part of a request that dispatch works with. */
export interface DispatchRequest {
  readonly identity: RequestIdentity;
  readonly controls: RequestControls | typeof NO_CONTROLS;
  readonly timing: { readonly startedAt: number };
  readonly routing: RoutingTrace;
  /** `reserveMore` is undefined where nothing limits the request. */
  readonly limits: { readonly reserveMore: ReserveMore | undefined };
  /** Undefined where traces are not exported. */
  readonly trace?: UpstreamTrace | undefined;
}

/** The trace of a request, as far as attempts take part in it. */
export interface UpstreamTrace {
  /** The trace's id where its spans are exported, as far as that is decided; else undefined. */
  readonly exemplarId: string | undefined;
  /** @returns 16 lower-case hexadecimal digits */
  newSpanId(): string;
  /** @returns headers that tell an upstream of a span; undefined for none */
  upstreamHeaders(spanId: string): Readonly<Record<string, string>> | undefined;
}

/** Where dispatch runs: the request, how it is cancelled, and its deadline. */
export interface DispatchScope {
  readonly request: DispatchRequest;
  /** Cheaper than its `signal` where only the reason or a listener is needed. */
  readonly cancellation: Cancellation;
  /** Aborted with a `GatewayError` as the reason. */
  readonly signal: AbortSignal;
  /** Monotonic milliseconds. */
  readonly deadlineAt: number;
  fork(): DispatchBranch;
}

/** A scope that can be cancelled alone. Cancelling the parent cancels it, never the reverse. */
export interface DispatchBranch extends DispatchScope {
  cancel(reason: GatewayError): void;
}

/** @throws GatewayError the reason, if the scope was aborted */
export function throwIfAborted({ cancellation }: Pick<DispatchScope, 'cancellation'>): void {
  if (cancellation.reason) throw cancellation.reason;
}
