import { defineInterceptor, type Interceptor } from '../interceptor.ts';

/**
 * Settles a request when it has completed: stores what each attempt used and cost, and returns to the limits what was reserved
 * beyond that.
 */
export const interceptor = defineInterceptor({
  name: 'settlement',
  create(_, { meter }): Interceptor | undefined {
    if (!meter) return undefined;
    return {
      name: 'settlement',
      stream: 'bytes',
      handle(call, scope, next) {
        const { request } = scope;
        // An outer interceptor may repeat the call: its request is settled once.
        if (!request.isSettled) request.onEnd((outcome) => meter.settle(request, call, outcome));
        request.isSettled = true;
        return next(call, scope);
      },
    };
  },
});
