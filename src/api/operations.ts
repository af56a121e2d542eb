import { z } from 'zod';
import type { HttpResponse } from '../core/http.ts';
import type { HttpContext } from '../http/http-context.ts';
import type { HttpRouter } from '../http/http-router.ts';
import { httpResponse, jsonResponse } from '../http/response.ts';
import { ANYONE, NO_BODY, type RoutePolicy } from '../http/route-policy.ts';
import type { Metrics } from '../observability/metrics.ts';
import { metricsFormat } from '../observability/openmetrics.ts';
import type { LifecycleState } from '../pipeline/lifecycle.ts';
import type { Provider } from '../providers/types.ts';
import type { ModelRoute } from '../routing/directory.ts';
import type { ApiServices } from './services.ts';

export const healthResponse = z
  .object({
    status: z
      .enum(['ok', 'degraded', 'starting', 'draining', 'stopped'])
      .describe('`degraded`: the local disk rejects writes.'),
    health: z
      .enum(['healthy', 'degraded', 'unhealthy'])
      .describe(
        '`unhealthy`: not ready, or no model is available; `degraded`: the local disk rejects writes, some models are unavailable, or some workers are not ready.',
      ),
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
              '`degraded`: some of its targets are unavailable; `unknown`: it was neither used nor checked, and has not listed its models.',
            ),
          targets: z.number().int().describe('Targets that were used or are configured.'),
          targets_available: z.number().int(),
          breakers_open: z.number().int(),
        }),
      )
      .optional()
      .describe('Only for callers with the permission `platform:read`, such as the admin key.'),
    plugins: z
      .array(
        z.object({
          id: z.string(),
          name: z.string().nullable(),
          version: z.string().nullable(),
          kinds: z.array(z.string()),
          status: z
            .enum(['ok', 'failing', 'restarting', 'disabled'])
            .describe(
              '`failing`: its calls fail one after the other and are skipped for a while; `disabled`: it ended too often.',
            ),
          reason: z.string().nullable().describe('The last fault.'),
          restarts: z.number().int(),
          memory_bytes: z.number().int().nullable(),
        }),
      )
      .optional()
      .describe('Only with `platform:read`, and where plugins are configured.'),
    models: z
      .record(z.string(), z.boolean())
      .optional()
      .describe('Whether each model has an available target. Only with `platform:read`.'),
    model_count: z.number().int().optional(),
    workers: z
      .object({
        configured: z.number().int(),
        ready: z
          .number()
          .int()
          .describe('Fewer than `configured` while one starts, or ends again and again.'),
        restarts: z.number().int().describe('Unexpected ends since the start.'),
      })
      .optional()
      .describe('Only with `weir serve --workers`, and for callers with the permission `platform:read`.'),
    losses: z
      .object({
        traces: z.number().int().describe('Spans.'),
        logs: z.number().int().describe('Lines.'),
        usage: z.number().int().describe('Usage events.'),
        audit: z.number().int().describe('Entries of audit trails for inference requests.'),
        metrics: z.number().int().describe('Values that the OpenTelemetry collector did not get.'),
        responses: z.number().int().describe('Responses with `store: true`.'),
        request_log: z.number().int().describe('Requests of tenants with a request log.'),
      })
      .optional()
      .describe('Telemetry that was lost since the start of this gateway. Only with `platform:read`.'),
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
function condition({ id: provider, profile }: Provider, { states, clock, snapshot }: ApiServices) {
  const now = clock.now();
  const isReached = profile.isSimulated || snapshot().directory.hasReported(provider) ? true : undefined;
  const used = [...states.ofProvider(provider)];
  const available = used.filter((state) => state.unavailable(now) === undefined).length;
  return {
    status: statusOf(used.length, available, states.healthOf(provider) ?? isReached),
    targets: used.length,
    targets_available: available,
    breakers_open: used.filter((state) => state.breakerState(now) !== 'closed').length,
  };
}

type Details = Pick<
  z.infer<typeof healthResponse>,
  'providers' | 'plugins' | 'models' | 'model_count' | 'requests_in_flight' | 'workers' | 'losses'
>;

