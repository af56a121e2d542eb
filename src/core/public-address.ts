import ipaddr from 'ipaddr.js';

/** Global unicast addresses (RFC 4291). Everything else is special, or a form of an IPv4 address such as `::127.0.0.1`. */
const GLOBAL_UNICAST = ipaddr.IPv6.parse('2000::');
const GLOBAL_UNICAST_BITS = 3;
/** Azure's platform services, metadata included, which each of its machines reaches at this public address. */
const AZURE_PLATFORM = '168.63.129.16';
/** The third quarter of an ISATAP interface id, before the IPv4 address of the tunnel (RFC 5214, section 6.1). */
const ISATAP = 0x5efe;
/** `::8.8.8.8`, which the parser takes for the mapped form. */
const COMPATIBLE = /^::\d+\.[\d.]+$/;

/**
 * Whether an IP address is publicly reachable: not loopback, private, link-local (which includes the metadata
 * services of clouds), shared, reserved or multicast. IPv4 addresses inside of IPv6 are not public, in whatever form
 * (compatible, translated, NAT64, 6to4, Teredo, ISATAP), except the mapped form of a public one.
 */
export function isPublicAddress(address: string): boolean {
  if (!ipaddr.isValid(address) || COMPATIBLE.test(address)) return false;
  const parsed = ipaddr.process(address);
  if (parsed.range() !== 'unicast') return false;
  if (parsed instanceof ipaddr.IPv4) return parsed.toString() !== AZURE_PLATFORM;
  return parsed.match(GLOBAL_UNICAST, GLOBAL_UNICAST_BITS) && parsed.parts[5] !== ISATAP;
}
