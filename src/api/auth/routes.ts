import { z } from 'zod';
import { GatewayError } from '../../core/errors.ts';
import type { HttpResponse } from '../../core/http.ts';
import { readJsonBody } from '../../http/body.ts';
import type { HttpContext } from '../../http/http-context.ts';
import type { HttpRouter } from '../../http/http-router.ts';
import { httpResponse, jsonResponse } from '../../http/response.ts';
import type { SecretBox } from '../../platform/secret-box.ts';
import { keyFromRequest } from '../../tenancy/access-list.ts';
import type { Actor } from '../../tenancy/actor.ts';
import type { ChangeContext } from '../../tenancy/change-context.ts';
import type { IdentityProviders } from '../../tenancy/identity-providers.ts';
import type { Session } from '../../tenancy/sessions.ts';
import { Tokens } from '../../tenancy/tokens.ts';
import type { User } from '../../tenancy/users.ts';
import { assertSameOrigin, SESSION_COOKIE, sessionFromRequest } from '../admin/actor-of.ts';
import { time } from '../admin/paging.ts';
import type { AdminServices } from '../admin/services.ts';
import { renderUser } from '../admin/users.ts';
import { authenticate } from '../authenticate.ts';
import type { ApiServices } from '../services.ts';
import { validate } from '../validation.ts';
import { acceptBody, passwordBody, signInBody, tokenBody, type tokenResponse } from './schemas.ts';
import { SignInThrottle, userOfIdentity } from './sign-in.ts';

const ATTEMPT_COOKIE = 'weir_sign_in';
const ATTEMPT_SECONDS = 600;
const CONSOLE = '/console';

export interface AuthServices {
  readonly api: ApiServices;
  readonly admin: AdminServices;
  readonly providers: IdentityProviders;
  readonly box: SecretBox;
  /** Milliseconds. */
  readonly tokenLifetimeMs: () => number;
  /** Where people reach this gateway. */
  readonly publicUrl: () => string | null;
}

