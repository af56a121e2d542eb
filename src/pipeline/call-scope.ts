import { Cancellation } from '../core/cancellation.ts';
import type { GatewayError } from '../core/errors.ts';
import type { InferenceResponse } from '../dispatch/inference-response.ts';
import type { BranchScope } from './interceptor.ts';
import { RequestContext } from './request-context.ts';

/** The longest time of a detached request, whatever its deadline. Milliseconds. */
const MAX_DETACHED_MS = 21_600_000;

/** What scopes need of the inference handler. */
export interface ScopeHost {
  /** Monotonic milliseconds. */
  now(): number;
  /** Completes a detached request when its response has ended. */
  settleDetached(request: RequestContext, running: Promise<InferenceResponse>): void;
  onFault(error: unknown, request: RequestContext): void;
}

/** A request, or a branch of it. */
export class RequestScope implements BranchScope {
  readonly cancellation: Cancellation;
  readonly #isBranch: boolean;

  constructor(
    protected readonly host: ScopeHost,
    readonly request: RequestContext,
    readonly deadlineAt: number,
    parent?: Cancellation,
  ) {
    this.#isBranch = parent !== undefined;
    this.cancellation = parent ? new Cancellation() : request.cancellation;
    parent?.onCancel((reason) => this.cancellation.cancel(reason));
  }

  get signal(): AbortSignal {
    return this.cancellation.signal;
  }

  fork(): RequestScope {
    return new RequestScope(this.host, this.request, this.deadlineAt, this.cancellation);
  }

  detach(latest: number, suffix: string): DetachedScope {
    const { identity, controls, routing } = this.request;
    const startedAt = this.host.now();
    const deadlineAt = Math.min(latest, startedAt + MAX_DETACHED_MS);
    const request: RequestContext = new RequestContext(
      { ...identity, id: suffix === '' ? identity.id : `${identity.id}-${suffix}`, startedAt, deadlineAt },
      (error) => this.host.onFault(error, request),
    );
    request.controls = controls;
    request.routing.route = routing.route;
    return new DetachedScope(this.host, request, deadlineAt);
  }

  cancel(reason: GatewayError): void {
    if (this.#isBranch) this.cancellation.cancel(reason);
    else this.request.abort(reason);
  }
}

/** The scope of a request that no client waits for. */
export class DetachedScope extends RequestScope {
  #started = false;

  override fork(): RequestScope {
    if (this.#started) return super.fork();
    // Nothing would complete the request.
    throw new TypeError('a detached scope is started before it is forked');
  }

  /** Runs the detached request, once. */
  start(run: (branch: RequestScope) => Promise<InferenceResponse>): Promise<InferenceResponse> {
    if (this.#started) return Promise.reject(new TypeError('a detached scope runs one call'));
    this.#started = true;
    const running = run(this.fork());
    this.host.settleDetached(this.request, running);
    return running;
  }
}
