import { z } from 'zod';
import { limitDocument } from '../../core/limit-schema.ts';
import type { AuditLogRow } from '../../storage/sql/tenant-tables.ts';
import { PERMISSIONS, ROLE_PERMISSIONS, ROLES } from '../../tenancy/permissions.ts';
import { cursorOf, listOf, page, paging, time, timeCursor, timeInput } from './paging.ts';
import { adminRoute, NO_BODY, NO_INPUT, type RegisteredRoute } from './route.ts';
import type { AdminServices } from './services.ts';

const permissionsObject = z
  .object({
    object: z.literal('list'),
    data: z.array(z.object({ id: z.string(), description: z.string(), roles: z.array(z.string()) })),
  })
  .meta({ id: 'PermissionList' });

const meObject = z
  .object({
    id: z.string(),
    name: z.string(),
    platform_admin: z.boolean(),
    tenants: z.record(z.string(), z.object({ role: z.string(), permissions: z.array(z.string()) })),
  })
  .meta({ id: 'Me' });

const tierList = z
  .object({
    object: z.literal('list'),
    data: z.array(z.object({ id: z.string(), limits: z.array(z.looseObject({})) })),
  })
  .meta({ id: 'TierList' });

const auditObject = z
  .object({
    id: z.string(),
    at: z.string(),
    actor: z.string(),
    actor_name: z.string(),
    action: z.string(),
    subject: z.string(),
    details: z.looseObject({}),
    address: z.string(),
    request_id: z.string(),
    sequence: z.int().nullable().describe('Place in the chain, from 1; null for a moment after an update.'),
    hash: z.string().nullable().describe('SHA-256 of the entry and of the hash before.'),
  })
  .meta({ id: 'AuditEntry' });

const auditQuery = z.object({
  ...paging,
  actor: z.string().max(200).optional(),
  action: z.string().max(100).optional().describe('For example `key.create`.'),
  subject: z.string().max(200).optional().describe('For example `key:key_...`.'),
  from: timeInput.optional(),
  to: timeInput.optional(),
});

function renderAuditEntry({ at, details, ...entry }: AuditLogRow): z.output<typeof auditObject> {
  return { ...entry, at: time(at), details: JSON.parse(details) };
}

export function platformRoutes(services: AdminServices): RegisteredRoute[] {
  const { audit } = services;
  const pageOf = async (
    read: (query: Parameters<typeof audit.ofPlatform>[0]) => Promise<AuditLogRow[]>,
    { limit, after, ...filter }: z.output<typeof auditQuery>,
  ) => {
    const found = await read({ ...filter, limit: limit + 1, before: cursorOf(timeCursor, after) });
    return { body: page(found, limit, ({ at, id }) => ({ at, id }), renderAuditEntry) };
  };
  return [
    adminRoute({
      method: 'GET',
      path: '/admin/v1/permissions',
      permission: null,
      summary: 'List permissions and the roles that grant them',
      ...NO_INPUT,
      response: permissionsObject,
      handle: async () => ({
        body: {
          object: 'list',
          data: Object.entries(PERMISSIONS).map(([id, description]) => ({
            id,
            description,
            roles: ROLES.filter((role) => [...ROLE_PERMISSIONS[role]].some((one) => one === id)),
          })),
        },
      }),
    }),
    adminRoute({
      method: 'GET',
      path: '/admin/v1/me',
      permission: null,
      summary: 'Get the caller and its permissions',
      ...NO_INPUT,
      response: meObject,
      handle: async ({ actor }) => ({
        body: {
          id: actor.id,
          name: actor.name,
          platform_admin: actor.platform,
          tenants: Object.fromEntries(
            [...actor.roles].map(([tenant, role]) => [
              tenant,
              { role, permissions: [...ROLE_PERMISSIONS[role]] },
            ]),
          ),
        },
      }),
    }),
    adminRoute({
      method: 'GET',
      path: '/admin/v1/tiers',
      permission: null,
      summary: 'List tiers and their limits',
      ...NO_INPUT,
      response: tierList,
      handle: async () => ({
        body: {
          object: 'list',
          data: [...services.tierLimits()].map(([id, limits]) => ({ id, limits: limits.map(limitDocument) })),
        },
      }),
    }),
    adminRoute({
      method: 'GET',
      path: '/admin/v1/audit',
      permission: 'platform:read',
      summary: 'List the audit trail of the platform: tenants and users',
      ...NO_BODY,
      query: auditQuery,
      response: listOf(auditObject, 'PlatformAuditList'),
      handle: ({ query }) => pageOf((wanted) => audit.ofPlatform(wanted), query),
    }),
    adminRoute({
      method: 'GET',
      path: '/admin/v1/tenants/:tenant/audit',
      permission: 'audit:read',
      summary: 'List the audit trail of a tenant, newest first',
      ...NO_BODY,
      query: auditQuery,
      response: listOf(auditObject, 'AuditList'),
      handle: ({ scope, query }) => pageOf((wanted) => audit.ofTenant(scope, wanted), query),
    }),
  ];
}
