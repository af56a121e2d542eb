import { GatewayError } from '../../core/errors.ts';
import type { AccessList } from '../../tenancy/access-list.ts';
import { type Actor, assertTenantVisible, denied, isAllowed } from '../../tenancy/actor.ts';
import type { Permission } from '../../tenancy/permissions.ts';

/** The part of a tenant's requests that an actor sees. */
export interface VisibleTenant {
  readonly tenant: string;
  /** Only requests of this member; undefined for all. */
  readonly user: string | undefined;
}

/**
 * Finds out whose requests an actor sees: platform administrators those of every tenant, members with a permission those of
 * their tenants, and other members their own.
 *
 * @param wanted id of the only tenant; undefined for every one
 * @param user id of the only member; undefined for every one
 * @throws GatewayError `not_found` for a tenant that the actor does not belong to, `permission_denied` for another
 *   member's requests and for an actor without a tenant
 */
export function visibleTenants(
  actor: Actor,
  access: Pick<AccessList, 'tenant' | 'tenants'>,
  permission: Permission,
  { tenant: wanted, user }: { readonly tenant?: string | undefined; readonly user?: string | undefined },
): VisibleTenant[] {
  if (wanted !== undefined) {
    assertTenantVisible(actor, wanted, access.tenant(wanted)?.status);
    return [visible(actor, wanted, permission, user)];
  }
  const ids = [...access.tenants()].filter(({ status }) => status !== 'deleted').map(({ id }) => id);
  const own = actor.platform ? ids : ids.filter((id) => actor.roles.has(id));
  if (own.length === 0 && !actor.platform) {
    throw new GatewayError('permission_denied', 'You are a member of no tenant.');
  }
  return own.sort().map((tenant) => visible(actor, tenant, permission, user));
}

function visible(
  actor: Actor,
  tenant: string,
  permission: Permission,
  user: string | undefined,
): VisibleTenant {
  if (isAllowed(actor, permission, tenant)) return { tenant, user };
  const { member } = actor;
  if (member === undefined || (user !== undefined && user !== member)) throw denied(permission);
  return { tenant, user: member };
}
