import type { z } from 'zod';
import { GatewayError } from '../../core/errors.ts';
import type { HttpResponse } from '../../core/http.ts';
import { readJsonBody } from '../../http/body.ts';
import { clientAddress } from '../../http/client-address.ts';
import type { HttpContext } from '../../http/http-context.ts';
import type { HttpRouter } from '../../http/http-router.ts';
import { type RouteAccess, SMALL_BODY } from '../../http/route-policy.ts';
import { sha256Hex } from '../../platform/hash.ts';
import type { Invitee } from '../../tenancy/invitations.ts';
import { keyFromRequest, missingKey } from '../../tenancy/request-key.ts';
import { holderOfUser, type Session } from '../../tenancy/sessions.ts';
import { Tokens } from '../../tenancy/tokens.ts';
import type { User } from '../../tenancy/users.ts';
import { changeContext, keyActor } from '../admin/access.ts';
import {
  actorOfAdminKey,
  SESSION_COOKIE,
  type SignedIn,
  sessionFromRequest,
  signedIn,
} from '../admin/actor-of.ts';
import { time } from '../admin/paging.ts';
import { renderSession, renderUser } from '../admin/users.ts';
import { validate } from '../validation.ts';
import { AuthContext, type AuthServices } from './auth-context.ts';
import { addOidcRoutes } from './oidc-routes.ts';
import {
  acceptBody,
  keySignIn,
  passwordBody,
  passwordSignIn,
  type signedIn as signedInObject,
  tokenBody,
  type tokenResponse,
} from './schemas.ts';

interface SignedInUser {
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
    const begun = await beginSession(httpContext, holderOfUser(user.id), actorOf(user), method);
    return sessionResponse(httpContext, status, renderUser(admin, user), begun);
  };
  const sessionResponse = (
    httpContext: HttpContext,
    status: number,
    user: z.output<typeof signedInObject>['user'],
    { secret, seconds, expiresAt }: Awaited<ReturnType<typeof beginSession>>,
  ) => {
    const body: z.output<typeof signedInObject> = { user, session: secret, expires_at: time(expiresAt) };
    const set = { 'set-cookie': cookie(httpContext, SESSION_COOKIE, secret, seconds) };
    return json(httpContext, status, body, set);
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

  /** @throws GatewayError `invalid_api_key` for a wrong key, `permission_denied` for one that is no admin key */
  const signInWithKey = async (httpContext: HttpContext, secret: string): Promise<HttpResponse> => {
    const address = () => clientAddress(httpContext, api.snapshot().isProxy);
    const client = clientOf(httpContext);
    const credential = { client, kind: 'key', fingerprint: sha256Hex(secret) } as const;
    const key = await credentials
      .runAsync(credential, async () => {
        const principal = api.access.authenticate(secret, address);
        if (principal.kind === 'admin') return principal;
        throw new GatewayError(
          'permission_denied',
          'This key is for models. Sign in with the admin key, or with an e-mail address and a password.',
        );
      })
      .catch((error: unknown) => recordRejection(httpContext, 'key', 'key', error));
    const holder = sessions.holderOfKey(secret, key.keyId);
    const begun = await beginSession(httpContext, holder, actorOfAdminKey(key), 'admin key');
    return sessionResponse(httpContext, 200, null, begun);
  };

  /** For callers that present a credential in the body: it is not read from clients whose credentials are not checked. */
  const open: RouteAccess<undefined> = {
    name: 'anyone',
    admit: (httpContext) => {
      credentials.assertOpen(clientOf(httpContext), 'password');
      return undefined;
    },
  };
  const anySession: RouteAccess<SignedIn> = {
    name: 'session',
    admit: async (httpContext) => {
      const found = await signedIn(api, admin, httpContext);
      httpContext.request.chargeTo(found.user ? `user:${found.user.id}` : `key:${found.key.keyId}`);
      return found;
    },
  };
  const userSession: RouteAccess<SignedInUser> = {
    name: 'session of a user',
    admit: async (httpContext) => {
      const { session, user } = await anySession.admit(httpContext);
      if (user) return { session, user };
      throw new GatewayError('permission_denied', 'This session belongs to an admin key, not to a user.');
    },
  };

  route('POST', '/v1/auth/sign-in', { access: open, body: SMALL_BODY }, async (httpContext) => {
    const given = await bodyOf(httpContext);
    if ('key' in given) return signInWithKey(httpContext, validate(keySignIn, given).key);
    const { email, password } = validate(passwordSignIn, given);
    const wrong = new GatewayError('invalid_api_key', 'The address or the password is not right.', {
      shownCode: 'invalid_credentials',
    });
    const user = await proved(httpContext, email, password, wrong);
    return signedInResponse(httpContext, user, 'password');
  });

  route('POST', '/v1/auth/sign-out', { access: anySession }, async (httpContext, { session, user, key }) => {
    const holder = { id: session.holder, subject: user ? `user:${user.id}` : `key:${key.keyId}` };
    const actor = user ? actorOf(user) : actorOfAdminKey(key);
    await sessions.end(holder, session.id, by(httpContext, actor));
    const removed = { 'set-cookie': cookie(httpContext, SESSION_COOKIE, '', 0) };
    return json(httpContext, 200, { signed_out: true }, removed);
  });

  route('GET', '/v1/auth/session', { access: anySession }, async (httpContext, { user, session }) => {
    const shown = user ? renderUser(admin, user) : null;
    return json(httpContext, 200, { user: shown, expires_at: time(session.expiresAt) });
  });

  route('GET', '/v1/auth/sessions', { access: userSession }, async (httpContext, { user, session }) => {
    const data = (await sessions.list(user.id)).map((one) => renderSession(one, session.id));
    return json(httpContext, 200, { object: 'list', data });
  });

  route('DELETE', '/v1/auth/sessions/:session', { access: userSession }, async (httpContext, { user }) => {
    const id = httpContext.params.session ?? '';
    await sessions.end(holderOfUser(user.id), id, by(httpContext, actorOf(user)));
    return json(httpContext, 200, { ended: true });
  });

  route(
    'POST',
    '/v1/auth/password',
    { access: userSession, body: SMALL_BODY },
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
      const { user } = await userSession.admit(httpContext);
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
    async (httpContext, principal) => {
      const { tenant, keyId } = principal;
      const { headers } = httpContext.request;
      const secret = keyFromRequest(headers);
      if (secret === undefined) throw missingKey(headers);
      if (Tokens.isToken(secret)) {
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
      const by = changeContext(api, httpContext, keyActor(principal));
      await api.auditQueue.record(tenant, by, 'token.create', `key:${keyId}`, { lifetime_ms: lifetime });
      const issued: z.output<typeof tokenResponse> = {
        ...{ access_token: token, token_type: 'Bearer', expires_in: Math.floor(lifetime / 1000) },
      };
      return json(httpContext, 200, issued);
    },
  );

  addOidcRoutes(context);
}
