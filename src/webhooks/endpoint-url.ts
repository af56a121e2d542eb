import { isIP } from 'node:net';
import { GatewayError } from '../core/errors.ts';
import { isPublicAddress } from '../core/public-address.ts';

const MAX_URL = 2_000;

/**
 * Checks the URL of an endpoint as far as it can be without resolving its name, which happens before each request.
 * @param allowPrivate whether it may be an address within the network of the gateway
 * @returns the URL in its normal form
 * @throws GatewayError `invalid_request`
 */
export function endpointUrl(text: string, allowPrivate: boolean): string {
  if (text.length > MAX_URL || !URL.canParse(text)) throw invalid('is not a valid URL');
  const url = new URL(text);
  if (url.protocol !== 'https:' && url.protocol !== 'http:')
    throw invalid('must begin with https:// or http://');
  if (url.username !== '' || url.password !== '') {
    throw invalid('must not contain credentials; check the signature of a request instead');
  }
  const host = url.hostname.replace(/^\[|\]$/g, '');
  const isPrivate = isIP(host) ? !isPublicAddress(host) : host === 'localhost' || host.endsWith('.localhost');
  if (isPrivate && !allowPrivate) {
    throw invalid(
      'must have a public address (WEIR_WEBHOOKS_ALLOW_PRIVATE=1 allows others for the whole installation)',
    );
  }
  url.hash = '';
  return url.href;
}

function invalid(reason: string): GatewayError {
  return new GatewayError('invalid_request', `"url" ${reason}.`, { param: 'url' });
}
