import { z } from 'zod';
import { GatewayError } from '../core/errors.ts';
import type { HttpReply } from '../core/http.ts';
import type { Door } from '../http/door.ts';
import type { Exchange } from '../http/exchange.ts';
import { jsonResponse, reply } from '../http/response.ts';
import type { Metrics } from '../observability/metrics.ts';
import { authenticate } from './authenticate.ts';
import type { ApiServices } from './services.ts';

export const healthResponse = z
  .object({
    status: z.enum(['ok', 'starting', 'draining', 'stopped']),
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
            '`degraded`: some of its targets are out of use; `unknown`: it was neither used nor checked.',
          ),
        targets: z.number().int().describe('Those that were used, or are in the configuration.'),
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

/** How a provider is, from the condition of its targets. */
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
export async function metricsResponse(metrics: Metrics): Promise<HttpReply> {
  return reply(200, await metrics.render(), { 'content-type': metrics.contentType });
}

/** Health, which needs no key, and metrics, which need an admin key here and none at their own port. */
export function addOperationsRoutes(door: Door, services: ApiServices, options: OperationsOptions): void {
  const json = (exchange: Exchange, status: number, body: unknown) =>
    jsonResponse(exchange.request, status, JSON.stringify(body), {});

  door.route('GET', '/health', (exchange) => {
    const { state, active } = services.lifecycle;
    const snapshot = services.snapshot();
    const body: z.infer<typeof healthResponse> = {
      status: state === 'ready' ? 'ok' : state,
      version: options.version,
      uptime_seconds: Math.floor(services.clock.wallTime() / 1000) - services.startedAtSeconds,
      requests_in_flight: active,
      providers: snapshot.providers.map(({ id, kind }) => ({ id, kind, ...condition(id, services) })),
      models: snapshot.directory.list().length,
    };
    return json(exchange, state === 'ready' ? 200 : 503, body);
  });
  door.route('GET', '/health/live', (exchange) => json(exchange, 200, { status: 'alive' }));
  door.route('GET', '/health/ready', (exchange) => {
    const { state } = services.lifecycle;
    return json(exchange, state === 'ready' ? 200 : 503, { status: state });
  });
  door.route('GET', '/metrics', async (exchange) => {
    const principal = await authenticate(services, exchange);
    if (principal.kind !== 'admin') {
      throw new GatewayError(
        'permission_denied',
        'Metrics need the admin key, or the metrics port, which needs none.',
      );
    }
    return metricsResponse(options.metrics);
  });
}