/** For operators: names of providers and models, and how busy the gateway is. */
async function details(services: ApiServices, metrics: Metrics): Promise<Details> {
  const { directory, providers: all } = services.snapshot();
  const providers = all.map((provider) => ({
    id: provider.id,
    kind: provider.kind,
    ...condition(provider, services),
  }));
  const down = new Set(providers.filter(({ status }) => status === 'down').map(({ id }) => id));
  const listed = directory.list();
  const models = listed.map(({ id, ownedBy }) => {
    const route = directory.configuredRoute(id);
    return [id, route ? isAvailable(route, services, down) : !down.has(ownedBy)] as const;
  });
  return {
    requests_in_flight: services.lifecycle.active + ((await services.workers?.inFlight()) ?? 0),
    providers,
    ...pluginDetails(services),
    models: Object.fromEntries(models),
    model_count: listed.length,
    ...workerDetails(services),
    losses: metrics.readLosses(),
  };
}

function workerDetails({ workers }: ApiServices): Pick<Details, 'workers'> {
  if (!workers) return {};
  const { configured, ready, restarts } = workers.status();
  return { workers: { configured, ready, restarts } };
}

function pluginDetails({ plugins }: ApiServices): Pick<Details, 'plugins'> {
  const all = plugins();
  if (all.length === 0) return {};
  return {
    plugins: all.map(
      ({ id, name = null, version = null, kinds, status, reason = null, restarts, memory }) => ({
        ...{ id, name, version, kinds: [...kinds], status, reason, restarts },
        memory_bytes: memory ?? null,
      }),
    ),
  };
}

/** Whether a model has a target that takes requests. */
function isAvailable(
  { targets }: ModelRoute,
  { states, clock }: ApiServices,
  down: ReadonlySet<string>,
): boolean {
  const now = clock.now();
  return targets.some(
    (target) => !down.has(target.provider.id) && states.of(target).unavailable(now) === undefined,
  );
}

/** The health in one word, from what is configured: discovered models are those of their providers. */
function healthOf(services: ApiServices, state: string): z.infer<typeof healthResponse>['health'] {
  if (state !== 'ready' && state !== 'degraded') return 'unhealthy';
  const { directory, providers } = services.snapshot();
  const down = new Set(
    providers.filter((provider) => condition(provider, services).status === 'down').map(({ id }) => id),
  );
  const routes = directory.routes();
  const available = routes.filter((route) => isAvailable(route, services, down)).length;
  if (routes.length > 0 && available === 0) return 'unhealthy';
  const workers = services.workers?.status();
  if (workers && workers.ready < workers.configured) return workers.ready === 0 ? 'unhealthy' : 'degraded';
  return state === 'degraded' || available < routes.length || down.size > 0 ? 'degraded' : 'healthy';
}

/** Draining and starting come first, because a disk that recovers does not end them. */
export function stateOf({ lifecycle, writes, workers }: ApiServices): LifecycleState | 'degraded' {
  const isFailing = writes.isFailing || workers?.status().writesFail === true;
  return lifecycle.state === 'ready' && isFailing ? 'degraded' : lifecycle.state;
}

export interface OperationsOptions {
  readonly version: string;
  readonly metrics: Metrics;
}

/**
 * The metrics page, for the API's port and for the metrics port.
 *
 * @param accept the scraper's header `Accept`, which selects the format
 */
export async function metricsResponse(metrics: Metrics, accept: string | null): Promise<HttpResponse> {
  const format = metricsFormat(accept);
  return httpResponse(200, await metrics.render(format), {
    'content-type': metrics.contentType(format),
    vary: 'accept',
  });
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
  router.route('GET', '/health', detailed, async (httpContext, operator) => {
    const status = state();
    const body: z.infer<typeof healthResponse> = {
      status: status === 'ready' ? 'ok' : status,
      health: healthOf(services, status),
      version: options.version,
      uptime_seconds: Math.floor(services.clock.wallTime() / 1000) - services.startedAtSeconds,
      // Strangers learn neither the names of providers nor how busy the gateway is.
      ...(operator ? await details(services, options.metrics) : {}),
    };
    return json(httpContext, status === 'ready' ? 200 : 503, body);
  });
  router.route('GET', '/health/live', health, (httpContext) => json(httpContext, 200, { status: 'alive' }));
  router.route('GET', '/health/ready', health, (httpContext) => {
    const status = state();
    return json(httpContext, status === 'ready' ? 200 : 503, { status });
  });
  const admin = { access: services.callers.adminKey, body: NO_BODY, servedWhileDraining: true };
  router.route('GET', '/metrics', admin, ({ request }) =>
    metricsResponse(options.metrics, request.headers.get('accept')),
  );
}
