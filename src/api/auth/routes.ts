import type { z } from 'zod';
import { GatewayError } from '../../core/errors.ts';
import type { HttpResponse } from '../../core/http.ts';
import { readJsonBody } from '../../http/body.ts';
import type { HttpContext } from '../../http/http-context.ts';
import type { HttpRouter } from '../../http/http-router.ts';
import { type RouteAccess, SMALL_BODY } from '../../http/route-policy.ts';
import { sha256Hex } from '../../platform/hash.ts';
import type { Invitee } from '../../tenancy/invitations.ts';
import { keyFromRequest } from '../../tenancy/request-key.ts';
import type { Session } from '../../tenancy/sessions.ts';
import { Tokens } from '../../tenancy/tokens.ts';
import type { User } from '../../tenancy/users.ts';
import { SESSION_COOKIE, sessionFromRequest, signedInUser } from '../admin/actor-of.ts';
import { time } from '../admin/paging.ts';
import { renderUser } from '../admin/users.ts';
import { validate } from '../validation.ts';
import { AuthContext, type AuthServices } from './auth-context.ts';
import { addOidcRoutes } from './oidc-routes.ts';
import { acceptBody, passwordBody, signInBody, tokenBody, type tokenResponse } from './schemas.ts';

interface SignedIn {
  readonly user: User;
  readonly session: Session;
}

