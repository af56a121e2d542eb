import { z } from 'zod';
import { GatewayError } from '../../core/errors.ts';
import { STATUSES } from '../../tenancy/documents.ts';
import { email, personName } from '../../tenancy/names.ts';
import { holderOfUser, type Session } from '../../tenancy/sessions.ts';
import type { User, UserChange } from '../../tenancy/users.ts';
import { sessionFromRequest } from './actor-of.ts';
import { cursorOf, idCursor, listOf, page, paging, time } from './paging.ts';
import { adminRoute, NO_BODY, NO_INPUT, NO_QUERY, type RegisteredRoute } from './route.ts';
import type { AdminServices } from './services.ts';

export const password = z
  .string()
  .min(10, 'must have at least 10 characters')
  .max(200, 'has at most 200 characters');

export const userObject = z
  .object({
    id: z.string(),
    email: z.string(),
    name: z.string(),
    status: z.enum(STATUSES),
    has_password: z.boolean(),
    platform_admin: z.boolean(),
    tenants: z.record(z.string(), z.string()).describe('Roles by tenant.'),
    created_at: z.string(),
    updated_at: z.string(),
  })
  .meta({ id: 'User' });

/** A session as the API shows it. */
export const sessionObject = z
  .object({
    id: z.string(),
    current: z.boolean().describe('It sent this request.'),
    address: z.string().describe('At sign-in.'),
    agent: z.string().describe('The `User-Agent` header at sign-in.'),
    created_at: z.string(),
    last_seen_at: z.string().describe('Its last use, to the minute.'),
    expires_at: z.string(),
  })
  .meta({ id: 'UserSession' });

/** @param current id of the session that sent the request */
export function renderSession(session: Session, current: string | undefined): z.output<typeof sessionObject> {
  return {
    ...{ id: session.id, current: session.id === current, address: session.address, agent: session.agent },
    created_at: time(session.createdAt),
    last_seen_at: time(session.lastSeenAt),
    expires_at: time(session.expiresAt),
  };
}

const createBody = z
  .strictObject({
    email,
    name: personName,
    password: password
      .optional()
      .describe('Without a password, the user can sign in through an identity provider only.'),
    platform_admin: z.boolean().optional(),
  })
  .meta({ id: 'NewUser', example: { email: 'jo@example.com', name: 'Jo Doe' } });
const changeBody = z
  .strictObject({
    name: personName.optional(),
    password: password.optional(),
    status: z.enum(STATUSES).optional(),
    platform_admin: z.boolean().optional(),
  })
  .meta({ id: 'UserChange' });

export function renderUser(services: Pick<AdminServices, 'access'>, user: User): z.output<typeof userObject> {
  return {
    ...{ id: user.id, email: user.email, name: user.name, status: user.status },
    has_password: user.hasPassword,
    platform_admin: user.platformAdmin,
    tenants: Object.fromEntries(services.access.rolesOf(user.id)),
    created_at: time(user.createdAt),
    updated_at: time(user.updatedAt),
  };
}

export function userRoutes(services: AdminServices): RegisteredRoute[] {
  const { users, members, access, sessions } = services;
  const show = (user: User) => renderUser(services, user);
  return [
    adminRoute({
      method: 'GET',
      path: '/admin/v1/users',
      permission: 'users:read',
      summary: 'List users',
      ...NO_BODY,
      query: z.object({
        ...paging,
        search: z.string().max(100).optional().describe('A part of the e-mail address.'),
      }),
      response: listOf(userObject, 'UserList'),
      handle: async ({ query: { limit, after, search } }) => {
        const found = await users.list({ search, limit: limit + 1, after: cursorOf(idCursor, after) });
        return { body: page(found, limit, ({ id }) => id, show) };
      },
    }),
    adminRoute({
      method: 'POST',
      path: '/admin/v1/users',
      permission: 'users:write',
      summary: 'Create a user',
      body: createBody,
      ...NO_QUERY,
      response: userObject,
      status: 201,
      handle: async ({ body, by }) => {
        const { email: address, name, password: secret, platform_admin } = body;
        const user = await users.create(
          { email: address, name, password: secret, platformAdmin: platform_admin ?? false },
          by,
        );
        return { body: show(user), version: user.version };
      },
    }),
    adminRoute({
      method: 'GET',
      path: '/admin/v1/users/:user',
      permission: 'users:read',
      summary: 'Get a user',
      ...NO_INPUT,
      response: userObject,
      handle: async ({ params }) => {
        const user = await users.get(params.user ?? '');
        return { body: show(user), version: user.version };
      },
    }),
    adminRoute({
      method: 'PATCH',
      path: '/admin/v1/users/:user',
      permission: 'users:write',
      summary: 'Change a user’s name, status, password or platform rights',
      description: 'A new password or a suspension ends all sessions.',
      body: changeBody,
      ...NO_QUERY,
      response: userObject,
      handle: async ({ params, body, seen, by }) => {
        const change: UserChange = {
          ...(body.name === undefined ? {} : { name: body.name }),
          ...(body.status === undefined ? {} : { status: body.status }),
          ...(body.platform_admin === undefined ? {} : { platformAdmin: body.platform_admin }),
          ...(body.password === undefined ? {} : { password: body.password }),
        };
        const user = await users.update(params.user ?? '', change, seen, by);
        return { body: show(user), version: user.version };
      },
    }),
    adminRoute({
      method: 'GET',
      path: '/admin/v1/users/:user/sessions',
      permission: 'users:read',
      summary: 'List the sessions of a user, newest first',
      ...NO_INPUT,
      response: listOf(sessionObject, 'UserSessionList'),
      handle: async ({ params, httpContext }) => {
        const user = await users.get(params.user ?? '');
        const secret = sessionFromRequest(httpContext.request.headers);
        const current = secret === undefined ? undefined : await sessions.find(secret.secret);
        const data = (await sessions.list(user.id)).map((session) => renderSession(session, current?.id));
        return { body: { object: 'list', data, has_more: false, next: null } };
      },
    }),
    adminRoute({
      method: 'DELETE',
      path: '/admin/v1/users/:user/sessions/:session',
      permission: 'users:write',
      summary: 'End a session of a user, on all gateways at once',
      ...NO_INPUT,
      status: 204,
      handle: async ({ params, by }) => {
        const user = await users.get(params.user ?? '');
        await sessions.end(holderOfUser(user.id), params.session ?? '', by);
        return {};
      },
    }),
    adminRoute({
      method: 'DELETE',
      path: '/admin/v1/users/:user',
      permission: 'users:write',
      summary: 'Delete a user and all memberships',
      ...NO_INPUT,
      status: 204,
      handle: async ({ params, seen, by }) => {
        const id = params.user ?? '';
        const user = await users.get(id);
        for (const [tenant] of access.rolesOf(id)) {
          try {
            await members.remove({ tenant }, id, undefined, by);
          } catch (error) {
            if (!(error instanceof GatewayError) || error.code !== 'conflict') throw error;
            throw new GatewayError('conflict', `In the tenant "${tenant}": ${error.message}`);
          }
        }
        await users.remove(user.id, seen, by);
        return {};
      },
    }),
  ];
}
