import { z } from '@hono/zod-openapi';
import { GatewayError } from '../core/errors.ts';
import type { Door, DoorContext } from '../http/door.ts';
import { jsonResponse, SECURITY_HEADERS } from '../http/response.ts';
import type { Metrics } from '../telemetry/metrics.ts';
import { presentedKey } from '../tenancy/key-ring.ts';
import type { ApiServices } from './services.ts';

export const healthResponse = z
  .object({
    status: z.enum(['ok', 'starting', 'draining', 'stopped']),
    version: z.string(),
    uptime_seconds: z.number().int(),
    requests_in_flight: z.number().int(),
    providers: z.array(z.object({ id: z.string(), kind: z.string() })),
    models: z.number().int(),
  })
  .openapi('Health');

export interface OperationsOptions {
  readonly version: string;
  readonly metrics: Metrics;
}

/** The metrics page, for the API's port and for the metrics port. */
export async function metricsResponse(metrics: Metrics): Promise<Response> {
  return new Response(await metrics.render(), {
    headers: { ...SECURITY_HEADERS, 'content-type': metrics.contentType },
  });
}

/** Health, which needs no key, and metrics, which need an admin key here and none at their own port. */
export function addOperationsRoutes(door: Door, services: ApiServices, options: OperationsOptions): void {
  const json = (context: DoorContext, status: number, body: unknown) =>
    jsonResponse(context.req.raw, status, JSON.stringify(body), {});

  door.route('GET', '/health', (context) => {
    const { state, active } = services.lifecycle;
    const snapshot = services.snapshot();
    const body: z.infer<typeof healthResponse> = {
      status: state === 'ready' ? 'ok' : state,
      version: options.version,
      uptime_seconds: Math.floor(services.clock.wallTime() / 1000) - services.startedAtSeconds,
      requests_in_flight: active,
      providers: snapshot.providers.map(({ id, kind }) => ({ id, kind })),
      models: snapshot.directory.list().length,
    };
    return json(context, state === 'ready' ? 200 : 503, body);
  });
  door.route('GET', '/health/live', (context) => json(context, 200, { status: 'alive' }));
  door.route('GET', '/health/ready', (context) => {
    const { state } = services.lifecycle;
    return json(context, state === 'ready' ? 200 : 503, { status: state });
  });
  door.route('GET', '/metrics', (context) => {
    const principal = services.keys.authenticate(presentedKey(context.req.raw.headers));
    if (principal.kind !== 'admin') {
      throw new GatewayError(
        'permission_denied',
        'Metrics need the admin key, or the metrics port, which needs none.',
      );
    }
    return metricsResponse(options.metrics);
  });
}
