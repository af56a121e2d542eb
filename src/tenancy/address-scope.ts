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

/** @returns whether all addresses of one range are in the other; false for text that is neither address nor network */
export function isRangeWithin(inner: string, outer: string): boolean {
  const [one, other] = [networkOf(inner), networkOf(outer)];
  if (!one || !other || one.address.kind() !== other.address.kind()) return false;
  return one.bits >= other.bits && one.address.match(other.address, other.bits);
}

function networkOf(
  range: string,
): { readonly address: ipaddr.IPv4 | ipaddr.IPv6; readonly bits: number } | undefined {
  if (!range.includes('/')) {
    if (!ipaddr.isValid(range)) return undefined;
    const address = ipaddr.process(range);
    return { address, bits: address.kind() === 'ipv4' ? 32 : 128 };
  }
  if (!ipaddr.isValidCIDR(range)) return undefined;
  const [address, bits] = ipaddr.parseCIDR(range);
  return { address, bits };
}
