import type { InferenceCall } from '../core/inference.ts';
import type { InterceptorServices } from './interceptor-services.ts';
import type { RequestContext } from './request-context.ts';

/**
 * Settles a detached request when it has completed.
 * @param payers requests that bear its use in equal parts, with what they reserved; undefined for itself. The list may grow
 *   until the request completes.
 */
export function settleAs(
  request: RequestContext,
  payers: readonly RequestContext[] | undefined,
  call: InferenceCall,
  { meter }: InterceptorServices,
): void {
  request.limits.payers = payers;
  if (!meter) return;
  request.isSettled = true;
  request.onEnd((outcome) => meter.settle(request, call, outcome));
}
