import { z } from 'zod';
import { GatewayError } from '../../core/errors.ts';
import { type LimitDocument, limitList } from '../../core/limit-schema.ts';
import { assertAllowed } from '../../tenancy/actor.ts';
import { cachePolicyDocument } from '../../tenancy/cache-policy-document.ts';
import { guardrailDocuments } from '../../tenancy/guardrail-documents.ts';
import { personName, tag, tenantId, timeZone } from '../../tenancy/names.ts';
import { requestLogDocument } from '../../tenancy/request-log-document.ts';
import { residencyDocument } from '../../tenancy/residency-document.ts';
import { retentionDocument } from '../../tenancy/retention.ts';
import type { Tenant } from '../../tenancy/tenants.ts';
import { cursorOf, idCursor, listOf, page, paging, time } from './paging.ts';
import { adminRoute, NO_BODY, NO_INPUT, NO_QUERY, type RegisteredRoute } from './route.ts';
import type { AdminServices } from './services.ts';

const EXAMPLE_LIMITS: LimitDocument[] = [
  { of: 'requests', per: 'minute', max: 100, mode: 'enforce', on_store_loss: 'local' },
  { of: 'cost', per: 'month', max: '250.00', mode: 'enforce', on_store_loss: 'local' },
];

export const limitsField = limitList.meta({ example: EXAMPLE_LIMITS });

const tagLimits = z
  .record(tag, limitList)
  .refine((limits) => Object.keys(limits).length <= 1_000, 'has more than 1000 tags');
const tier = z.string().max(31).nullable();
const weight = z.int().min(1).max(100);
const retention = retentionDocument
  .nullable()
  .describe(
    'How long its data is kept: days such as `90d`, or null for good. Absent members are those of `storage.retention`.',
  )
  .meta({ example: { usage: '90d', responses: null } });

const maxOutputTokens = z
  .int()
  .min(1)
  .nullable()
  .describe('The most output tokens of one request. A request for more gets fewer, with a warning.');
const responseMetadata = z
  .boolean()
  .describe(
    'Responses have `metadata` with latency, model and cost, as with the header `x-weir-metadata: 1`.',
  );

const auditRequests = z
  .boolean()
  .describe(
    'Each inference request becomes an entry of the audit trail, with its result and SHA-256 digests of what was sent and received. Only platform administrators can end it.',
  );

const guardrails = guardrailDocuments
  .describe(
    'Guardrails that hold for its requests, in addition to those of the gateway, which they cannot change.',
  )
  .meta({ example: [{ id: 'pii', kind: 'pii', action: 'redact' }] });

const cachePolicy = cachePolicyDocument
  .nullable()
  .describe('What its requests may ask of the cache; null for everything.')
  .meta({ example: { controls: ['bypass', 'refresh'] } });

const requestLog = requestLogDocument
  .nullable()
  .describe('Its prompts and responses are kept, redacted and sealed, for so long; null where they are not.')
  .meta({ example: { days: 30, max_mb: 1_000 } });

const residency = residencyDocument
  .nullable()
  .describe('Where its data may be: see `docs/multi-region.md`. Null: every region serves it.')
  .meta({ example: { region: 'eu-central-1', allowed: ['eu'], elsewhere: 'forward' } });

export const tenantObject = z
  .object({
    id: z.string(),
    name: z.string(),
    status: z.enum(['active', 'suspended']),
    tier: z.string().nullable(),
    server: z.string().nullable().describe('Its database server; null for the default one.'),
    time_zone: z.string().describe('Time zone of the days and months of its quotas and budgets.'),
    weight: z.number().int().describe('Its share of queue slots at saturated models.'),
    limits: z.array(z.looseObject({})).describe('Its own limits, which replace those of its tier.'),
    tag_limits: z.record(z.string(), z.array(z.looseObject({}))),
    retention: retentionDocument
      .nullable()
      .describe('How long its data is kept, where that differs from `storage.retention`.'),
    max_output_tokens: maxOutputTokens,
    response_metadata: responseMetadata,
    audit_requests: auditRequests,
    cache: cachePolicy,
    guardrails: z
      .array(z.looseObject({}))
      .describe('Guardrails of its requests, in addition to those of the gateway.'),
    request_log: requestLog,
    residency,
    created_at: z.string(),
    updated_at: z.string(),
  })
  .meta({ id: 'Tenant' });

