import { GatewayError } from '../../core/errors.ts';
import type { HttpResponse } from '../../core/http.ts';
import { clientOrigin } from '../../http/client-address.ts';
import type { HttpContext } from '../../http/http-context.ts';
import type { HttpRouter, Method } from '../../http/http-router.ts';
import { jsonResponse } from '../../http/response.ts';
import { NO_BODY, type RouteAccess, type RouteHandler } from '../../http/route-policy.ts';
import type { SecretBox } from '../../platform/secret-box.ts';
import type { Actor } from '../../tenancy/actor.ts';
import type { ChangeContext } from '../../tenancy/change-context.ts';
import type { IdentityProviders } from '../../tenancy/identity-providers.ts';
import type { SessionHolder } from '../../tenancy/sessions.ts';
import type { SignInAttempts } from '../../tenancy/sign-in-attempts.ts';
import type { User } from '../../tenancy/users.ts';
import { actorOfUser } from '../admin/actor-of.ts';
import type { AdminServices } from '../admin/services.ts';
import type { ApiServices } from '../services.ts';

/** The services that sign-in routes use. */
export interface AuthServices {
  readonly api: ApiServices;
  readonly admin: AdminServices;
  readonly providers: IdentityProviders;
  readonly attempts: SignInAttempts;
  readonly box: SecretBox;
  /** Milliseconds. */
  readonly tokenLifetimeMs: () => number;
  /** Where users reach this gateway. */
  readonly publicUrl: () => string | null;
  /** `server.console` */
  readonly hasConsole: () => boolean;
}

/** The actor of a sign-in that failed: no user is known. */
const ANONYMOUS: Actor = {
  ...{ id: 'anonymous', name: '', platform: false, member: undefined },
  roles: new Map(),
};

/** Errors of wrong credentials. Attempts beyond the limits are not recorded: they may be any number. */
const RECORDED: ReadonlySet<string> = new Set(['invalid_api_key', 'permission_denied', 'not_found']);

interface AuthPolicy<Caller> {
  readonly access: RouteAccess<Caller>;
  /** Bytes; none when absent. */
  readonly body?: number;
}

/** What the sign-in routes share. */
export class AuthContext {
  constructor(
    private readonly router: HttpRouter,
    readonly services: AuthServices,
  ) {}

  /** Adds a route. */
  readonly route = <Caller>(
    method: Method,
    path: string,
    { access, body = NO_BODY }: AuthPolicy<Caller>,
    handle: RouteHandler<Caller>,
  ): void => this.router.route(method, path, { access, body }, handle);

  readonly json = (
    { request }: HttpContext,
    status: number,
    body: unknown,
    headers: Readonly<Record<string, string>> = {},
  ): HttpResponse | Promise<HttpResponse> => jsonResponse(request, status, JSON.stringify(body), headers);

  /** Where the browser reaches this gateway; undefined when the header `host` is not the host of a URL. */
  readonly originOf = (httpContext: HttpContext): string | undefined =>
    this.services.publicUrl() ?? clientOrigin(httpContext, this.services.api.snapshot().isProxy);

  readonly cookie = (
    httpContext: HttpContext,
    name: string,
    value: string,
    seconds: number,
    path = '/',
  ): string => {
    const secure = this.originOf(httpContext)?.startsWith('https:') ? '; Secure' : '';
    return `${name}=${value}; Path=${path}; HttpOnly; SameSite=Lax; Max-Age=${seconds}${secure}`;
  };

  /** The origin of a change, for the audit trail. */
  readonly by = (httpContext: HttpContext, actor: Actor): ChangeContext => ({
    ...{ actor, address: this.services.admin.addressOf(httpContext), requestId: httpContext.requestId },
  });

  readonly actorOf = (user: User): Actor => actorOfUser(user, this.services.admin.access);

  /**
   * Records a sign-in that failed for its credential, and passes its error on.
   * @param subject such as `email:<address>`
   */
  readonly recordRejection = async (
    httpContext: HttpContext,
    subject: string,
    method: string,
    error: unknown,
  ): Promise<never> => {
    if (error instanceof GatewayError && RECORDED.has(error.code)) {
      const by = this.by(httpContext, ANONYMOUS);
      await this.services.admin.sessions.recordRejection(subject, method, error.message, by);
    }
    throw error;
  };

  /** Signs a user or an admin key in. @param method how it proved who it is */
  readonly beginSession = async (
    httpContext: HttpContext,
    holder: SessionHolder,
    actor: Actor,
    method: string,
  ): Promise<{ readonly secret: string; readonly seconds: number; readonly expiresAt: number }> => {
    const { sessions } = this.services.admin;
    const agent = httpContext.request.headers.get('user-agent') ?? '';
    const { session, secret } = await sessions.begin(holder, method, agent, this.by(httpContext, actor));
    const { createdAt, expiresAt } = session;
    return { secret, expiresAt, seconds: Math.floor((expiresAt - createdAt) / 1000) };
  };
}
