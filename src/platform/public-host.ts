import { lookup as dnsLookup } from 'node:dns/promises';
import { isIP, type LookupFunction } from 'node:net';
import { isPublicAddress } from '../core/public-address.ts';

/** All addresses of a name. */
export type ResolveHost = (hostname: string) => Promise<readonly string[]>;

export const resolveHost: ResolveHost = async (hostname) =>
  (await dnsLookup(hostname, { all: true, verbatim: true })).map(({ address }) => address);

/**
 * Resolves the host of a URL that a client chose, once, and checks every address.
 * @param isAllowed whether its addresses may be private
 * @returns the address to connect to; undefined when the host does not exist or is not public: callers report both
 *   alike, so that a stranger cannot find out which names exist in the gateway's network
 */
export async function publicAddressOf(
  url: URL,
  isAllowed: boolean,
  resolve: ResolveHost = resolveHost,
): Promise<string | undefined> {
  const hostname = url.hostname.replace(/^\[|\]$/g, '');
  let addresses: readonly string[];
  try {
    addresses = isIP(hostname) ? [hostname] : await resolve(hostname);
  } catch {
    // Names that do not exist and private ones are one case.
    return undefined;
  }
  return isAllowed || addresses.every(isPublicAddress) ? addresses[0] : undefined;
}

/** Makes a request connect to an address that was checked, so that its name cannot resolve differently then. */
export function lookupTo(address: string): LookupFunction {
  const family = isIP(address);
  // The callback's type depends on `all`; both forms are supported.
  return (_hostname, options, callback) => {
    if (options.all) callback(null, [{ address, family }]);
    else callback(null, address, family);
  };
}
