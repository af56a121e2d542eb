import { clientKey } from '../core/client-identity.ts';
import type { HttpRequest, HttpResponse } from '../core/http.ts';
import type { TenantResidency } from '../core/region.ts';
import type { AddressLimiter } from '../limits/per-address.ts';
import { clientAddress, type ProxyCheck } from './client-address.ts';
import type { HttpContext } from './http-context.ts';
import { type RouteHandler, type RoutePolicy, SMALL_BODY } from './route-policy.ts';

/** Decides about requests of tenants that other regions serve. */
export interface RegionGate {
  /**
   * Reads which region has forwarded a request.
   * @throws GatewayError `permission_denied` for a request that claims it without proof
   */
  arrive(httpContext: HttpContext): void;
  /**
   * @returns undefined where this gateway serves the tenant; else what forwards the request
   * @throws GatewayError `wrong_region` or `region_unavailable`
   */
  elsewhere(httpContext: HttpContext, residency: TenantResidency): (() => Promise<HttpResponse>) | undefined;
}

export interface HttpStageOptions {
  readonly addressLimiter: AddressLimiter;
  /** Whether the limits of addresses do not hold for an address. */
  readonly isExemptAddress: (address: string) => boolean;
  /** Absent when no proxy is trusted. */
  readonly isProxy: () => ProxyCheck | undefined;
  /** @throws GatewayError `shutting_down` while the gateway drains */
  readonly assertAccepting: () => void;
  /** Undefined where the installation has no regions. */
  readonly regionGate?: () => RegionGate | undefined;
}

/**
 * What happens to every request before its handler, in this order: address rate, authentication, draining, region, address
 * concurrency. The handler reads the body, at most as much as the route's policy allows.
 */
export class HttpStage {
  constructor(private readonly options: HttpStageOptions) {}

  /** Runs the stage and the handler. Waits only for callers that cannot be identified at once, and for a slot. */
  run<Caller>(
    httpContext: HttpContext,
    policy: RoutePolicy<Caller>,
    handler: RouteHandler<Caller>,
  ): HttpResponse | Promise<HttpResponse> {
    const { access, body, selectDialect } = policy;
    selectDialect?.(httpContext);
    httpContext.bodyLimit = typeof body === 'number' ? body : body();
    httpContext.request.limitBody(Math.max(httpContext.bodyLimit, SMALL_BODY));
    this.options.regionGate?.()?.arrive(httpContext);
    if (!policy.ignoresAddressLimits) this.countAddress(httpContext);
    const caller = access.admit(httpContext);
    return caller instanceof Promise
      ? caller.then((known) => this.#admitted(httpContext, policy, handler, known))
      : this.#admitted(httpContext, policy, handler, caller);
  }

  /**
   * Takes one request from the rate of the client's address. Also for requests that match no route.
   * @throws GatewayError `rate_limit_exceeded`
   */
  countAddress(httpContext: HttpContext): void {
    const { addressLimiter, isProxy, isExemptAddress } = this.options;
    if (!addressLimiter.enabled) return;
    const address = clientAddress(httpContext, isProxy());
    if (isExemptAddress(address)) return;
    httpContext.client = clientKey(address);
    httpContext.addressRate = addressLimiter.spend(httpContext.client);
  }

  #admitted<Caller>(
    httpContext: HttpContext,
    policy: RoutePolicy<Caller>,
    handler: RouteHandler<Caller>,
    caller: Caller,
  ): HttpResponse | Promise<HttpResponse> {
    if (!policy.servedWhileDraining) this.options.assertAccepting();
    const forward = this.#elsewhere(httpContext, policy, caller);
    const { client, request } = httpContext;
    if (forward) return client === undefined ? forward() : this.#withSlot(client, request, forward);
    if (client === undefined || policy.takesAddressSlot) return handler(httpContext, caller);
    return this.#withSlot(client, request, () => handler(httpContext, caller));
  }

  #elsewhere<Caller>(
    httpContext: HttpContext,
    { access, servedInEveryRegion }: RoutePolicy<Caller>,
    caller: Caller,
  ): (() => Promise<HttpResponse>) | undefined {
    const gate = this.options.regionGate?.();
    if (!gate || servedInEveryRegion) return undefined;
    const residency = access.residencyOf?.(httpContext, caller);
    return residency && gate.elsewhere(httpContext, residency);
  }

  async #withSlot(
    client: string,
    request: Pick<HttpRequest, 'signal'>,
    handle: () => HttpResponse | Promise<HttpResponse>,
  ): Promise<HttpResponse> {
    const release = await this.options.addressLimiter.enter(client, request);
    try {
      return await handle();
    } finally {
      release();
    }
  }
}
