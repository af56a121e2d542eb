import ipaddr from 'ipaddr.js';

/** @returns true for an IP address, or a network such as `10.0.0.0/8` */
export function isAddressRange(text: string): boolean {
  return text.includes('/') ? ipaddr.isValidCIDR(text) : ipaddr.isValid(text);
}

/**
 * @param ranges IP addresses and networks
 * @returns true when the address is one of them or in one of them; false for text that is not an address
 */
export function isAddressAllowed(ranges: readonly string[], address: string): boolean {
  if (!ipaddr.isValid(address)) return false;
  const own = ipaddr.process(address);
  return ranges.some((range) => {
    if (!range.includes('/'))
      return ipaddr.isValid(range) && ipaddr.process(range).toString() === own.toString();
    if (!ipaddr.isValidCIDR(range)) return false;
    const [network, bits] = ipaddr.parseCIDR(range);
    return network.kind() === own.kind() && own.match(network, bits);
  });
}