const createBody = z
  .strictObject({
    id: tenantId,
    name: personName.optional(),
    tier: tier.optional().describe('Null for no limits. Default: `limits.default_tier`.'),
    server: z
      .string()
      .max(31)
      .optional()
      .describe('An id of `storage.servers`. Without it, the default server.'),
    time_zone: timeZone.optional(),
    weight: weight.optional(),
    limits: limitsField.optional(),
    tag_limits: tagLimits.optional(),
    retention: retention.optional(),
    max_output_tokens: maxOutputTokens.optional(),
    response_metadata: responseMetadata.optional(),
    audit_requests: auditRequests.optional(),
    cache: cachePolicy.optional(),
    guardrails: guardrails.optional(),
    request_log: requestLog.optional(),
    residency: residency.optional(),
  })
  .meta({
    id: 'NewTenant',
    example: { id: 'acme', name: 'Acme Inc.', tier: 'pro', time_zone: 'Europe/Zurich' },
  });

const updateBody = z
  .strictObject({
    name: personName.optional(),
    status: z.enum(['active', 'suspended']).optional(),
    tier: tier.optional(),
    time_zone: timeZone.optional(),
    weight: weight.optional(),
    limits: limitsField.optional(),
    tag_limits: tagLimits.optional(),
    retention: retention.optional(),
    max_output_tokens: maxOutputTokens.optional(),
    response_metadata: responseMetadata.optional(),
    audit_requests: auditRequests.optional(),
    cache: cachePolicy.optional(),
    guardrails: guardrails.optional(),
    request_log: requestLog.optional(),
    residency: residency.optional(),
  })
  .meta({ id: 'TenantChange', example: { tier: 'enterprise' } });

export function renderTenant({ document, ...tenant }: Tenant): z.output<typeof tenantObject> {
  return {
    id: tenant.id,
    name: tenant.name,
    status: tenant.status,
    tier: tenant.tier,
    server: tenant.server === '' ? null : tenant.server,
    time_zone: document.time_zone,
    weight: document.weight,
    limits: document.limits,
    tag_limits: document.tag_limits,
    retention: document.retention ?? null,
    max_output_tokens: document.max_output_tokens ?? null,
    response_metadata: document.response_metadata ?? false,
    audit_requests: document.audit_requests ?? false,
    cache: document.cache ?? null,
    guardrails: document.guardrails ?? [],
    request_log: document.request_log ?? null,
    residency: document.residency ?? null,
    created_at: time(tenant.createdAt),
    updated_at: time(tenant.updatedAt),
  };
}

/** Absent where they have their default: gateways of an earlier version reject members that they do not know. */
function outputSettings(most: number | null | undefined, metadata: boolean | undefined) {
  return {
    ...(most ? { max_output_tokens: most } : {}),
    ...(metadata ? { response_metadata: true as const } : {}),
  };
}

function assertOneOf(value: string, allowed: readonly string[], param: string): void {
  if (allowed.includes(value)) return;
  const known = allowed.length === 0 ? 'there are none' : `there are: ${allowed.join(', ')}`;
  throw new GatewayError('invalid_request', `"${param}" is not valid: ${known}.`, { param });
}

