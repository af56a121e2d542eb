import { z } from 'zod';
import { assertAllowed } from '../../tenancy/actor.ts';
import { MEMBER_KINDS, STATUSES } from '../../tenancy/documents.ts';
import type { Invitation } from '../../tenancy/invitations.ts';
import type { Member, MemberChange } from '../../tenancy/members.ts';
import { email, personName } from '../../tenancy/names.ts';
import { ROLES } from '../../tenancy/permissions.ts';
import { cursorOf, idCursor, listOf, page, paging, time } from './paging.ts';
import { adminRoute, NO_BODY, NO_INPUT, NO_QUERY, type RegisteredRoute } from './route.ts';
import type { AdminServices } from './services.ts';
import { limitsField } from './tenants.ts';

const role = z.enum(ROLES);

const memberObject = z
  .object({
    id: z.string(),
    kind: z.enum(MEMBER_KINDS),
    email: z.string().nullable(),
    name: z.string(),
    role,
    status: z.enum(STATUSES),
    limits: z.array(z.looseObject({})),
    created_at: z.string(),
    updated_at: z.string(),
  })
  .meta({ id: 'Member' });

const addBody = z
  .strictObject({ email, role, limits: limitsField.optional() })
  .meta({ id: 'NewMember', example: { email: 'jo@example.com', role: 'developer' } });
const serviceAccountBody = z
  .strictObject({ name: personName, role: role.exclude(['owner']), limits: limitsField.optional() })
  .meta({ id: 'NewServiceAccount', example: { name: 'nightly batch', role: 'developer' } });
const changeBody = z
  .strictObject({
    name: personName.optional(),
    role: role.optional(),
    status: z.enum(STATUSES).optional(),
    limits: limitsField.optional(),
  })
  .meta({ id: 'MemberChange', example: { role: 'admin' } });

const invitationObject = z
  .object({
    id: z.string(),
    email: z.string(),
    role,
    state: z.enum(['open', 'accepted', 'revoked', 'expired']),
    invited_by: z.string(),
    created_at: z.string(),
    expires_at: z.string(),
  })
  .meta({ id: 'Invitation' });

function renderMember(member: Member): z.output<typeof memberObject> {
  return {
    ...{ id: member.id, kind: member.kind, email: member.email, name: member.name },
    ...{ role: member.role, status: member.status, limits: [...member.limits] },
    created_at: time(member.createdAt),
    updated_at: time(member.updatedAt),
  };
}

function renderInvitation(invitation: Invitation): z.output<typeof invitationObject> {
  return {
    ...{ id: invitation.id, email: invitation.email, role: invitation.role, state: invitation.state },
    invited_by: invitation.invitedBy,
    created_at: time(invitation.createdAt),
    expires_at: time(invitation.expiresAt),
  };
}

