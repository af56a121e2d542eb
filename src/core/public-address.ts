import ipaddr from 'ipaddr.js';

/**
 * Whether an IP address is publicly reachable: not loopback, private, link-local (which includes the metadata
 * services of clouds), shared, reserved or multicast, also if IPv6 wraps an IPv4 address.
 */
export function isPublicAddress(address: string): boolean {
  if (!ipaddr.isValid(address)) return false;
  const parsed = ipaddr.process(address);
  if (parsed.range() !== 'unicast') return false;
  // Translated addresses (RFC 6052) lead to the IPv4 address inside; their own range is not `unicast`, so they end above.
  return !(parsed instanceof ipaddr.IPv6 && isDeprecatedSiteLocal(parsed));
}

/** `fec0::/10` counts as unicast, but was made for private networks. */
function isDeprecatedSiteLocal(address: ipaddr.IPv6): boolean {
  return address.match(ipaddr.IPv6.parse('fec0::'), 10);
}
