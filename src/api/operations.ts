import { z } from 'zod';
import { GatewayError } from '../core/errors.ts';
import type { HttpResponse } from '../core/http.ts';
import type { HttpContext } from '../http/http-context.ts';
import type { HttpRouter } from '../http/http-router.ts';
import { httpResponse, jsonResponse } from '../http/response.ts';
import type { Metrics } from '../observability/metrics.ts';
import { authenticate } from './authenticate.ts';
import type { ApiServices } from './services.ts';

export const healthResponse = z
  .object({
    status: z
      .enum(['ok', 'degraded', 'starting', 'draining', 'stopped'])
      .describe('`degraded`: the local disk rejects writes.'),
    version: z.string(),
    uptime_seconds: z.number().int(),
    requests_in_flight: z.number().int(),
    providers: z.array(
      z.object({
        id: z.string(),
        kind: z.string(),
        status: z
          .enum(['ok', 'degraded', 'down', 'unknown'])
          .describe(
            '`degraded`: some of its targets are unavailable; `unknown`: it was neither used nor checked.',
          ),
        targets: z.number().int().describe('Targets that were used or are configured.'),
        targets_available: z.number().int(),
        breakers_open: z.number().int(),
      }),
    ),
    models: z.number().int(),
  })
  .meta({ id: 'Health' });

function statusOf(
  used: number,
  available: number,
  checked: boolean | undefined,
): 'ok' | 'degraded' | 'down' | 'unknown' {
  if (checked === false || (used > 0 && available === 0)) return 'down';
  if (available < used) return 'degraded';
  return used > 0 || checked !== undefined ? 'ok' : 'unknown';
}

/** The state of a provider, derived from its targets. */
function condition(provider: string, { states, clock }: ApiServices) {
  const now = clock.now();
  const used = [...states.ofProvider(provider)];
  const available = used.filter((state) => state.unavailable(now) === undefined).length;
  return {
    status: statusOf(used.length, available, states.healthOf(provider)),
    targets: used.length,
    targets_available: available,
    breakers_open: used.filter((state) => state.breakerState(now) !== 'closed').length,
  };
}

export interface OperationsOptions {
  readonly version: string;
  readonly metrics: Metrics;
}

/** The metrics page, for the API's port and for the metrics port. */
export async function metricsResponse(metrics: Metrics): Promise<HttpResponse> {
  return httpResponse(200, await metrics.render(), { 'content-type': metrics.contentType });
}

/** Health, which needs no key, and metrics, which need an admin key here and none at their own port. */
export function addOperationsRoutes(
  router: HttpRouter,
  services: ApiServices,
  options: OperationsOptions,
): void {
  const json = (httpContext: HttpContext, status: number, body: unknown) =>
    jsonResponse(httpContext.request, status, JSON.stringify(body), {});

  /** Draining and starting come first, because a disk that recovers does not end them. */
  const state = () => {
    const { lifecycle, writes } = services;
    return lifecycle.state === 'ready' && writes.isFailing ? 'degraded' : lifecycle.state;
  };

  router.route('GET', '/health', (httpContext) => {
    const status = state();
    const snapshot = services.snapshot();
    const body: z.infer<typeof healthResponse> = {
      status: status === 'ready' ? 'ok' : status,
      version: options.version,
      uptime_seconds: Math.floor(services.clock.wallTime() / 1000) - services.startedAtSeconds,
      requests_in_flight: services.lifecycle.active,
      providers: snapshot.providers.map(({ id, kind }) => ({ id, kind, ...condition(id, services) })),
      models: snapshot.directory.list().length,
    };
    return json(httpContext, status === 'ready' ? 200 : 503, body);
  });
  router.route('GET', '/health/live', (httpContext) => json(httpContext, 200, { status: 'alive' }));
  router.route('GET', '/health/ready', (httpContext) => {
    const status = state();
    return json(httpContext, status === 'ready' ? 200 : 503, { status });
  });
  router.route('GET', '/metrics', async (httpContext) => {
    const principal = await authenticate(services, httpContext);
    if (principal.kind !== 'admin') {
      throw new GatewayError(
        'permission_denied',
        'Metrics need the admin key, or the metrics port, which needs none.',
      );
    }
    return metricsResponse(options.metrics);
  });
}
