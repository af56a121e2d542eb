import { z } from 'zod';
import { GatewayError } from '../../core/errors.ts';
import type { HttpContext } from '../../http/http-context.ts';
import { queryOf } from '../../http/query.ts';
import { httpResponse } from '../../http/response.ts';
import { ANYONE } from '../../http/route-policy.ts';
import type { SecretBox } from '../../platform/secret-box.ts';
import type { Actor } from '../../tenancy/actor.ts';
import { holderOfUser } from '../../tenancy/sessions.ts';
import { SESSION_COOKIE } from '../admin/actor-of.ts';
import type { AuthContext } from './auth-context.ts';
import { userOfIdentity } from './sign-in.ts';

const ATTEMPT_COOKIE = 'weir_sign_in';
const ATTEMPT_SECONDS = 600;
const BASE = '/v1/auth/oidc';
const CONSOLE = '/console';

/** Where a sign-in begins, and where the provider sends the browser back to. */
interface SignInPaths {
  readonly begin: string;
  readonly callback: string;
  /** Of the cookie that binds both to one browser. */
  readonly cookie: string;
  /** @returns the callback's path for a provider */
  readonly callbackOf: (provider: string) => string;
}

/** The second pair has the paths of other platforms: redirect URLs that are registered stay valid. */
const PATHS: readonly SignInPaths[] = [
  {
    begin: `${BASE}/:provider`,
    callback: `${BASE}/:provider/callback`,
    cookie: BASE,
    callbackOf: (provider) => `${BASE}/${provider}/callback`,
  },
  {
    begin: '/login/:provider',
    callback: '/auth/callback/:provider',
    cookie: '/auth/callback',
    callbackOf: (provider) => `/auth/callback/${provider}`,
  },
];

/** The actor of users and memberships that a first sign-in creates. */
const WEIR: Actor = { id: 'weir', name: 'Weir', platform: true, roles: new Map(), member: undefined };

/** Sign-in through identity providers: the redirect to the provider, and the callback from it. */
export function addOidcRoutes(context: AuthContext): void {
  const { services, route, json, cookie, originOf, beginSession, recordRejection, by, actorOf } = context;
  const { api, admin, providers, box, attempts } = services;
  const policy = { access: ANYONE };
  const callbackOf = (httpContext: HttpContext, paths: SignInPaths, id: string) => {
    const base = originOf(httpContext);
    if (base !== undefined) return new URL(paths.callbackOf(id), base);
    throw new GatewayError('invalid_request', 'The header "host" is not the host of a URL.', {
      param: 'host',
    });
  };
  const redirect = (location: string, cookies: readonly string[]) =>
    httpResponse(302, null, { location, 'set-cookie': cookies });

  route('GET', '/v1/auth/providers', policy, async (httpContext) => {
    const data = providers.list().map(({ id, name }) => ({ id, name, url: `${BASE}/${id}` }));
    return json(httpContext, 200, { object: 'list', data });
  });

  for (const paths of PATHS) {
    route('GET', paths.begin, policy, async (httpContext) => {
      const id = httpContext.params.provider ?? '';
      const { url, attempt } = await providers.begin(id, callbackOf(httpContext, paths, id).href);
      const sealed = encodeURIComponent(box.seal(JSON.stringify(attempt)));
      return redirect(url, [cookie(httpContext, ATTEMPT_COOKIE, sealed, ATTEMPT_SECONDS, paths.cookie)]);
    });

    const finish = async (httpContext: HttpContext) => {
      const id = httpContext.params.provider ?? '';
      const attempt = attemptIn(httpContext.request.headers.get('cookie') ?? '', box);
      const callback = callbackOf(httpContext, paths, id);
      callback.search = queryOf(httpContext.request).toString();
      // One that a guesser makes up fails here, before the provider is contacted.
      const client = api.clientOf(httpContext);
      const reject = (error: unknown) => recordRejection(httpContext, `provider:${id}`, 'provider', error);
      const identity = await api.credentials
        .runAsync({ client, kind: 'identity', wrong: ['permission_denied'] }, async () => {
          if (attempt?.provider !== id || attempt.state !== callback.searchParams.get('state')) {
            throw new GatewayError(
              'permission_denied',
              'This does not belong to a sign-in that was begun in this browser.',
            );
          }
          if (!(await attempts.useOnce(attempt.state, attempt.expiresAt))) {
            throw new GatewayError('permission_denied', 'This sign-in was already used. Start again.');
          }
          return providers.finish(attempt, callback);
        })
        .catch(reject);
      const settings = providers.get(id);
      const user = await userOfIdentity(admin, identity, settings, by(httpContext, WEIR)).catch(reject);
      const { secret, seconds } = await beginSession(
        httpContext,
        holderOfUser(user.id),
        actorOf(user),
        `provider ${id}`,
      );
      return redirect(CONSOLE, [
        cookie(httpContext, SESSION_COOKIE, secret, seconds),
        cookie(httpContext, ATTEMPT_COOKIE, '', 0, paths.cookie),
      ]);
    };
    route('GET', paths.callback, policy, async (httpContext) => {
      try {
        return await finish(httpContext);
      } catch (error) {
        const isBrowser = httpContext.request.headers.get('accept')?.includes('text/html') ?? false;
        if (!isBrowser || !services.hasConsole() || !(error instanceof GatewayError)) throw error;
        // People see the reason on the page where they can try again. The console has the text: a forged URL must not choose
        // it.
        return redirect(`${CONSOLE}/sign-in?failed=${encodeURIComponent(error.code)}`, []);
      }
    });
  }
}

const attemptCookie = z.object({
  provider: z.string(),
  state: z.string(),
  nonce: z.string(),
  verifier: z.string(),
  expiresAt: z.number(),
});

/** @returns the attempt that this browser began; undefined when the cookie was changed, or is of another installation */
function attemptIn(cookies: string, box: SecretBox) {
  const value = new RegExp(`(?:^|;\\s*)${ATTEMPT_COOKIE}=([^;]+)`).exec(cookies)?.[1];
  if (value === undefined) return undefined;
  try {
    return attemptCookie.parse(JSON.parse(box.open(decodeURIComponent(value))));
  } catch {
    // Forged or damaged: the same as none.
    return undefined;
  }
}
