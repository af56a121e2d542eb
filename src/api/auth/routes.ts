import { z } from 'zod';
import { GatewayError } from '../../core/errors.ts';
import type { HttpReply } from '../../core/http.ts';
import { readJsonBody } from '../../http/body.ts';
import type { Door } from '../../http/door.ts';
import type { Exchange } from '../../http/exchange.ts';
import { jsonResponse, reply } from '../../http/response.ts';
import type { SecretBox } from '../../platform/secret-box.ts';
import { presentedKey } from '../../tenancy/access-list.ts';
import type { Actor } from '../../tenancy/actor.ts';
import type { ChangeContext } from '../../tenancy/change-context.ts';
import type { IdentityProviders } from '../../tenancy/identity-providers.ts';
import type { Session } from '../../tenancy/sessions.ts';
import { Tokens } from '../../tenancy/tokens.ts';
import type { User } from '../../tenancy/users.ts';
import { assertOwnPage, presentedSession, SESSION_COOKIE } from '../admin/actor-of.ts';
import { time } from '../admin/paging.ts';
import type { AdminServices } from '../admin/services.ts';
import { showUser } from '../admin/users.ts';
import { authenticate } from '../authenticate.ts';
import type { ApiServices } from '../services.ts';
import { validate } from '../validation.ts';
import { acceptBody, passwordBody, signInBody, type tokenAnswer, tokenBody } from './schemas.ts';
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
export function addAuthRoutes(door: Door, services: AuthServices): void {
  const { api, admin, providers, box } = services;
  const { users, sessions, members, invitations, clock } = admin;
  const throttle = new SignInThrottle(clock);
  const json = (exchange: Exchange, status: number, body: unknown, headers: Record<string, string> = {}) =>
    jsonResponse(exchange.request, status, JSON.stringify(body), headers);
  const bodyOf = async (exchange: Exchange) => (await readJsonBody(exchange.request, admin.bodyLimit())).json;
  const secure = (exchange: Exchange) =>
    (services.publicUrl() ?? exchange.request.url).startsWith('https:') ? '; Secure' : '';
  const cookie = (exchange: Exchange, name: string, value: string, seconds: number, path = '/') =>
    `${name}=${value}; Path=${path}; HttpOnly; SameSite=Lax; Max-Age=${seconds}${secure(exchange)}`;
  const actorOf = ({ id, name, platformAdmin }: User): Actor => ({
    ...{ id: `user:${id}`, name, platform: platformAdmin, roles: admin.access.rolesOf(id), member: id },
  });
  const by = (exchange: Exchange, actor: Actor): ChangeContext => ({
    ...{ actor, address: admin.addressOf(exchange), requestId: exchange.requestId },
  });
  const begin = async (exchange: Exchange, user: User) => {
    const agent = exchange.request.headers.get('user-agent') ?? '';
    return sessions.begin(user.id, admin.addressOf(exchange), agent);
  };
  const signedInAnswer = async (exchange: Exchange, user: User, status = 200) => {
    const { session, secret } = await begin(exchange, user);
    const seconds = Math.floor((session.expiresAt - session.createdAt) / 1000);
    const body = { user: showUser(admin, user), session: secret, expires_at: time(session.expiresAt) };
    return json(exchange, status, body, { 'set-cookie': cookie(exchange, SESSION_COOKIE, secret, seconds) });
  };
  const current = async (exchange: Exchange): Promise<{ readonly user: User; readonly session: Session }> => {
    const presented = presentedSession(exchange.request.headers);
    const session = presented && (await sessions.find(presented.secret));
    if (!session) throw new GatewayError('invalid_api_key', 'You are not signed in.');
    if (presented.byBrowser) assertOwnPage(exchange);
    return { session, user: await users.get(session.user) };
  };
  const route = (
    method: 'GET' | 'POST' | 'DELETE',
    path: string,
    handle: (exchange: Exchange) => Promise<HttpReply>,
  ) =>
    door.route(method, path, (exchange) =>
      handle(exchange).catch((error: unknown) => {
        throw admin.asClientError(error);
      }),
    );

  route('POST', '/v1/auth/sign-in', async (exchange) => {
    const { email: address, password: secret } = validate(signInBody, await bodyOf(exchange));
    const names = [`person ${address}`, `address ${admin.addressOf(exchange)}`];
    throttle.assertOpen(...names);
    const user = await users.withPassword(address, secret);
    if (!user) {
      throttle.failed(...names);
      throw new GatewayError('invalid_api_key', 'The address or the password is not right.');
    }
    return signedInAnswer(exchange, user);
  });

  route('POST', '/v1/auth/sign-out', async (exchange) => {
    const { user, session } = await current(exchange);
    await sessions.end(user.id, session.id);
    return json(
      exchange,
      200,
      { signed_out: true },
      { 'set-cookie': cookie(exchange, SESSION_COOKIE, '', 0) },
    );
  });

  route('GET', '/v1/auth/session', async (exchange) => {
    const { user, session } = await current(exchange);
    return json(exchange, 200, { user: showUser(admin, user), expires_at: time(session.expiresAt) });
  });

  route('GET', '/v1/auth/sessions', async (exchange) => {
    const { user, session } = await current(exchange);
    const data = (await sessions.list(user.id)).map((one) => ({
      ...{ id: one.id, current: one.id === session.id, address: one.address, agent: one.agent },
      created_at: time(one.createdAt),
      last_seen_at: time(one.lastSeenAt),
      expires_at: time(one.expiresAt),
    }));
    return json(exchange, 200, { object: 'list', data });
  });

  route('DELETE', '/v1/auth/sessions/:session', async (exchange) => {
    const { user } = await current(exchange);
    await sessions.end(user.id, exchange.params.session ?? '');
    return json(exchange, 200, { ended: true });
  });

  route('POST', '/v1/auth/password', async (exchange) => {
    const { user } = await current(exchange);
    const { current: old, password: wanted } = validate(passwordBody, await bodyOf(exchange));
    if (user.hasPassword) {
      throttle.assertOpen(`person ${user.email}`);
      if (old === undefined || !(await users.withPassword(user.email, old))) {
        throttle.failed(`person ${user.email}`);
        throw new GatewayError('permission_denied', 'The current password is not right.', {
          param: 'current',
        });
      }
    }
    const changed = await users.update(user.id, { password: wanted }, undefined, by(exchange, actorOf(user)));
    return signedInAnswer(exchange, changed);
  });

  route('POST', '/v1/auth/invitations/accept', async (exchange) => {
    const { token, name, password: secret } = validate(acceptBody, await bodyOf(exchange));
    const presented = presentedSession(exchange.request.headers);
    const context = { address: admin.addressOf(exchange), requestId: exchange.requestId };
    if (presented) {
      const { user } = await current(exchange);
      const { tenant, member } = await invitations.accept(token, { kind: 'user', user }, context);
      return json(exchange, 200, { tenant, role: member.role });
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
    return signedInAnswer(exchange, user, 201);
  });

  route('GET', '/v1/auth/providers', async (exchange) => {
    const data = providers.list().map(({ id, name }) => ({ id, name, url: `/v1/auth/oidc/${id}` }));
    return json(exchange, 200, { object: 'list', data });
  });

  const callbackOf = (exchange: Exchange, id: string) => {
    const base = services.publicUrl() ?? new URL(exchange.request.url).origin;
    return new URL(`/v1/auth/oidc/${id}/callback`, base);
  };
  const redirect = (location: string, cookies: readonly string[]) =>
    reply(302, null, { location, 'set-cookie': cookies });

  route('GET', '/v1/auth/oidc/:provider', async (exchange) => {
    const id = exchange.params.provider ?? '';
    const { url, attempt } = await providers.begin(id, callbackOf(exchange, id).href);
    const sealed = encodeURIComponent(box.seal(JSON.stringify(attempt)));
    return redirect(url, [cookie(exchange, ATTEMPT_COOKIE, sealed, ATTEMPT_SECONDS, '/v1/auth/oidc')]);
  });

  route('GET', '/v1/auth/oidc/:provider/callback', async (exchange) => {
    const id = exchange.params.provider ?? '';
    const attempt = attemptIn(exchange.request.headers.get('cookie') ?? '', box);
    if (attempt?.provider !== id) {
      throw new GatewayError(
        'permission_denied',
        'This does not belong to a sign-in that was begun in this browser.',
      );
    }
    const callback = callbackOf(exchange, id);
    callback.search = new URL(exchange.request.url).search;
    const identity = await providers.finish(attempt, callback);
    const itself: Actor = { id: 'weir', name: 'Weir', platform: true, roles: new Map(), member: undefined };
    const user = await userOfIdentity({ users, members }, identity, providers.get(id), by(exchange, itself));
    const { session, secret } = await begin(exchange, user);
    const seconds = Math.floor((session.expiresAt - session.createdAt) / 1000);
    return redirect(CONSOLE, [
      cookie(exchange, SESSION_COOKIE, secret, seconds),
      cookie(exchange, ATTEMPT_COOKIE, '', 0, '/v1/auth/oidc'),
    ]);
  });

  route('POST', '/v1/auth/token', async (exchange) => {
    const principal = await authenticate(api, exchange);
    const secret = presentedKey(exchange.request.headers) ?? '';
    if (Tokens.isToken(secret)) {
      throw new GatewayError(
        'permission_denied',
        'A token can not be exchanged for another: send the API key.',
      );
    }
    const { expires_in } = validate(
      tokenBody,
      exchange.request.headers.get('content-length') === null ||
        exchange.request.headers.get('content-length') === '0'
        ? {}
        : await bodyOf(exchange),
    );
    const lifetime = Math.min(services.tokenLifetimeMs(), (expires_in ?? Number.POSITIVE_INFINITY) * 1000);
    const { token } = await api.tokens.issue(principal.tenant, principal.keyId, lifetime);
    const answer: z.output<typeof tokenAnswer> = {
      ...{ access_token: token, token_type: 'Bearer', expires_in: Math.floor(lifetime / 1000) },
    };
    return json(exchange, 200, answer);
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
