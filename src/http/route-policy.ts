import type { HttpResponse } from '../core/http.ts';
import type { TenantResidency } from '../core/region.ts';
import type { HttpContext } from './http-context.ts';

/** Decides which callers a route admits, and identifies them. */
export interface RouteAccess<Caller> {
  /** Who is admitted, as the route table shows it: `anyone`, `api key`, or a permission such as `keys:own`. */
  readonly name: string;
  /**
   * @returns what the handler gets to know about the caller; a promise only where identifying it waits for something
   * @throws GatewayError `missing_api_key`, `invalid_api_key`, `permission_denied`, `not_found` or `rate_limit_exceeded`
   */
  readonly admit: (httpContext: HttpContext) => Caller | Promise<Caller>;
  /**
   * The residency of the tenant that an admitted request is for.
   * @returns undefined where every region may serve it; absent for routes that concern no tenant
   */
  residencyOf?(httpContext: HttpContext, caller: Caller): TenantResidency | undefined;
}

/** What the HTTP stage does before the handler of a route runs. Every route declares one at its registration. */
export interface RoutePolicy<Caller = unknown> {
  readonly access: RouteAccess<Caller>;
  /** The largest request body, in bytes; 0 for a route that reads none. A function where the configuration decides. */
  readonly body: number | (() => number);
  /** Serves requests that the address limits would reject, as health checks need. False when absent. */
  readonly ignoresAddressLimits?: boolean;
  /** Serves requests of tenants whose home region is another one: they concern the control database only. False when absent. */
  readonly servedInEveryRegion?: boolean;
  /** Serves requests while the gateway drains. False when absent. */
  readonly servedWhileDraining?: boolean;
  /** The handler takes the concurrency slot of the client address, within its request context. False when absent. */
  readonly takesAddressSlot?: boolean;
  /** Selects the dialect of error responses, before anything can fail. OpenAI's when absent. */
  readonly selectDialect?: (httpContext: HttpContext) => void;
}

/** Handles a request that the HTTP stage has admitted. */
export type RouteHandler<Caller = unknown> = (
  httpContext: HttpContext,
  caller: Caller,
) => HttpResponse | Promise<HttpResponse>;

/** Body limits in bytes. */
export const NO_BODY = 0;
/** For bodies that are read before the caller is known, and other bodies of a few fields. */
export const SMALL_BODY = 16 * 1024;

/** For routes that need no key. */
export const ANYONE: RouteAccess<undefined> = { name: 'anyone', admit: () => undefined };
