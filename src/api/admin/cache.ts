import { z } from 'zod';
import type { CacheFilter } from '../../cache/cache-store.ts';
import type { ChangeContext } from '../../tenancy/change-context.ts';
import {
  cacheAge,
  cacheCounts,
  cacheStats,
  renderCounts,
  renderSemantic,
  renderStats,
  semanticStates,
  storedBefore,
} from '../cache.ts';
import { adminRoute, NO_INPUT, NO_QUERY, type RegisteredRoute } from './route.ts';
import type { AdminServices } from './services.ts';

const selection = z.strictObject({
  model: z.string().min(1).max(400).optional().describe('The name of a configured model.'),
  namespace: z.string().max(64).optional().describe('Of `x-weir-cache-namespace`; empty for the usual one.'),
  tag: z.string().max(200).optional().describe('A tag of the request that filled the entry.'),
  older_than: cacheAge.optional().describe('Entries that were stored longer ago.'),
  dry_run: z.boolean().optional().describe('Counts the entries, and removes none.'),
});

const clearOfTenant = selection.meta({ id: 'CacheSelection', example: { model: 'chat', dry_run: true } });
const clearOfAll = selection
  .extend({ tenant: z.string().max(63).optional().describe('Default: all tenants.') })
  .meta({ id: 'PlatformCacheSelection', example: { tenant: 'acme', older_than: '1h' } });

const cleared = z
  .object({ cleared_keys: z.number().int(), dry_run: z.boolean() })
  .meta({ id: 'CacheSelectionCleared' });

const platformStats = z
  .object({
    object: z.literal('cache_stats'),
    models: cacheStats,
    tenants: z.record(z.string(), cacheCounts),
    semantic: semanticStates,
  })
  .meta({ id: 'PlatformCacheStats' });

const tenantStats = z
  .object({ object: z.literal('cache_stats'), models: cacheStats, semantic: semanticStates })
  .meta({ id: 'TenantCacheStats' });

export function cacheRoutes({ cache, clock, access, auditQueue }: AdminServices): RegisteredRoute[] {
  const clear = async (
    by: ChangeContext,
    tenant: string | undefined,
    { model, namespace, tag, older_than, dry_run: dryRun = false }: z.output<typeof selection>,
  ) => {
    const before = storedBefore(older_than, clock.wallTime());
    const filter: CacheFilter = { tenant, model, namespace, tag, storedBefore: before };
    const count = await cache.clear(filter, dryRun);
    if (!dryRun) {
      // A tenant that does not exist has no trail.
      const trail = tenant !== undefined && access.tenant(tenant) ? tenant : undefined;
      const details = { tenant, model, namespace, tag, older_than, cleared_keys: count };
      await auditQueue.record(trail, by, 'cache.clear', 'cache', details);
    }
    return { body: { cleared_keys: count, dry_run: dryRun } };
  };
  return [
    adminRoute({
      method: 'GET',
      path: '/admin/v1/cache',
      permission: 'platform:read',
      summary: 'Get hits, misses and savings of the cache over the last 24 hours, by model and tenant',
      description: 'Those of all gateways that share Redis; without Redis, of the gateway that responds.',
      ...NO_INPUT,
      response: platformStats,
      handle: async () => {
        const report = await cache.report();
        const tenants = [...report.byTenant()].map(([id, counts]) => [id, renderCounts(counts)] as const);
        const models = renderStats(report.byModel(undefined));
        const semantic = renderSemantic(cache.semanticStates(undefined));
        return { body: { object: 'cache_stats', models, tenants: Object.fromEntries(tenants), semantic } };
      },
    }),
    adminRoute({
      method: 'POST',
      path: '/admin/v1/cache/clear',
      permission: 'platform:write',
      summary: 'Remove entries of the cache',
      body: clearOfAll,
      ...NO_QUERY,
      response: cleared,
      handle: ({ by, body: { tenant, ...rest } }) => clear(by, tenant, rest),
    }),
    adminRoute({
      method: 'GET',
      path: '/admin/v1/tenants/:tenant/cache',
      permission: 'usage:read',
      summary: 'Get hits, misses and savings of a tenant over the last 24 hours, by model',
      description: 'Those of all gateways that share Redis; without Redis, of the gateway that responds.',
      ...NO_INPUT,
      response: tenantStats,
      handle: async ({ scope }) => ({
        body: {
          object: 'cache_stats',
          models: renderStats((await cache.report()).byModel(scope.tenant)),
          semantic: renderSemantic(cache.semanticStates(scope.tenant)),
        },
      }),
    }),
    adminRoute({
      method: 'POST',
      path: '/admin/v1/tenants/:tenant/cache/clear',
      permission: 'tenant:write',
      summary: 'Remove entries of a tenant from the cache',
      body: clearOfTenant,
      ...NO_QUERY,
      response: cleared,
      handle: ({ by, scope, body }) => clear(by, scope.tenant, body),
    }),
  ];
}
