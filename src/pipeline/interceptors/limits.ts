import { wallTimeOf } from '../../core/clock.ts';
import { GatewayError } from '../../core/errors.ts';
import type { PossibleRoute } from '../../dispatch/use-estimates.ts';
import { NO_USE } from '../../limits/expected-use.ts';
import type { Admission, Limiter, LimitReservation } from '../../limits/limiter.ts';
import { RequestFacts } from '../../routing/request-facts.ts';
import {
  type CallScope,
  defineInterceptor,
  type InferenceCall,
  type Interceptor,
  type Next,
} from '../interceptor.ts';
import type { InterceptorServices } from '../interceptor-services.ts';
import type { RequestContext } from '../request-context.ts';

/**
 * Reserves what a request may use from all limits that concern it, before it goes anywhere. Settlement returns the rest.
 */
export const interceptor = defineInterceptor({
  name: 'limits',
  create: (_, services): Interceptor | undefined =>
    services.limiter ? new LimitsInterceptor(services, services.limiter) : undefined,
});

class LimitsInterceptor implements Interceptor {
  readonly name = 'limits';
  readonly stream = 'bytes';

  constructor(
    private readonly services: InterceptorServices,
    private readonly limiter: Limiter,
  ) {}

  async handle(call: InferenceCall, scope: CallScope, next: Next) {
    const { request } = scope;
    // An outer interceptor may repeat the call: it is the same request.
    if (request.limits.reservation) return next(call, scope);
    const admission = this.#admission(call, request);
    if (request.forwarding) {
      await this.#forwarded(request, admission);
      return next(call, scope);
    }
    const reserving = admission && this.limiter.admit(admission);
    const reservation = reserving instanceof Promise ? await reserving : reserving;
    // The client may have left while the store was asked, or a parallel call was faster: then nothing settles
    // the reservation any more.
    if (request.completed || request.limits.reservation) reservation?.settle({ tokens: 0, nanoUsd: 0 });
    else if (reservation) {
      request.limits.reservation = reservation;
      request.limits.reserveMore = (more, routes) => this.#reserveMore(more, request, routes);
    }
    return next(call, scope);
  }

  /**
   * Lines that a provider's batch API runs count against quotas and budgets only. What they may use is reserved for all
   * lines together; a response that is there already is counted, and never refused.
   */
  async #forwarded({ forwarding, limits }: RequestContext, admission: Admission | undefined): Promise<void> {
    if (!admission) return;
    if (forwarding?.kind === 'capture') {
      const { use } = admission;
      forwarding.use = { tokens: use.tokens().most, nanoUsd: use.nanoUsd().most };
      return;
    }
    try {
      limits.reservation = await this.limiter.admit({
        ...admission,
        use: NO_USE,
        periodsOnly: true,
        isMade: true,
      });
    } catch (error) {
      // The store of the limits does not respond.
      if (!(error instanceof GatewayError)) throw error;
    }
  }

  /**
   * @param routes where the call may go; all that may serve the request when absent
   * @returns undefined where no limit applies
   */
  #admission(
    call: InferenceCall,
    { identity, controls, routing, limits, timing }: RequestContext,
    routes?: readonly PossibleRoute[],
  ): Admission | undefined {
    const { principal } = identity;
    const { addressLimits } = limits;
    const ofModel = routing.route?.limits;
    const more = addressLimits ? [...addressLimits, ...(ofModel ?? [])] : ofModel;
    if (principal.limits.length === 0 && !principal.tagLimits && !more) return undefined;
    const facts = new RequestFacts(call, principal.tenant, controls.constraints, principal.weight);
    const { clock, useEstimates, router } = this.services;
    const { route } = routing;
    const possible = routes ?? (route ? router.possibleRoutes(route) : []);
    const at = wallTimeOf(clock, timing.startedAt);
    return {
      ...{ principal, tags: controls.tags, more },
      // Counting tokens is free.
      use: call.operation === 'count-tokens' ? NO_USE : useEstimates.of(facts, possible, at),
    };
  }

  #reserveMore(
    call: InferenceCall,
    request: RequestContext,
    routes: readonly PossibleRoute[],
  ): boolean | Promise<boolean> {
    const admission = this.#admission(call, request, routes);
    if (!admission) return true;
    const keep = (reservation: LimitReservation | undefined) => {
      if (request.completed) reservation?.settle({ tokens: 0, nanoUsd: 0 });
      else if (reservation) request.limits.more.push(reservation);
      return !request.completed;
    };
    try {
      const reserving = this.limiter.admit({ ...admission, isPart: true });
      return reserving instanceof Promise ? reserving.then(keep, () => false) : keep(reserving);
    } catch {
      // A limit refused: the request goes on without the further call.
      return false;
    }
  }
}