/** Signing in and out, sessions, tokens, and accepting invitations. */
export function addAuthRoutes(router: HttpRouter, services: AuthServices): void {
  const { api, admin, attempts } = services;
  const { users, sessions, invitations } = admin;
  const { credentials, clientOf } = api;
  const context = new AuthContext(router, services);
  const { route, json, cookie, by, actorOf, beginSession, recordRejection } = context;

  const bodyOf = async ({ request, bodyLimit }: HttpContext) => (await readJsonBody(request, bodyLimit)).json;
  const signedInResponse = async (
    httpContext: HttpContext,
    user: User,
    method: string,
    status = 200,
  ): Promise<HttpResponse> => {
    const { secret, seconds, expiresAt } = await beginSession(httpContext, user, method);
    const body = { user: renderUser(admin, user), session: secret, expires_at: time(expiresAt) };
    return json(httpContext, status, body, {
      'set-cookie': cookie(httpContext, SESSION_COOKIE, secret, seconds),
    });
  };
  /** @throws GatewayError `rate_limit_exceeded` when too many attempts have failed; `wrong` for a wrong password */
  const proved = (httpContext: HttpContext, email: string, password: string, wrong: GatewayError) => {
    const client = clientOf(httpContext);
    const credential = { client, kind: 'password', wrong: [wrong.code, 'rate_limit_exceeded'] } as const;
    return credentials
      .runAsync(credential, async () => {
        const attempt = await attempts.begin(email, client);
        const user = await users.withPassword(email, password);
        if (!user) throw wrong;
        await attempt.succeeded();
        return user;
      })
      .catch((error: unknown) => recordRejection(httpContext, `email:${email}`, 'password', error));
  };

  /** For callers that present a credential in the body: it is not read from clients whose credentials are not checked. */
  const open: RouteAccess<undefined> = {
    name: 'anyone',
    admit: (httpContext) => {
      credentials.assertOpen(clientOf(httpContext), 'password');
      return undefined;
    },
  };
  const signedIn: RouteAccess<SignedIn> = {
    name: 'session',
    admit: async (httpContext) => {
      const signedInAs = await signedInUser(api, admin, httpContext);
      httpContext.request.chargeTo(`user:${signedInAs.user.id}`);
      return signedInAs;
    },
  };

  route('POST', '/v1/auth/sign-in', { access: open, body: SMALL_BODY }, async (httpContext) => {
    const { email, password } = validate(signInBody, await bodyOf(httpContext));
    const wrong = new GatewayError('invalid_api_key', 'The address or the password is not right.', {
      shownCode: 'invalid_credentials',
    });
    return signedInResponse(httpContext, await proved(httpContext, email, password, wrong), 'password');
  });

  route('POST', '/v1/auth/sign-out', { access: signedIn }, async (httpContext, { user, session }) => {
    await sessions.end(user.id, session.id, by(httpContext, actorOf(user)));
    const removed = { 'set-cookie': cookie(httpContext, SESSION_COOKIE, '', 0) };
    return json(httpContext, 200, { signed_out: true }, removed);
  });

  route('GET', '/v1/auth/session', { access: signedIn }, async (httpContext, { user, session }) =>
    json(httpContext, 200, { user: renderUser(admin, user), expires_at: time(session.expiresAt) }),
  );

  route('GET', '/v1/auth/sessions', { access: signedIn }, async (httpContext, { user, session }) => {
    const data = (await sessions.list(user.id)).map((one) => ({
      ...{ id: one.id, current: one.id === session.id, address: one.address, agent: one.agent },
      created_at: time(one.createdAt),
      last_seen_at: time(one.lastSeenAt),
      expires_at: time(one.expiresAt),
    }));
    return json(httpContext, 200, { object: 'list', data });
  });

  route('DELETE', '/v1/auth/sessions/:session', { access: signedIn }, async (httpContext, { user }) => {
    await sessions.end(user.id, httpContext.params.session ?? '', by(httpContext, actorOf(user)));
    return json(httpContext, 200, { ended: true });
  });

  route(
    'POST',
    '/v1/auth/password',
    { access: signedIn, body: SMALL_BODY },
    async (httpContext, { user }) => {
      const { current, password } = validate(passwordBody, await bodyOf(httpContext));
      if (user.hasPassword) {
        const wrong = new GatewayError('permission_denied', 'The current password is not right.', {
          param: 'current',
        });
        if (current === undefined) throw wrong;
        await proved(httpContext, user.email, current, wrong);
      }
      const changed = await users.update(user.id, { password }, undefined, by(httpContext, actorOf(user)));
      return signedInResponse(httpContext, changed, 'password');
    },
  );

  route('POST', '/v1/auth/invitations/accept', { access: open, body: SMALL_BODY }, async (httpContext) => {
    const { token, name, password } = validate(acceptBody, await bodyOf(httpContext));
    const client = clientOf(httpContext);
    const origin = { address: admin.addressOf(httpContext), requestId: httpContext.requestId };
    const accept = (invitee: Invitee) =>
      credentials.runAsync(
        { client, kind: 'invitation', fingerprint: sha256Hex(token), wrong: ['not_found'] },
        () => invitations.accept(token, invitee, origin),
      );
    if (sessionFromRequest(httpContext.request.headers)) {
      const { user } = await signedIn.admit(httpContext);
      const { tenant, member } = await accept({ kind: 'user', user });
      return json(httpContext, 200, { tenant, role: member.role });
    }
    if (name === undefined || password === undefined) {
      throw new GatewayError(
        'invalid_request',
        'Sign in first, or give a "name" and a "password" to begin with.',
        { param: name === undefined ? 'name' : 'password' },
      );
    }
    const { user } = await accept({ kind: 'new', name, password });
    return signedInResponse(httpContext, user, 'invitation', 201);
  });

  route(
    'POST',
    '/v1/auth/token',
    { access: api.callers.key, body: SMALL_BODY },
    async (httpContext, { tenant, keyId }) => {
      const { headers } = httpContext.request;
      if (Tokens.isToken(keyFromRequest(headers) ?? '')) {
        throw new GatewayError(
          'permission_denied',
          'A token cannot be exchanged for another. Send the API key.',
        );
      }
      const length = headers.get('content-length');
      const isEmpty = length === null ? !headers.has('transfer-encoding') : length === '0';
      const { expires_in } = validate(tokenBody, isEmpty ? {} : await bodyOf(httpContext));
      const lifetime = Math.min(services.tokenLifetimeMs(), (expires_in ?? Number.POSITIVE_INFINITY) * 1000);
      const { token } = await api.tokens.issue(tenant, keyId, lifetime);
      const issued: z.output<typeof tokenResponse> = {
        ...{ access_token: token, token_type: 'Bearer', expires_in: Math.floor(lifetime / 1000) },
      };
      return json(httpContext, 200, issued);
    },
  );

  addOidcRoutes(context);
}
