import { z } from 'zod';
import { limitDocument } from '../../core/limit-schema.ts';
import { PERMISSIONS, ROLE_PERMISSIONS, ROLES } from '../../tenancy/permissions.ts';
import { adminRoute, NO_INPUT, type RegisteredRoute } from './route.ts';
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

export function platformRoutes(services: AdminServices): RegisteredRoute[] {
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
  ];
}
