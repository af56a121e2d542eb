import { GatewayError } from '../core/errors.ts';
import type { KeyRestrictions } from './key-restrictions.ts';
import { type Permission, ROLE_PERMISSIONS, type Role } from './permissions.ts';

/** The caller of the admin API. */
export interface Actor {
  /** `key:<id>` or `user:<id>`, as the audit trail contains it. */
  readonly id: string;
  readonly name: string;
  /** True for platform administrators, who have every permission in every tenant. */
  readonly platform: boolean;
  /** The role in each tenant that the actor belongs to. */
  readonly roles: ReadonlyMap<string, Role>;
  /** Member id of a user; undefined for an admin key. */
  readonly member: string | undefined;
  /** Of the API key that the caller presents; absent for other callers. */
  readonly restrictions?: KeyRestrictions | undefined;
}

/**
 * The only place that decides about permissions.
 *
 * @param tenant undefined for permissions on the platform
 */
export function isAllowed(actor: Actor, permission: Permission, tenant: string | undefined): boolean {
  if (actor.platform) return true;
  const role = tenant === undefined ? undefined : actor.roles.get(tenant);
  return role !== undefined && ROLE_PERMISSIONS[role].has(permission);
}

/**
 * @param tenant undefined for permissions on the platform
 * @throws GatewayError `permission_denied`; `not_found` for a tenant that the actor does not belong to, which hides
 *   whether it exists
 */
export function assertAllowed(actor: Actor, permission: Permission, tenant?: string): void {
  if (isAllowed(actor, permission, tenant)) return;
  if (tenant !== undefined && !actor.roles.has(tenant)) throw tenantNotFound();
  throw denied(permission);
}

/**
 * @param status of the tenant; undefined when it does not exist
 * @throws GatewayError `not_found` for a tenant that does not exist, is deleted, or to which the actor does not belong:
 *   the response is the same, which hides which tenants exist
 */
export function assertTenantVisible(
  actor: Actor,
  tenant: string,
  status: 'active' | 'suspended' | 'deleted' | undefined,
): void {
  if (status === undefined || status === 'deleted') throw tenantNotFound();
  if (!actor.platform && !actor.roles.has(tenant)) assertAllowed(actor, 'tenant:read', tenant);
}

/** @returns the error `permission_denied` that names the missing permission */
export function denied(permission: Permission): GatewayError {
  return new GatewayError('permission_denied', `This needs the permission "${permission}".`);
}

/** @returns the error `not_found` */
export function tenantNotFound(): GatewayError {
  return new GatewayError('not_found', 'There is no such tenant.');
}
