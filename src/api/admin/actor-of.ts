import { GatewayError } from '../../core/errors.ts';
import type { HeaderReader } from '../../core/http.ts';
import { matchesAny } from '../../core/model-scope.ts';
import type { Principal } from '../../core/principal.ts';
import { clientAddress } from '../../http/client-address.ts';
import type { HttpContext } from '../../http/http-context.ts';
import { sha256Hex } from '../../platform/hash.ts';
import type { Actor } from '../../tenancy/actor.ts';
import type { Role } from '../../tenancy/permissions.ts';
import { keyFromRequest } from '../../tenancy/request-key.ts';
import { keyDigestOf, type Session } from '../../tenancy/sessions.ts';
import type { User } from '../../tenancy/users.ts';
import { authenticate } from '../authenticate.ts';
import type { ApiServices } from '../services.ts';
import type { AdminServices } from './services.ts';

/** Where sessions and roles of users are. */
export type ActorStores = Pick<AdminServices, 'sessions' | 'users' | 'access'>;

export const SESSION_COOKIE = 'weir_session';
const SESSION_PREFIX = 'wr-session-';
const SAFE_METHODS = new Set(['GET', 'HEAD', 'OPTIONS']);

/** The session that a request carries, and whether a browser sent it of itself. */
export function sessionFromRequest(
  headers: HeaderReader,
): { readonly secret: string; readonly byBrowser: boolean } | undefined {
  const key = keyFromRequest(headers);
  if (key?.startsWith(SESSION_PREFIX)) return { secret: key, byBrowser: false };
  if (key !== undefined) return undefined;
  for (const part of headers.get('cookie')?.split(';') ?? []) {
    const [name, value] = part.trim().split('=');
    if (name === SESSION_COOKIE && value) return { secret: value, byBrowser: true };
  }
  return undefined;
}

/**
 * The caller of the admin API: a signed-in user, the admin key, or a member's API key whose scope includes it.
 * @throws GatewayError `missing_api_key`, `invalid_api_key` or `permission_denied`
 */
export async function actorOf(
  services: ApiServices,
  { sessions, users, access }: ActorStores,
  httpContext: HttpContext,
): Promise<Actor> {
  if (!sessionFromRequest(httpContext.request.headers)) return actorOfKey(services, httpContext);
  const { user, key } = await signedIn(services, { sessions, users }, httpContext);
  return user ? actorOfUser(user, access) : actorOfAdminKey(key);
}

/** A session, and the user or the admin key that it belongs to. */
export type SignedIn = { readonly session: Session } & (
  | { readonly user: User; readonly key?: undefined }
  | { readonly key: Principal; readonly user?: undefined }
);

/**
 * The session that a request carries, and its user or admin key.
 * @throws GatewayError `invalid_api_key` without a valid one, `permission_denied` for a suspended user and for a cookie that a
 *   page of another origin sent, `rate_limit_exceeded` after too many wrong credentials from the client's address
 */
export async function signedIn(
  services: ApiServices,
  { sessions, users }: Pick<AdminServices, 'sessions' | 'users'>,
  httpContext: HttpContext,
): Promise<SignedIn> {
  const presented = sessionFromRequest(httpContext.request.headers);
  if (!presented) throw new GatewayError('invalid_api_key', 'You are not signed in.');
  if (presented.byBrowser) assertSameOrigin(httpContext);
  const { secret } = presented;
  const client = services.clientOf(httpContext);
  const session = await services.credentials.runAsync(
    { client, kind: 'session', fingerprint: sha256Hex(secret) },
    async () => {
      const found = await sessions.find(secret);
      if (found) return found;
      throw new GatewayError('invalid_api_key', 'You are not signed in any more: sign in again.');
    },
  );
  const digest = keyDigestOf(session);
  if (digest !== undefined) {
    const address = () => clientAddress(httpContext, services.snapshot().isProxy);
    const key = services.access.adminWithDigest(digest, address);
    if (key) return { session, key };
    throw new GatewayError('invalid_api_key', 'The admin key of this session is no longer valid.');
  }
  const user = await users.get(session.holder);
  if (user.status === 'active') return { session, user };
  throw new GatewayError('permission_denied', 'This user is suspended and cannot sign in.');
}

/** What a signed-in user may do. */
export function actorOfUser({ id, name, platformAdmin }: User, access: AdminServices['access']): Actor {
  return { id: `user:${id}`, name, platform: platformAdmin, roles: access.rolesOf(id), member: id };
}

/** An admin key may do everything. */
export function actorOfAdminKey({ keyId, keyName }: Principal): Actor {
  return { id: `key:${keyId}`, name: keyName, platform: true, roles: new Map(), member: undefined };
}

async function actorOfKey(services: ApiServices, httpContext: HttpContext): Promise<Actor> {
  const principal = await authenticate(services, httpContext);
  const { kind, keyId, keyName, member, scopes, tenant } = principal;
  if (kind === 'admin') return actorOfAdminKey(principal);
  // A key for models is given to programs, and must not open what its owner may do: unless it says so.
  if (!scopes?.endpoints || !matchesAny(scopes.endpoints, httpContext.route)) {
    throw new GatewayError(
      'permission_denied',
      'This API key is for models only. One whose scope names endpoints such as "/admin/*" can be used here.',
    );
  }
  const role = member === undefined ? undefined : services.access.member(tenant, member)?.role;
  const roles = new Map<string, Role>(role ? [[tenant, role]] : []);
  const restrictions = services.access.restrictionsOf(tenant, keyId);
  return { id: `key:${keyId}`, name: keyName, platform: false, roles, member, restrictions };
}

/** A browser sends its cookie with requests of every page; only requests of Weir's own pages may change anything. */
export function assertSameOrigin({ request }: HttpContext): void {
  if (SAFE_METHODS.has(request.method)) return;
  const site = request.headers.get('sec-fetch-site');
  const origin = request.headers.get('origin');
  const own = URL.canParse(request.url) && new URL(request.url).host === request.headers.get('host');
  const sameOrigin =
    origin !== null && URL.canParse(origin) && new URL(origin).host === request.headers.get('host');
  if (site === 'same-origin' || (site === null && own && sameOrigin)) return;
  throw new GatewayError('permission_denied', 'This was not asked for by a page of this gateway.');
}
