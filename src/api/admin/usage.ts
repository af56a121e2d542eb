import { z } from 'zod';
import type { SubjectLimits } from '../../core/limit.ts';
import { amountOfNano } from '../../core/limit-schema.ts';
import { limitsOf } from '../../tenancy/documents.ts';
import { time } from './paging.ts';
import { adminRoute, NO_BODY, type RegisteredRoute } from './route.ts';
import type { AdminServices } from './services.ts';
import { UsageReports, usageFilter, usageReport } from './usage-report.ts';

/** Tenant databases that are queried concurrently. */
const AT_ONCE = 8;

/** Subjects of one list of limits. */
const MAX_SUBJECTS = 1_000;
const ORDER: readonly SubjectLimits['scope'][] = ['tenant', 'tag', 'user', 'key'];

const id = z.string().min(1).max(400).optional();

const counterStateList = z
  .object({
    object: z.literal('list'),
    data: z.array(
      z.object({
        scope: z.string(),
        subject: z.string().describe('Name of the tenant, tag, user or key.'),
        subject_id: z.string(),
        of: z.string(),
        per: z.string().nullable(),
        mode: z.string(),
        tier: z.string().nullable().describe('The tier that it comes from; null for an own limit.'),
        max: z.union([z.number(), z.string()]),
        used: z.union([z.number(), z.string()]).nullable().describe('Null for rate limits.'),
        remaining: z.union([z.number(), z.string()]),
        resets_at: z.string().nullable(),
      }),
    ),
    has_more: z.boolean().describe(`Whether more than ${MAX_SUBJECTS} tags, users and keys have limits.`),
  })
  .meta({ id: 'LimitStandings' });

export function usageRoutes(services: AdminServices): RegisteredRoute[] {
  const { access, usage, limiter, clock, keys, members } = services;
  const reports = new UsageReports(usage, clock);
  return [
    adminRoute({
      method: 'GET',
      path: '/admin/v1/tenants/:tenant/usage',
      permission: 'usage:read',
      summary: 'Get the usage and cost of a tenant',
      ...NO_BODY,
      query: usageFilter,
      response: usageReport,
      handle: async ({ scope, query: filter }) => {
        const zone = access.tenant(scope.tenant)?.document.time_zone ?? 'UTC';
        const request = reports.request(filter, zone);
        return reports.response(request, await reports.rows(scope.tenant, request));
      },
    }),
    adminRoute({
      method: 'GET',
      path: '/admin/v1/usage',
      permission: 'tenants:list',
      summary: 'Get the usage and cost of every tenant',
      ...NO_BODY,
      query: usageFilter.extend({ tenant: z.string().max(63).optional() }),
      response: usageReport,
      handle: async ({ query: { tenant, ...filter } }) => {
        const request = reports.request(filter, 'UTC');
        const ids = [...access.tenants()]
          .filter(({ id: one, status }) => status !== 'deleted' && (tenant === undefined || one === tenant))
          .map(({ id: one }) => one)
          .sort();
        const rows = new Map<string, Awaited<ReturnType<UsageReports['rows']>>>();
        const waiting = [...ids];
        const worker = async () => {
          for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
            rows.set(next, await reports.rows(next, request, next));
          }
        };
        await Promise.all(Array.from({ length: AT_ONCE }, worker));
        const all = ids.flatMap((one) => rows.get(one) ?? []);
        return reports.response(request, all, true);
      },
    }),
    adminRoute({
      method: 'GET',
      path: '/admin/v1/tenants/:tenant/limits',
      permission: 'tenant:read',
      summary: 'List the limits of a tenant with their current use',
      description:
        'Limits of the tenant, and of its tags, users and keys that have own ones; with `key` or `member`, of no other keys and users.',
      ...NO_BODY,
      query: z.object({ key: id, member: id }),
      response: counterStateList,
      handle: async ({ scope, query }) => {
        const all = access.limitsIn(scope.tenant);
        const named = query.key !== undefined || query.member !== undefined;
        const subjects = all.filter(({ scope: of }) => of === 'tenant' || of === 'tag' || !named);
        const prefix = `${scope.tenant}/`;
        const timeZone = access.tenant(scope.tenant)?.document.time_zone ?? 'UTC';
        // Read from the database, so that an unknown one is an error, and a revoked key is shown.
        if (query.key !== undefined) {
          const { id: of, name, limits } = await keys.get(scope, 'api_key', query.key);
          const own = limitsOf([...limits]);
          subjects.push({ scope: 'key', id: prefix + of, name, limits: own, timeZone });
        }
        if (query.member !== undefined) {
          const { id: of, name, limits } = await members.get(scope, query.member);
          const own = limitsOf([...limits]);
          subjects.push({ scope: 'user', id: prefix + of, name, limits: own, timeZone });
        }
        const shown = subjects
          .toSorted((one, other) => ORDER.indexOf(one.scope) - ORDER.indexOf(other.scope))
          .slice(0, MAX_SUBJECTS);
        const counterStates = await limiter.counterStates(shown);
        const data = counterStates.map(({ counter, counterState, resetsAt }) => {
          const { limit } = counter;
          const amount = (value: number) => (limit.of === 'cost' ? amountOfNano(value) : value);
          const isRate = counter.kind === 'rate';
          return {
            ...{ scope: counter.subject.scope, subject: counter.subject.name },
            subject_id: counter.subject.id.slice(prefix.length) || scope.tenant,
            ...{ of: limit.of, per: limit.per, mode: limit.mode, max: amount(limit.max) },
            tier: limit.tier ?? null,
            used: isRate ? null : amount(counterState),
            remaining: amount(
              isRate ? Math.max(0, Math.floor(counterState)) : Math.max(0, limit.max - counterState),
            ),
            resets_at: resetsAt === null ? null : time(resetsAt),
          };
        });
        return { body: { object: 'list', data, has_more: shown.length < subjects.length } };
      },
    }),
  ];
}
