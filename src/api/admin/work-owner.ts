import { z } from 'zod';
import type { WorkOwner } from '../../storage/sql/work-lists.ts';
import type { AccessList } from '../../tenancy/access-list.ts';
import { type Actor, denied, isAllowed } from '../../tenancy/actor.ts';
import type { Permission } from '../../tenancy/permissions.ts';
import { cursorOf, page, paging, timeCursor } from './paging.ts';
import { visibleTenants } from './visible-tenants.ts';

/** Who created a batch, a file or a queued request. */
export interface CreatedWork {
  readonly tenant: string;
  readonly member: string | null;
  readonly createdAt: number;
  readonly id: string;
}

const text = z.string().min(1).max(400).optional();

/** Query parameters of lists of work. */
export const workQuery = {
  tenant: z.string().max(63).optional().describe('Default: all tenants that the caller sees.'),
  user: text.describe('Id of the member who created it.'),
  key: text.describe('Id of the key that created it.'),
  id: text.describe('Id of the only one that is wanted.'),
  ...paging,
};

/**
 * Finds out whose work a list shows.
 * @param permission with which a member sees the work of others
 * @throws GatewayError as `visibleTenants`
 */
export function workPage(
  actor: Actor,
  access: Pick<AccessList, 'tenant' | 'tenants'>,
  permission: Permission,
  query: z.output<z.ZodObject<typeof workQuery>>,
) {
  const { tenant, user, key, id, limit, after } = query;
  const owners: readonly WorkOwner[] | undefined =
    actor.platform && tenant === undefined ? undefined : visibleTenants(actor, access, permission, query);
  return { owners, user, key, id, limit: limit + 1, after: cursorOf(timeCursor, after) };
}

/** @param found one more than are shown, where there are more @returns a page of a list of work */
export function pageOfWork<Item extends CreatedWork, Shown>(
  found: readonly Item[],
  limit: number,
  show: (item: Item) => Shown,
) {
  return page(found, limit, ({ createdAt, id }) => ({ at: createdAt, id }), show);
}

/** @returns whether it is the caller's own */
export function isOwn(actor: Actor, { member }: Pick<CreatedWork, 'member'>): boolean {
  return member !== null && member === actor.member;
}

/** @throws GatewayError `permission_denied` for the work of others without the permission */
export function assertOwnOr(
  permission: Permission,
  actor: Actor,
  work: Pick<CreatedWork, 'tenant' | 'member'>,
): void {
  if (!isOwn(actor, work) && !isAllowed(actor, permission, work.tenant)) throw denied(permission);
}
