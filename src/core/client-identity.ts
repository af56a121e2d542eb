import { isIP } from 'node:net';

/** Groups of 16 bits in an IPv6 address, and in its network: the other half is the client's to choose (RFC 4291, section 2.5.1). */
const GROUPS = 8;
const NETWORK_GROUPS = 4;

/**
 * The identity of a client for limits per address: the same for every spelling of an address, and for all addresses of an
 * IPv6 /64, which one client has to itself. IPv4 addresses inside IPv6 ones (`::ffff:192.0.2.1`, NAT64, 6to4) count as the
 * IPv4 client.
 * @param address IP address in any spelling, with or without a zone
 * @returns an IPv4 address, an IPv6 network such as `2001:db8:1:2::/64`, or a text that is no address as it is
 * @see https://www.rfc-editor.org/rfc/rfc5952
 */
export function clientKey(address: string): string {
  if (isIP(address) !== 6) return address;
  const groups = groupsOf(address);
  const ipv4 = embeddedIpv4(groups);
  if (ipv4 !== undefined) return ipv4;
  let network = '';
  // Zeros at the end become part of the "::" that follows.
  let length = NETWORK_GROUPS;
  while (length > 0 && groups[length - 1] === 0) length -= 1;
  for (let at = 0; at < length; at += 1) network += `${at === 0 ? '' : ':'}${(groups[at] ?? 0).toString(16)}`;
  return `${network}::/64`;
}

/** @param address a valid IPv6 address */
function groupsOf(address: string): number[] {
  const zone = address.indexOf('%');
  const [head = '', tail] = (zone < 0 ? address : address.slice(0, zone)).split('::');
  const first = parseGroups(head);
  if (tail === undefined) return first;
  const last = parseGroups(tail);
  const zeros = new Array<number>(GROUPS - first.length - last.length).fill(0);
  return [...first, ...zeros, ...last];
}

/** @param text groups with ":" between them; the last may be an IPv4 address */
function parseGroups(text: string): number[] {
  if (text === '') return [];
  return text.split(':').flatMap((group) => {
    if (!group.includes('.')) return Number.parseInt(group, 16);
    const [a = 0, b = 0, c = 0, d = 0] = group.split('.').map(Number);
    return [a * 256 + b, c * 256 + d];
  });
}

/** The IPv4 address in an IPv6 one: mapped (RFC 4291), translated (RFC 6052, RFC 7915) or tunnelled (RFC 3056). */
function embeddedIpv4(groups: readonly number[]): string | undefined {
  const [first, second, third, fourth, fifth, sixth, seventh = 0, eighth = 0] = groups;
  const isZero = first === 0 && second === 0 && third === 0 && fourth === 0;
  if (isZero && fifth === 0 && sixth === 0xffff) return ipv4Text(seventh, eighth);
  if (isZero && fifth === 0xffff && sixth === 0) return ipv4Text(seventh, eighth);
  if (first === 0x64 && second === 0xff9b) return ipv4Text(seventh, eighth);
  if (first === 0x2002) return ipv4Text(second ?? 0, third ?? 0);
  return undefined;
}

function ipv4Text(high: number, low: number): string {
  return `${high >> 8}.${high & 255}.${low >> 8}.${low & 255}`;
}
