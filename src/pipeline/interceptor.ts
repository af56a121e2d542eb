import type { ZodType } from 'zod';
import type { GatewayError } from '../core/errors.ts';
import type { InferenceCall } from '../core/inference.ts';
import type { StreamMode } from '../core/stream/frame.ts';
import type { InferenceResponse } from '../dispatch/inference-response.ts';
import type { DispatchBranch, DispatchScope } from '../dispatch/request.ts';
import type { InterceptorServices } from './interceptor-services.ts';
import type { RequestContext } from './request-context.ts';

export type { CompleteResult } from '../core/complete-result.ts';
export type { InferenceCall } from '../core/inference.ts';
export type {
  Frame,
  FrameSink,
  FrameStream,
  StreamEnd,
  StreamMode,
  StreamTransform,
} from '../core/stream/frame.ts';
export type { InferenceResponse, ResponseSource } from '../dispatch/inference-response.ts';
export type { RequestContext } from './request-context.ts';

/**
 * Where a call runs: its request, how it is cancelled, and its deadline. A parent aborts its children, never the reverse.
 */
export interface CallScope extends DispatchScope {
  readonly request: RequestContext;
  /** A branch of the same request: a hedge, a check beside the call. */
  fork(): BranchScope;
  /**
   * A request of its own that outlives the client: a mirror, a refresh of the cache. The first `next(call, scope)` with it
   * starts the request; it completes, and its usage is settled, when that response has ended.
   * A stream of it without a reader for ten seconds is cancelled.
   * @param deadlineAt monotonic milliseconds; at most six hours from now
   * @param suffix of the new request's id; empty for the same id
   */
  detach(deadlineAt: number, suffix: string): BranchScope;
}

/** A scope that can be cancelled alone. */
export interface BranchScope extends CallScope, DispatchBranch {
  readonly request: RequestContext;
  fork(): BranchScope;
  cancel(reason: GatewayError): void;
}

/**
 * Runs the rest of the chain. May be called repeatedly, in sequence or in parallel, until the request is committed;
 * afterwards only to make a stream for `FrameSink.splice`. Responses that are not returned are cancelled.
 */
export type Next = (call: InferenceCall, scope: CallScope) => Promise<InferenceResponse>;

/**
 * One step of the chain around a call and its response.
 * @example see `interceptors/server-timing.ts`
 */
export interface Interceptor {
  readonly name: string;
  /** How much of a stream it needs. The strongest need of a call's interceptors holds for its streams. */
  readonly stream: StreamMode;
  /** Whether it takes part in this call; always, when absent. Synchronous and cheap. */
  applies?(call: InferenceCall, scope: CallScope): boolean;
  /** @throws GatewayError to end the call with an error in the client's dialect; anything else is an internal error */
  handle(call: InferenceCall, scope: CallScope, next: Next): Promise<InferenceResponse>;
}

/** How an interceptor is configured and made. One file each, listed in `order.ts`. */
export interface InterceptorDefinition<Config = unknown> {
  /** Unique, in lower case with underscores; its key below `interceptors:` in the configuration. */
  readonly name: string;
  /**
   * Below `interceptors.<name>`. Its descriptions become the documentation. Absent where the interceptor is configured by
   * other keys, such as those of a model.
   */
  readonly config?: ZodType<Config>;
  /** @returns undefined where the configuration does not use it: then it is not in the chain */
  create(config: Config | undefined, services: InterceptorServices): Interceptor | undefined;
}

/** Checks the types of a definition and forgets its configuration's, so that definitions fit in one list. */
export function defineInterceptor<Config>(
  definition: InterceptorDefinition<Config>,
): AnyInterceptorDefinition {
  const { name, config, create } = definition;
  return {
    name,
    ...(config === undefined ? {} : { config }),
    create: (value, services) =>
      create(value === undefined || config === undefined ? undefined : config.parse(value), services),
  };
}

/** A definition of any configuration. `create` takes the value below `interceptors.<name>` as it was read. */
export interface AnyInterceptorDefinition {
  readonly name: string;
  readonly config?: ZodType;
  create(config: unknown, services: InterceptorServices): Interceptor | undefined;
}
