import { GatewayError } from '../core/errors.ts';
import type { HeaderReader } from '../core/http.ts';
import type { RoutingConstraints } from '../routing/request-facts.ts';

const REGIONS = /^[a-z0-9][a-z0-9-]{0,62}$/;
const DOLLARS = /^\d{1,6}(?:\.\d{1,12})?$/;

/** `x-weir-region` and `x-weir-max-cost`: what the client insists on. */
export function routingConstraintsOf(headers: HeaderReader): RoutingConstraints | undefined {
  const region = headers.get('x-weir-region');
  const cost = headers.get('x-weir-max-cost');
  if (region === null && cost === null) return undefined;
  const regions = region?.split(',').map((one) => one.trim().toLowerCase());
  if (regions && !regions.every((one) => REGIONS.test(one))) {
    throw new GatewayError(
      'invalid_request',
      'The header "x-weir-region" must be a list of regions with commas between them, such as eu-west-1,eu-central-1 or eu.',
      { param: 'x-weir-region' },
    );
  }
  if (cost !== null && !DOLLARS.test(cost.trim())) {
    throw new GatewayError(
      'invalid_request',
      'The header "x-weir-max-cost" must be an amount of US dollars, such as 0.05.',
      { param: 'x-weir-max-cost' },
    );
  }
  return { regions, maxCost: cost === null ? undefined : Number(cost) };
}