export function tenantRoutes(services: AdminServices): RegisteredRoute[] {
  const { tenants } = services;
  const filter = z.object({
    ...paging,
    status: z.enum(['active', 'suspended']).optional(),
    tier: z.string().max(31).optional(),
    search: z.string().max(100).optional().describe('A part of the id or name.'),
  });
  return [
    adminRoute({
      method: 'GET',
      path: '/admin/v1/tenants',
      permission: 'tenants:list',
      summary: 'List tenants',
      ...NO_BODY,
      query: filter,
      response: listOf(tenantObject, 'TenantList'),
      handle: async ({ query: { limit, after, ...rest } }) => {
        const found = await tenants.list({ ...rest, limit: limit + 1, after: cursorOf(idCursor, after) });
        return { body: page(found, limit, ({ id }) => id, renderTenant) };
      },
    }),
    adminRoute({
      method: 'POST',
      path: '/admin/v1/tenants',
      permission: 'tenants:create',
      summary: 'Create a tenant with its database',
      body: createBody,
      largeBody: true,
      ...NO_QUERY,
      response: tenantObject,
      status: 201,
      handle: async ({ body, by }) => {
        const chosen = body.tier === undefined ? services.defaultTier() : body.tier;
        if (chosen !== null) assertOneOf(chosen, services.tiers(), 'tier');
        if (body.server !== undefined) assertOneOf(body.server, services.servers(), 'server');
        await services.assertGuardrails(body.guardrails);
        const server = services.serverFor(body.server, body.residency ?? undefined);
        const tenant = await tenants.create(
          {
            id: body.id,
            name: body.name ?? body.id,
            tier: chosen,
            ...(server === undefined ? {} : { server }),
            document: {
              time_zone: body.time_zone ?? 'UTC',
              weight: body.weight ?? 1,
              limits: body.limits ?? [],
              tag_limits: body.tag_limits ?? {},
              ...(body.retention && { retention: body.retention }),
              ...outputSettings(body.max_output_tokens, body.response_metadata),
              ...(body.audit_requests && { audit_requests: true as const }),
              ...(body.cache && { cache: body.cache }),
              ...(body.guardrails?.length ? { guardrails: body.guardrails } : {}),
              ...(body.request_log && { request_log: body.request_log }),
              ...(body.residency && { residency: body.residency }),
            },
          },
          by,
        );
        return { body: renderTenant(tenant), version: tenant.version };
      },
    }),
    adminRoute({
      method: 'GET',
      path: '/admin/v1/tenants/:tenant',
      servedInEveryRegion: true,
      permission: 'tenant:read',
      summary: 'Get a tenant',
      ...NO_INPUT,
      response: tenantObject,
      handle: async ({ scope }) => {
        const tenant = await tenants.get(scope.tenant);
        return { body: renderTenant(tenant), version: tenant.version };
      },
    }),
    adminRoute({
      method: 'PATCH',
      path: '/admin/v1/tenants/:tenant',
      servedInEveryRegion: true,
      permission: 'tenant:write',
      summary: 'Change a tenant',
      description:
        'Status, tier, weight, own limits, retention, `max_output_tokens`, `cache`, `residency` and `audit_requests: false` need `tenants:assign`, which only platform administrators have; limits of tags need `limits:write`.',
      body: updateBody,
      largeBody: true,
      ...NO_QUERY,
      response: tenantObject,
      handle: async ({ scope, body, seen, by, actor }) => {
        const { name, status, tier: wantedTier, limits, tag_limits, time_zone } = body;
        const { weight: wantedWeight, retention: wantedRetention, max_output_tokens: wantedMost } = body;
        const { residency: wantedResidency } = body;
        const assigned = [
          ...[status, wantedTier, limits, wantedWeight, wantedRetention, wantedMost, body.cache],
          wantedResidency,
        ];
        if (assigned.some((value) => value !== undefined))
          assertAllowed(actor, 'tenants:assign', scope.tenant);
        if (tag_limits !== undefined) assertAllowed(actor, 'limits:write', scope.tenant);
        if (wantedTier !== undefined && wantedTier !== null)
          assertOneOf(wantedTier, services.tiers(), 'tier');
        const { document, server } = await tenants.get(scope.tenant);
        if (wantedResidency) services.assertResidency(wantedResidency, server);
        const residencyNow = wantedResidency === undefined ? document.residency : wantedResidency;
        const kept = wantedRetention === undefined ? document.retention : wantedRetention;
        const cache = body.cache === undefined ? document.cache : body.cache;
        const added = body.guardrails ?? document.guardrails;
        await services.assertGuardrails(body.guardrails);
        const logs = body.request_log === undefined ? document.request_log : body.request_log;
        const audits = body.audit_requests ?? document.audit_requests;
        // What has to be on record is not the tenant's to decide.
        if (document.audit_requests && !audits) assertAllowed(actor, 'tenants:assign', scope.tenant);
        if (limits) await services.assertBudgets(scope, 'tenant', limits);
        for (const [name, own] of Object.entries(tag_limits ?? {})) {
          await services.assertBudgets(scope, `tag/${name}`, own);
        }
        const tenant = await tenants.update(
          scope.tenant,
          {
            ...(name === undefined ? {} : { name }),
            ...(status === undefined ? {} : { status }),
            ...(wantedTier === undefined ? {} : { tier: wantedTier }),
            document: {
              time_zone: time_zone ?? document.time_zone,
              weight: wantedWeight ?? document.weight,
              limits: limits ?? document.limits,
              tag_limits: tag_limits ?? document.tag_limits,
              ...(kept && { retention: kept }),
              ...outputSettings(
                wantedMost === undefined ? document.max_output_tokens : wantedMost,
                body.response_metadata ?? document.response_metadata,
              ),
              ...(audits && { audit_requests: true as const }),
              ...(cache && { cache }),
              ...(added?.length ? { guardrails: added } : {}),
              ...(logs && { request_log: logs }),
              ...(residencyNow && { residency: residencyNow }),
            },
          },
          seen,
          by,
        );
        return { body: renderTenant(tenant), version: tenant.version };
      },
    }),
    adminRoute({
      method: 'DELETE',
      path: '/admin/v1/tenants/:tenant',
      permission: 'tenants:delete',
      summary: 'Remove a tenant with all its data',
      description: 'With `?dry_run=true`, returns the tenant that would be removed, and removes nothing.',
      ...NO_BODY,
      query: z.object({ dry_run: z.enum(['true', 'false']).optional() }),
      response: z.object({ removed: z.boolean(), tenant: tenantObject }).meta({ id: 'TenantRemoved' }),
      handle: async ({ scope, query, seen, by }) => {
        const tenant = await tenants.get(scope.tenant);
        const dry = query.dry_run === 'true';
        if (!dry) await tenants.remove(scope.tenant, seen, by);
        return { body: { removed: !dry, tenant: renderTenant(tenant) } };
      },
    }),
  ];
}
