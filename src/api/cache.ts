import { z } from 'zod';
import type { CacheCounts, CacheReport } from '../cache/cache-counts.ts';
import type { CacheFilter } from '../cache/cache-store.ts';
import type { PairState } from '../cache/semantic/false-hit-monitor.ts';
import type { PairReport } from '../cache/semantic/semantic-report.ts';
import { parseDuration } from '../config/units.ts';
import type { HttpContext } from '../http/http-context.ts';
import type { HttpRouter } from '../http/http-router.ts';
import { queryFields, queryOf } from '../http/query.ts';
import { jsonResponse } from '../http/response.ts';
import { NO_BODY } from '../http/route-policy.ts';
import { dollarsOfPico } from '../metering/price.ts';
import { changeContext, keyActor } from './admin/access.ts';
import type { ApiServices } from './services.ts';
import { validate } from './validation.ts';

/** What operators see of the cache, and do with it. */
export interface CacheOperations {
  /** @returns the counts of the last 24 hours */
  report(): Promise<CacheReport>;
  /**
   * Removes entries; with `dryRun` counts them.
   * @throws GatewayError `store_unavailable`
   */
  clear(filter: CacheFilter, dryRun: boolean): Promise<number>;
  /** The measured shares of false hits of the semantic cache in this gateway. */
  semanticStates(tenant: string | undefined): readonly PairState[];
  /** What the semantic cache of this gateway found for each model of a tenant, or of all. */
  semanticReport(tenant: string | undefined): readonly PairReport[];
  /** Serves hits of the semantic cache again, where too many of them were false. */
  enableSemantic(tenant: string, model: string): void;
}

/** How long ago an entry was stored. */
export const cacheAge = z.string().regex(/^\d{1,9}(?:ms|s|m|h|d)$/, 'expected a duration such as 10m or 1d');

/** @returns the time before which entries of an age were stored, in Unix milliseconds */
export function storedBefore(age: string | undefined, now: number): number | undefined {
  const ms = age === undefined ? undefined : parseDuration(age);
  return ms === undefined ? undefined : now - ms;
}

const model = z.string().min(1).max(400).optional().describe('One model, or an alias of it. Default: all.');
const tenant = z.string().max(63).optional();

export const cacheStatsQuery = z.object({
  model,
  tenant: tenant.describe('Only with the admin key. Default: all tenants; other keys see their own.'),
});
export const cacheClearQuery = z.object({
  model,
  tenant: tenant.describe('Default: all tenants.'),
  namespace: z.string().max(64).optional().describe('Of `x-weir-cache-namespace`; empty for the usual one.'),
  tag: z.string().max(200).optional().describe('A tag of the request that filled the entry.'),
  older_than: cacheAge.optional().describe('Entries that were stored longer ago.'),
  dry_run: z.enum(['true', 'false']).optional().describe('`true` counts the entries, and removes none.'),
});

export const cacheCounts = z.object({
  hits: z.number().int(),
  misses: z.number().int(),
  errors: z
    .number()
    .int()
    .describe('Lookups without a usable answer of the store; they count as misses too.'),
  total_requests: z.number().int().describe('Hits and misses.'),
  hit_rate_percent: z.number(),
  saved_usd: z.string().describe('What the hits would have cost, as an exact decimal.'),
  saved_seconds: z.number().describe('How long the hits would have taken.'),
  prompt_cache: z
    .object({
      read_tokens: z.number().int(),
      write_tokens: z.number().int(),
      saved_usd: z
        .string()
        .describe('What reading saved, less what writing cost in addition, as an exact decimal.'),
    })
    .optional()
    .describe("What the providers' prompt caches were used for; absent where they were not."),
});

export const cacheStats = z
  .record(z.string(), cacheCounts)
  .meta({ id: 'CacheStats', description: 'By model.' });
export const cacheCleared = z
  .object({ cleared_keys: z.number().int(), dry_run: z.boolean().optional() })
  .meta({ id: 'CacheCleared' });