export function memberRoutes(services: AdminServices): RegisteredRoute[] {
  const { members, invitations, users } = services;
  const base = '/admin/v1/tenants/:tenant';
  return [
    adminRoute({
      method: 'GET',
      path: `${base}/members`,
      permission: 'members:read',
      summary: 'List the members of a tenant: users and service accounts',
      ...NO_BODY,
      query: z.object({
        ...paging,
        kind: z.enum(MEMBER_KINDS).optional(),
        role: role.optional(),
        status: z.enum(STATUSES).optional(),
        search: z
          .string()
          .max(100)
          .optional()
          .describe('A part of the id, name or e-mail address; case is ignored.'),
      }),
      response: listOf(memberObject, 'MemberList'),
      handle: async ({ scope, query: { limit, after, ...filter } }) => {
        const found = await members.list(scope, {
          ...filter,
          limit: limit + 1,
          after: cursorOf(idCursor, after),
        });
        return { body: page(found, limit, ({ id }) => id, renderMember) };
      },
    }),
    adminRoute({
      method: 'POST',
      path: `${base}/members`,
      permission: 'members:write',
      summary: 'Add an existing user as a member',
      description:
        'Invite people without an account instead. Adding a user without an invitation needs `users:read`.',
      body: addBody,
      ...NO_QUERY,
      response: memberObject,
      status: 201,
      handle: async ({ scope, body, by, actor }) => {
        // A caller without `users:read` must not find out by trying which addresses have an account.
        assertAllowed(actor, 'users:read', scope.tenant);
        const user = await users.requireByEmail(body.email);
        const member = await members.add(
          scope,
          {
            ...{ id: user.id, kind: 'user', email: user.email, name: user.name, role: body.role },
            limits: body.limits ?? [],
          },
          by,
        );
        return { body: renderMember(member), version: member.version };
      },
    }),
    adminRoute({
      method: 'POST',
      path: `${base}/service-accounts`,
      permission: 'members:write',
      summary: 'Create a service account, which can own API keys',
      body: serviceAccountBody,
      ...NO_QUERY,
      response: memberObject,
      status: 201,
      handle: async ({ scope, body, by }) => {
        const { name, role: wanted, limits = [] } = body;
        const id = services.newId('svc');
        const kind = 'service_account';
        const member = await members.add(scope, { id, kind, email: null, name, role: wanted, limits }, by);
        return { body: renderMember(member), version: member.version };
      },
    }),
    adminRoute({
      method: 'GET',
      path: `${base}/members/:member`,
      permission: 'members:read',
      summary: 'Get a member',
      ...NO_INPUT,
      response: memberObject,
      handle: async ({ scope, params }) => {
        const member = await members.get(scope, params.member ?? '');
        return { body: renderMember(member), version: member.version };
      },
    }),
    adminRoute({
      method: 'PATCH',
      path: `${base}/members/:member`,
      permission: 'members:write',
      summary: 'Change a member’s role, status, name or limits',
      description:
        'Granting or removing the role `owner`, and changing limits of an owner, need `owners:write`.',
      body: changeBody,
      ...NO_QUERY,
      response: memberObject,
      handle: async ({ scope, params, body, seen, by }) => {
        const change: MemberChange = {
          ...(body.name === undefined ? {} : { name: body.name }),
          ...(body.role === undefined ? {} : { role: body.role }),
          ...(body.status === undefined ? {} : { status: body.status }),
          ...(body.limits === undefined ? {} : { limits: body.limits }),
        };
        const id = params.member ?? '';
        if (body.limits) await services.assertBudgets(scope, `user/${id}`, body.limits);
        const member = await members.update(scope, id, change, seen, by);
        return { body: renderMember(member), version: member.version };
      },
    }),
    adminRoute({
      method: 'DELETE',
      path: `${base}/members/:member`,
      permission: 'members:write',
      summary: 'Remove a member and revoke its API keys',
      ...NO_INPUT,
      status: 204,
      handle: async ({ scope, params, seen, by }) => {
        await members.remove(scope, params.member ?? '', seen, by);
        return {};
      },
    }),
    adminRoute({
      method: 'GET',
      path: `${base}/invitations`,
      permission: 'members:read',
      summary: 'List invitations',
      ...NO_BODY,
      query: z.object(paging),
      response: listOf(invitationObject, 'InvitationList'),
      handle: async ({ scope, query: { limit, after } }) => {
        const found = await invitations.list(scope, limit + 1, cursorOf(idCursor, after));
        return { body: page(found, limit, ({ id }) => id, renderInvitation) };
      },
    }),
    adminRoute({
      method: 'POST',
      path: `${base}/invitations`,
      permission: 'members:write',
      summary: 'Create an invitation; its token is shown once and valid for a week',
      body: z
        .strictObject({ email, role })
        .meta({ id: 'NewInvitation', example: { email: 'jo@example.com', role: 'viewer' } }),
      ...NO_QUERY,
      response: invitationObject.extend({ token: z.string() }),
      status: 201,
      handle: async ({ scope, body, by }) => {
        const { invitation, token } = await invitations.create(scope, body, by);
        return { body: { ...renderInvitation(invitation), token } };
      },
    }),
    adminRoute({
      method: 'DELETE',
      path: `${base}/invitations/:invitation`,
      permission: 'members:write',
      summary: 'Revoke an open invitation',
      ...NO_INPUT,
      status: 204,
      handle: async ({ scope, params, by }) => {
        await invitations.revoke(scope, params.invitation ?? '', by);
        return {};
      },
    }),
  ];
}
