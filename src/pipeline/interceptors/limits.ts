import { expectedNanoUsd, expectedTokens } from '../../dispatch/expected-use.ts';
import type { LimitReservation } from '../../limits/limiter.ts';
import { RequestFacts } from '../../routing/request-facts.ts';
import { type CallScope, defineInterceptor, type InferenceCall, type Interceptor } from '../interceptor.ts';

/**
 * Reserves what a request may use from all limits that concern it, before it goes anywhere. Settlement returns the rest.
 */
export const interceptor = defineInterceptor({
  name: 'limits',
  create(_, { limiter, prices }): Interceptor | undefined {
    if (!limiter) return undefined;
    const reserve = (
      call: InferenceCall,
      { request }: CallScope,
    ): LimitReservation | Promise<LimitReservation> | undefined => {
      const { identity, controls, routing } = request;
      const { principal } = identity;
      const { route } = routing;
      const { addressLimits } = request.limits;
      const more = addressLimits ? [...addressLimits, ...(route?.limits ?? [])] : route?.limits;
      if (principal.limits.length === 0 && !principal.tagLimits && !more) return undefined;
      const facts = new RequestFacts(call, principal.tenant, controls.constraints, principal.weight);
      return limiter.admit({
        principal,
        tags: controls.tags,
        more,
        tokens: () => expectedTokens(facts),
        nanoUsd: (now) => expectedNanoUsd(prices, route?.targets ?? [], route?.facts, facts, now),
      });
    };
    return {
      name: 'limits',
      stream: 'bytes',
      async handle(call, scope, next) {
        const { request } = scope;
        // An outer interceptor may repeat the call: it is the same request.
        if (request.limits.reservation) return next(call, scope);
        const reserving = reserve(call, scope);
        const reservation = reserving instanceof Promise ? await reserving : reserving;
        // The client may have left while the store was asked, or a parallel call was faster: then nothing settles
        // the reservation any more.
        if (request.completed || request.limits.reservation) reservation?.settle({ tokens: 0, nanoUsd: 0 });
        else request.limits.reservation = reservation;
        return next(call, scope);
      },
    };
  },
});
