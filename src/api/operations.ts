import { z } from 'zod';
import type { HttpResponse } from '../core/http.ts';
import type { HttpContext } from '../http/http-context.ts';
import type { HttpRouter } from '../http/http-router.ts';
import { httpResponse, jsonResponse } from '../http/response.ts';
import { ANYONE, NO_BODY, type RoutePolicy } from '../http/route-policy.ts';
import type { Metrics } from '../observability/metrics.ts';
import type { LifecycleState } from '../pipeline/lifecycle.ts';
import type { ApiServices } from './services.ts';

export const healthResponse = z
  .object({
    status: z
      .enum(['ok', 'degraded', 'starting', 'draining', 'stopped'])
      .describe('`degraded`: the local disk rejects writes.'),
    version: z.string(),
    uptime_seconds: z.number().int(),
    requests_in_flight: z.number().int().optional(),
    providers: z
      .array(
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
      )
      .optional()
      .describe('Only for callers with the permission `platform:read`, such as the admin key.'),
    models: z.number().int().optional(),
  })
  .meta({ id: 'Health' });

export const liveResponse = z.object({ status: z.literal('alive') }).meta({ id: 'Live' });
export const readyResponse = z.object({ status: healthResponse.shape.status }).meta({ id: 'Ready' });

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

function details(
  services: ApiServices,
): Pick<z.infer<typeof healthResponse>, 'providers' | 'models' | 'requests_in_flight'> {
  const { providers, directory } = services.snapshot();
  return {
    requests_in_flight: services.lifecycle.active,
    providers: providers.map(({ id, kind }) => ({ id, kind, ...condition(id, services) })),
    models: directory.list().length,
  };
}

/** Draining and starting come first, because a disk that recovers does not end them. */
export function stateOf({ lifecycle, writes }: ApiServices): LifecycleState | 'degraded' {
  return lifecycle.state === 'ready' && writes.isFailing ? 'degraded' : lifecycle.state;
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

  const state = () => stateOf(services);

  // Health checks must not fail because of other requests of their address, or because the gateway drains.
  const policy = { body: NO_BODY, ignoresAddressLimits: true, servedWhileDraining: true };
  const health: RoutePolicy<undefined> = { ...policy, access: ANYONE };
  const detailed = { ...policy, access: services.callers.anyoneOr('platform:read') };
  router.route('GET', '/health', detailed, (httpContext, operator) => {
    const status = state();
    const body: z.infer<typeof healthResponse> = {
      status: status === 'ready' ? 'ok' : status,
      version: options.version,
      uptime_seconds: Math.floor(services.clock.wallTime() / 1000) - services.startedAtSeconds,
      // Strangers learn neither the names of providers nor how busy the gateway is.
      ...(operator ? details(services) : {}),
    };
    return json(httpContext, status === 'ready' ? 200 : 503, body);
  });
  router.route('GET', '/health/live', health, (httpContext) => json(httpContext, 200, { status: 'alive' }));
  router.route('GET', '/health/ready', health, (httpContext) => {
    const status = state();
    return json(httpContext, status === 'ready' ? 200 : 503, { status });
  });
  const admin = { access: services.callers.adminKey, body: NO_BODY, servedWhileDraining: true };
  router.route('GET', '/metrics', admin, () => metricsResponse(options.metrics));
}
