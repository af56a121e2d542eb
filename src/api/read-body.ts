import { GatewayError } from '../core/errors.ts';
import type { DeadlineMonitor, Watched } from '../dispatch/deadlines.ts';
import type { JsonBody } from '../http/body.ts';
import type { RequestContext } from '../pipeline/request-context.ts';

/**
 * Waits for a body that is arriving. Aborts the request with `request_timeout` at the request's own deadline, which
 * `x-weir-timeout` may set; the time limits of all bodies are the server's.
 */
export async function readBody(
  body: Promise<JsonBody>,
  request: RequestContext,
  deadlines: DeadlineMonitor,
): Promise<JsonBody> {
  const watched: Watched = {
    slot: -1,
    expiresAt: request.timing.deadlineAt,
    expire: () =>
      request.abort(new GatewayError('request_timeout', 'The request body did not arrive in time.')),
  };
  const stop = () => deadlines.unwatch(watched);
  deadlines.watch(watched);
  // Not its signal: making one costs more than reading most bodies.
  request.cancellation.onCancel(stop);
  try {
    return await body;
  } finally {
    request.cancellation.removeListener(stop);
    stop();
  }
}
