import type { Clock } from '../core/clock.ts';
import { GatewayError } from '../core/errors.ts';
import type { HttpResponse } from '../core/http.ts';
import type { TenantResidency } from '../core/region.ts';
import { clientAddress, type ProxyCheck } from '../http/client-address.ts';
import type { HttpContext } from '../http/http-context.ts';
import { REGION_HEADER } from '../http/http-router.ts';
import type { RegionGate } from '../http/http-stage.ts';
import { FORWARDED_HEADER, type ForwardSignature } from '../regions/forward-signature.ts';
import type { Region, Regions } from '../regions/regions.ts';
import type { RegionRelay } from './region-relay.ts';
import { requestTimeout } from './request-timeout.ts';

/** What a gateway did with a request of a tenant whose home region is another one. */
export type RegionAction = 'served' | 'forwarded' | 'rejected' | 'unavailable';

export interface RegionGateOptions {
  readonly clock: Clock;
  readonly regions: () => Regions;
  readonly signature: ForwardSignature;
  readonly relay: Pick<RegionRelay, 'send'>;
  readonly isProxy: () => ProxyCheck | undefined;
  /** `limits.max_request`, in milliseconds. */
  readonly maxRequestMs: () => number;
  /** @param region the tenant's home region */
  readonly onAction: (region: string, action: RegionAction) => void;
}

const RETRY_AFTER_SECONDS = 30;
/** Says where to send a rejected request. */
export const REGION_ADDRESS_HEADER = 'x-weir-region-address';

/** Serves, forwards or rejects requests by the residency of their tenant. */
export class ResidencyGate implements RegionGate {
  constructor(private readonly options: RegionGateOptions) {}

  arrive(httpContext: HttpContext): void {
    const value = httpContext.request.headers.get(FORWARDED_HEADER);
    if (value === null) return;
    const { method, target } = httpContext.request;
    const to = this.options.regions().own ?? '';
    httpContext.forwarded = this.options.signature.verify(value, { to, method, target });
    if (httpContext.forwarded) return;
    throw new GatewayError(
      'permission_denied',
      `The header "${FORWARDED_HEADER}" is not signed by a gateway of another region for region "${to}". Clients do not send it; gateways need the same WEIR_SECRET, and clocks that differ by less than five minutes.`,
    );
  }

  elsewhere(httpContext: HttpContext, residency: TenantResidency): (() => Promise<HttpResponse>) | undefined {
    const { onAction } = this.options;
    const regions = this.options.regions();
    const home = residency.region;
    const placement = regions.place(residency);
    if (placement.kind === 'here') {
      if (placement.isFailover) onAction(home, 'served');
      return undefined;
    }
    if (placement.kind === 'nowhere') {
      onAction(home, 'unavailable');
      throw unavailable(residency);
    }
    const { region } = placement;
    if (httpContext.forwarded) {
      onAction(home, 'unavailable');
      throw disagreement(httpContext.forwarded.from, region, regions.own ?? '');
    }
    if (residency.elsewhere === 'forward') {
      if (!regions.isReachable(region)) {
        onAction(home, 'unavailable');
        throw unavailable(residency);
      }
      onAction(home, 'forwarded');
      return () => this.#forward(httpContext, region);
    }
    onAction(home, 'rejected');
    throw new GatewayError(
      'wrong_region',
      `The tenant of this key is served in region "${region.id}", and this gateway is in region "${regions.own}". Send the request to ${region.address}.`,
      { headers: { [REGION_HEADER]: region.id, [REGION_ADDRESS_HEADER]: region.address } },
    );
  }

  #forward(httpContext: HttpContext, region: Region): Promise<HttpResponse> {
    const { clock, signature, relay, isProxy, maxRequestMs } = this.options;
    const { request, requestId } = httpContext;
    const from = this.options.regions().own ?? '';
    const { target } = request;
    // The relay asks for what a HEAD request asks for with GET.
    const method = request.method === 'HEAD' ? 'GET' : request.method;
    const client = clientAddress(httpContext, isProxy());
    const deadlineAt = clock.now() + requestTimeout(request.headers, maxRequestMs());
    const forwarded = request.headers.get('x-forwarded-for');
    const headers = {
      [FORWARDED_HEADER]: signature.sign({ from, client }, { to: region.id, method, target }),
      'x-forwarded-for': forwarded === null ? client : `${forwarded}, ${request.remoteAddress}`,
      'x-request-id': requestId,
    };
    return relay.send(httpContext, region, headers, deadlineAt);
  }
}

function unavailable({ region, failover }: TenantResidency): GatewayError {
  const others = failover.length === 0 ? '' : `, nor are those of its failover (${failover.join(', ')})`;
  return new GatewayError(
    'region_unavailable',
    `Region "${region}", the home of this tenant, is not available${others}. Its requests are not served elsewhere. Retry later.`,
    { retryAfterSeconds: RETRY_AFTER_SECONDS },
  );
}

/** Two regions that send requests to each other would do so for ever: each request is forwarded once. */
function disagreement(from: string, region: Region, own: string): GatewayError {
  return new GatewayError(
    'region_unavailable',
    `Region "${from}" forwarded this request to region "${own}", which would forward it to region "${region.id}". Requests are forwarded once: the regions see each other's health differently, or their "regions" differ. Retry later.`,
    { retryAfterSeconds: RETRY_AFTER_SECONDS },
  );
}