export const semanticStates = z
  .array(
    z.object({
      tenant: z.string(),
      model: z.string(),
      compared_hits: z.number().int().describe('The last ones, at most 200.'),
      false_hit_percent: z.number(),
      disabled_until: z
        .string()
        .nullable()
        .describe('No hit is served until then; null where hits are served.'),
    }),
  )
  .describe('What comparing hits of the semantic cache found in the gateway that responds.');

export function renderSemantic(states: readonly PairState[]): z.output<typeof semanticStates> {
  return states.map(({ tenant, model, samples, share, disabledUntil }) => ({
    ...{ tenant, model, compared_hits: samples, false_hit_percent: Math.round(share * 10_000) / 100 },
    disabled_until: disabledUntil === undefined ? null : new Date(disabledUntil).toISOString(),
  }));
}

/** @returns counts in the form of the API */
export function renderCounts(counts: CacheCounts): z.output<typeof cacheCounts> {
  const { hits, misses, errors, savedNanoUsd, savedMs, promptReadTokens, promptWriteTokens } = counts;
  const total = hits + misses;
  return {
    ...{ hits, misses, errors, total_requests: total },
    hit_rate_percent: total === 0 ? 0 : Math.round((hits / total) * 10_000) / 100,
    saved_usd: dollarsOfPico(Math.round(savedNanoUsd) * 1_000),
    saved_seconds: Math.round(savedMs) / 1_000,
    ...(promptReadTokens + promptWriteTokens === 0
      ? {}
      : {
          prompt_cache: {
            read_tokens: promptReadTokens,
            write_tokens: promptWriteTokens,
            saved_usd: dollarsOfPico(Math.round(counts.promptSavedNanoUsd) * 1_000),
          },
        }),
  };
}

export function renderStats(counts: ReadonlyMap<string, CacheCounts>): z.output<typeof cacheStats> {
  return Object.fromEntries([...counts].map(([name, one]) => [name, renderCounts(one)]));
}

/** Adds `GET /cache/stats`, for every key, and `POST /cache/clear`, for the admin key. */
export function addCacheRoutes(router: HttpRouter, services: ApiServices, cache: CacheOperations): void {
  const { callers, snapshot, auditQueue } = services;
  const json = ({ request }: HttpContext, body: unknown) =>
    jsonResponse(request, 200, JSON.stringify(body), {});
  // Entries and counts have the name of the model, not that of an alias.
  const labelOf = (name: string | undefined) =>
    name === undefined ? undefined : (snapshot().directory.resolve(name)?.label ?? name);

  const caller = { access: callers.key, body: NO_BODY };
  router.route('GET', '/cache/stats', caller, async (httpContext, principal) => {
    const query = validate(cacheStatsQuery, queryFields(queryOf(httpContext.request)));
    const of = principal.kind === 'admin' ? query.tenant : principal.tenant;
    const report = await cache.report();
    return json(httpContext, renderStats(report.byModel(of, labelOf(query.model))));
  });
  const operator = { access: callers.adminKey, body: NO_BODY };
  router.route('POST', '/cache/clear', operator, async (httpContext, principal) => {
    const query = validate(cacheClearQuery, queryFields(queryOf(httpContext.request)));
    const { tenant: of, namespace, tag, older_than: age } = query;
    const before = storedBefore(age, services.clock.wallTime());
    const filter = { tenant: of, model: labelOf(query.model), namespace, tag, storedBefore: before };
    const dryRun = query.dry_run === 'true';
    const count = await cache.clear(filter, dryRun);
    if (!dryRun) {
      const by = changeContext(services, httpContext, keyActor(principal));
      await auditQueue.record(undefined, by, 'cache.clear', 'cache', { ...filter, cleared_keys: count });
    }
    return json(httpContext, { cleared_keys: count, ...(dryRun ? { dry_run: true } : {}) });
  });
}
