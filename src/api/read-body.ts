import { GatewayError } from '../core/errors.ts';
import type { DeadlineMonitor, Watched } from '../dispatch/deadlines.ts';
import type { JsonBody } from '../http/body.ts';
import type { RequestContext } from '../pipeline/request-context.ts';

/** Milliseconds that a body may take to arrive, however slowly its client sends. */
const BODY_TIMEOUT_MS = 5 * 60_000;

/** Waits for a body that is arriving. Aborts the request with `request_timeout` when it takes too long. */
export async function readBody(
  body: Promise<JsonBody>,
  request: RequestContext,
  deadlines: DeadlineMonitor,
): Promise<JsonBody> {
  const { startedAt, deadlineAt } = request.timing;
  const watched: Watched = {
    slot: -1,
    expiresAt: Math.min(deadlineAt, startedAt + BODY_TIMEOUT_MS),
    expire: () =>
      request.abort(new GatewayError('request_timeout', 'The request body did not arrive in time.')),
  };
  const stop = () => deadlines.unwatch(watched);
  deadlines.watch(watched);
  request.signal.addEventListener('abort', stop, { once: true });
  try {
    return await body;
  } finally {
    stop();
  }
}
