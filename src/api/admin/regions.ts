import { z } from 'zod';
import { time } from './paging.ts';
import { adminRoute, NO_INPUT, type RegisteredRoute } from './route.ts';
import type { AdminServices } from './services.ts';

const region = z.object({
  id: z.string(),
  address: z.string(),
  is_own: z.boolean().describe('Whether this gateway is in it.'),
  up: z.boolean().describe('By the health checks of this process; true for its own region.'),
  changed_at: z.string().nullable().describe('When `up` changed.'),
  latency_ms: z.number().nullable().describe('Duration of the last successful check.'),
  fault: z.string().nullable().describe('Why the last check failed.'),
  share: z.number().nullable(),
  failover: z.enum(['automatic', 'manual']),
  state: z.enum(['auto', 'up', 'down']),
});

const regionList = z
  .object({
    object: z.literal('list'),
    region: z.string().nullable().describe('The region of this gateway; null for none.'),
    data: z.array(region),
  })
  .meta({ id: 'Regions' });

/** The regions of the installation. */
export function regionRoutes(services: AdminServices): RegisteredRoute[] {
  return [
    adminRoute({
      method: 'GET',
      path: '/admin/v1/regions',
      permission: 'platform:read',
      summary: 'List regions with their state',
      description: 'As this gateway sees them. Other gateways may see another state for some seconds.',
      ...NO_INPUT,
      response: regionList,
      handle: async () => {
        const { own, regions } = services.regions();
        const data = regions.map(({ id, address, share, failover, state, status }) => ({
          ...{ id, address, share, failover, state },
          is_own: id === own,
          up: status.isUp,
          changed_at: status.changedAt === undefined ? null : time(status.changedAt),
          latency_ms: status.latencyMs === undefined ? null : Math.round(status.latencyMs * 10) / 10,
          fault: status.fault ?? null,
        }));
        return { body: { object: 'list', region: own, data } };
      },
    }),
  ];
}
