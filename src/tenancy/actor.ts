import { GatewayError } from '../core/errors.ts';
import { type Permission, ROLE_PERMISSIONS, type Role } from './permissions.ts';

/** Who calls the admin API. */
export interface Actor {
  /** Unique: `key:...` or `user:...`; what the audit trail names. */
  readonly id: string;
  readonly name: string;
  /** May do everything, everywhere. */
  readonly platform: boolean;
  /** The role in each tenant that the actor belongs to. */
  readonly roles: ReadonlyMap<string, Role>;
  /** The member that the actor is, within its tenants. */
  readonly member: string | undefined;
}

/** The one place where it is decided whether somebody may do something. */
export function isAllowed(actor: Actor, permission: Permission, tenant: string | undefined): boolean {
  if (actor.platform) return true;
  const role = tenant === undefined ? undefined : actor.roles.get(tenant);
  return role !== undefined && ROLE_PERMISSIONS[role].has(permission);
}

/**
 * @param tenant whose data it concerns; undefined for the platform's
 * @throws GatewayError `permission_denied`; `not_found` for a tenant that the actor does not belong to, so that nobody
 *   learns which there are
 */
export function assertAllowed(actor: Actor, permission: Permission, tenant?: string): void {
  if (isAllowed(actor, permission, tenant)) return;
  if (tenant !== undefined && !actor.roles.has(tenant)) throw tenantNotFound();
  throw denied(permission);
}

/**
 * @param status of the tenant; undefined when there is none with this id
 * @throws GatewayError `not_found` for a tenant that does not exist, is deleted, or is not the actor's own: the answer is
 *   the same, so that nobody learns which tenants exist
 */
export function assertTenantVisible(
  actor: Actor,
  tenant: string,
  status: 'active' | 'suspended' | 'deleted' | undefined,
): void {
  if (status === undefined || status === 'deleted') throw tenantNotFound();
  if (!actor.platform && !actor.roles.has(tenant)) assertAllowed(actor, 'tenant:read', tenant);
}

export function denied(permission: Permission): GatewayError {
  return new GatewayError('permission_denied', `This needs the permission "${permission}".`);
}

export function tenantNotFound(): GatewayError {
  return new GatewayError('not_found', 'There is no such tenant.');
}