/** Signing in and out, sessions, tokens, and accepting invitations. */
export function addAuthRoutes(router: HttpRouter, services: AuthServices): void {
  const { api, admin, providers, box } = services;
  const { users, sessions, members, invitations, clock } = admin;
  const throttle = new SignInThrottle(clock);
  const json = (
    httpContext: HttpContext,
    status: number,
    body: unknown,
    headers: Record<string, string> = {},
  ) => jsonResponse(httpContext.request, status, JSON.stringify(body), headers);
  const bodyOf = async (httpContext: HttpContext) =>
    (await readJsonBody(httpContext.request, admin.bodyLimit())).json;
  const secure = (httpContext: HttpContext) =>
    (services.publicUrl() ?? httpContext.request.url).startsWith('https:') ? '; Secure' : '';
  const cookie = (httpContext: HttpContext, name: string, value: string, seconds: number, path = '/') =>
    `${name}=${value}; Path=${path}; HttpOnly; SameSite=Lax; Max-Age=${seconds}${secure(httpContext)}`;
  const actorOf = ({ id, name, platformAdmin }: User): Actor => ({
    ...{ id: `user:${id}`, name, platform: platformAdmin, roles: admin.access.rolesOf(id), member: id },
  });
  const by = (httpContext: HttpContext, actor: Actor): ChangeContext => ({
    ...{ actor, address: admin.addressOf(httpContext), requestId: httpContext.requestId },
  });
  const begin = async (httpContext: HttpContext, user: User) => {
    const agent = httpContext.request.headers.get('user-agent') ?? '';
    return sessions.begin(user.id, admin.addressOf(httpContext), agent);
  };
  const signedInResponse = async (httpContext: HttpContext, user: User, status = 200) => {
    const { session, secret } = await begin(httpContext, user);
    const seconds = Math.floor((session.expiresAt - session.createdAt) / 1000);
    const body = { user: renderUser(admin, user), session: secret, expires_at: time(session.expiresAt) };
    return json(httpContext, status, body, {
      'set-cookie': cookie(httpContext, SESSION_COOKIE, secret, seconds),
    });
  };
  const current = async (
    httpContext: HttpContext,
  ): Promise<{ readonly user: User; readonly session: Session }> => {
    const presented = sessionFromRequest(httpContext.request.headers);
    const session = presented && (await sessions.find(presented.secret));
    if (!session) throw new GatewayError('invalid_api_key', 'You are not signed in.');
    if (presented.byBrowser) assertSameOrigin(httpContext);
    return { session, user: await users.get(session.user) };
  };
  const route = (
    method: 'GET' | 'POST' | 'DELETE',
    path: string,
    handle: (httpContext: HttpContext) => Promise<HttpResponse>,
  ) => router.route(method, path, handle);

  route('POST', '/v1/auth/sign-in', async (httpContext) => {
    const { email: address, password: secret } = validate(signInBody, await bodyOf(httpContext));
    const names = [`person ${address}`, `address ${admin.addressOf(httpContext)}`];
    throttle.assertOpen(...names);
    const user = await users.withPassword(address, secret);
    if (!user) {
      throttle.failed(...names);
      throw new GatewayError('invalid_api_key', 'The address or the password is not right.');
    }
    return signedInResponse(httpContext, user);
  });

  route('POST', '/v1/auth/sign-out', async (httpContext) => {
    const { user, session } = await current(httpContext);
    await sessions.end(user.id, session.id);
    return json(
      httpContext,
      200,
      { signed_out: true },
      { 'set-cookie': cookie(httpContext, SESSION_COOKIE, '', 0) },
    );
  });

  route('GET', '/v1/auth/session', async (httpContext) => {
    const { user, session } = await current(httpContext);
    return json(httpContext, 200, { user: renderUser(admin, user), expires_at: time(session.expiresAt) });
  });

  route('GET', '/v1/auth/sessions', async (httpContext) => {
    const { user, session } = await current(httpContext);
    const data = (await sessions.list(user.id)).map((one) => ({
      ...{ id: one.id, current: one.id === session.id, address: one.address, agent: one.agent },
      created_at: time(one.createdAt),
      last_seen_at: time(one.lastSeenAt),
      expires_at: time(one.expiresAt),
    }));
    return json(httpContext, 200, { object: 'list', data });
  });

  route('DELETE', '/v1/auth/sessions/:session', async (httpContext) => {
    const { user } = await current(httpContext);
    await sessions.end(user.id, httpContext.params.session ?? '');
    return json(httpContext, 200, { ended: true });
  });

  route('POST', '/v1/auth/password', async (httpContext) => {
    const { user } = await current(httpContext);
    const { current: old, password: wanted } = validate(passwordBody, await bodyOf(httpContext));
    if (user.hasPassword) {
      throttle.assertOpen(`person ${user.email}`);
      if (old === undefined || !(await users.withPassword(user.email, old))) {
        throttle.failed(`person ${user.email}`);
        throw new GatewayError('permission_denied', 'The current password is not right.', {
          param: 'current',
        });
      }
    }
    const changed = await users.update(
      user.id,
      { password: wanted },
      undefined,
      by(httpContext, actorOf(user)),
    );
    return signedInResponse(httpContext, changed);
  });

  route('POST', '/v1/auth/invitations/accept', async (httpContext) => {
    const { token, name, password: secret } = validate(acceptBody, await bodyOf(httpContext));
    const presented = sessionFromRequest(httpContext.request.headers);
    const context = { address: admin.addressOf(httpContext), requestId: httpContext.requestId };
    if (presented) {
      const { user } = await current(httpContext);
      const { tenant, member } = await invitations.accept(token, { kind: 'user', user }, context);
      return json(httpContext, 200, { tenant, role: member.role });
    }
    if (name === undefined || secret === undefined) {
      throw new GatewayError(
        'invalid_request',
        'Sign in first, or give a "name" and a "password" to begin with.',
        {
          param: name === undefined ? 'name' : 'password',
        },
      );
    }
    const { user } = await invitations.accept(token, { kind: 'new', name, password: secret }, context);
    return signedInResponse(httpContext, user, 201);
  });

  route('GET', '/v1/auth/providers', async (httpContext) => {
    const data = providers.list().map(({ id, name }) => ({ id, name, url: `/v1/auth/oidc/${id}` }));
    return json(httpContext, 200, { object: 'list', data });
  });

  const callbackOf = (httpContext: HttpContext, id: string) => {
    const base = services.publicUrl() ?? new URL(httpContext.request.url).origin;
    return new URL(`/v1/auth/oidc/${id}/callback`, base);
  };
  const redirect = (location: string, cookies: readonly string[]) =>
    httpResponse(302, null, { location, 'set-cookie': cookies });

  route('GET', '/v1/auth/oidc/:provider', async (httpContext) => {
    const id = httpContext.params.provider ?? '';
    const { url, attempt } = await providers.begin(id, callbackOf(httpContext, id).href);
    const sealed = encodeURIComponent(box.seal(JSON.stringify(attempt)));
    return redirect(url, [cookie(httpContext, ATTEMPT_COOKIE, sealed, ATTEMPT_SECONDS, '/v1/auth/oidc')]);
  });

  route('GET', '/v1/auth/oidc/:provider/callback', async (httpContext) => {
    const id = httpContext.params.provider ?? '';
    const attempt = attemptIn(httpContext.request.headers.get('cookie') ?? '', box);
    if (attempt?.provider !== id) {
      throw new GatewayError(
        'permission_denied',
        'This does not belong to a sign-in that was begun in this browser.',
      );
    }
    const callback = callbackOf(httpContext, id);
    callback.search = new URL(httpContext.request.url).search;
    const identity = await providers.finish(attempt, callback);
    const itself: Actor = { id: 'weir', name: 'Weir', platform: true, roles: new Map(), member: undefined };
    const user = await userOfIdentity(
      { users, members },
      identity,
      providers.get(id),
      by(httpContext, itself),
    );
    const { session, secret } = await begin(httpContext, user);
    const seconds = Math.floor((session.expiresAt - session.createdAt) / 1000);
    return redirect(CONSOLE, [
      cookie(httpContext, SESSION_COOKIE, secret, seconds),
      cookie(httpContext, ATTEMPT_COOKIE, '', 0, '/v1/auth/oidc'),
    ]);
  });

  route('POST', '/v1/auth/token', async (httpContext) => {
    const principal = await authenticate(api, httpContext);
    const secret = keyFromRequest(httpContext.request.headers) ?? '';
    if (Tokens.isToken(secret)) {
      throw new GatewayError(
        'permission_denied',
        'A token cannot be exchanged for another. Send the API key.',
      );
    }
    const { expires_in } = validate(
      tokenBody,
      httpContext.request.headers.get('content-length') === null ||
        httpContext.request.headers.get('content-length') === '0'
        ? {}
        : await bodyOf(httpContext),
    );
    const lifetime = Math.min(services.tokenLifetimeMs(), (expires_in ?? Number.POSITIVE_INFINITY) * 1000);
    const { token } = await api.tokens.issue(principal.tenant, principal.keyId, lifetime);
    const answer: z.output<typeof tokenResponse> = {
      ...{ access_token: token, token_type: 'Bearer', expires_in: Math.floor(lifetime / 1000) },
    };
    return json(httpContext, 200, answer);
  });
}

const attemptCookie = z.object({
  provider: z.string(),
  state: z.string(),
  nonce: z.string(),
  verifier: z.string(),
  expiresAt: z.number(),
});

/** What this browser was given to remember; nothing when it was changed, or is of another installation. */
function attemptIn(cookies: string, box: SecretBox) {
  const value = new RegExp(`(?:^|;\\s*)${ATTEMPT_COOKIE}=([^;]+)`).exec(cookies)?.[1];
  if (value === undefined) return undefined;
  try {
    return attemptCookie.parse(JSON.parse(box.open(decodeURIComponent(value))));
  } catch {
    // Forged or damaged: as good as none.
    return undefined;
  }
}
