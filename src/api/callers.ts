import type { Principal } from '../core/principal.ts';
import type { RouteAccess } from '../http/route-policy.ts';
import type { Actor } from '../tenancy/actor.ts';
import type { Permission } from '../tenancy/permissions.ts';

/** The ways in which routes of the API admit their callers. */
export interface Callers {
  /** API keys, and tokens in their place. */
  readonly key: RouteAccess<Principal>;
  /** Admin keys. */
  readonly adminKey: RouteAccess<Principal>;
  /**
   * Signed-in users, admin keys, and keys whose scope includes the route, if they have the permission: in the tenant that
   * the parameter `:tenant` of the route names, otherwise on the platform.
   * @param permission null admits each of them
   */
  permitted(permission: Permission | null): RouteAccess<Actor>;
  /** Every client. The handler gets the actor of those with the permission, and undefined for all others. */
  anyoneOr(permission: Permission): RouteAccess<Actor | undefined>;
}
