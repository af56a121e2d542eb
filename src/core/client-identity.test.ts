import { describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import ipaddr from 'ipaddr.js';
import { clientKey } from './client-identity.ts';

describe('every spelling of an address is the same client', () => {
  test.each([
    ['192.0.2.1', '192.0.2.1'],
    ['::ffff:192.0.2.1', '192.0.2.1'],
    ['::FFFF:192.0.2.1', '192.0.2.1'],
    ['::ffff:c000:201', '192.0.2.1'],
    ['0:0:0:0:0:ffff:192.0.2.1', '192.0.2.1'],
    ['0000:0000:0000:0000:0000:FFFF:C000:0201', '192.0.2.1'],
    ['2001:db8:1:2::1', '2001:db8:1:2::/64'],
    ['2001:DB8:1:2::1', '2001:db8:1:2::/64'],
    ['2001:0db8:0001:0002:0000:0000:0000:0001', '2001:db8:1:2::/64'],
    ['2001:db8:1:2:0:0:0.0.0.1', '2001:db8:1:2::/64'],
    ['2001:db8::1', '2001:db8::/64'],
    ['fe80::1%eth0', 'fe80::/64'],
    ['fe80::1', 'fe80::/64'],
    ['::1', '::/64'],
    ['::', '::/64'],
    ['1::', '1::/64'],
    ['1:0:0:2::', '1:0:0:2::/64'],
    ['0:1::1', '0:1::/64'],
    ['::2:3:4:5:6:7:8', '0:2:3:4::/64'],
    ['1:2:3:4:5:6:7::', '1:2:3:4::/64'],
  ])('%s is %s', (address, key) => {
    expect(clientKey(address)).toBe(key);
  });
});

test('all addresses of an IPv6 /64 are one client, those of its neighbour another', () => {
  const keys = new Set<string>();
  for (let host = 0; host < 100_000; host += 1) {
    const text = host.toString(16).padStart(8, '0');
    keys.add(clientKey(`2001:db8:1:2:${text.slice(4)}:${text.slice(0, 4)}:a:b`));
  }
  expect([...keys]).toEqual(['2001:db8:1:2::/64']);
  expect(clientKey('2001:db8:1:3::1')).toBe('2001:db8:1:3::/64');
});

describe('IPv4 clients behind a translator or a tunnel are distinct', () => {
  test.each([
    ['64:ff9b::c000:201', '192.0.2.1'],
    ['64:ff9b::192.0.2.2', '192.0.2.2'],
    ['2002:c000:201:ffff::1', '192.0.2.1'],
    ['2002:c000:201::1', '192.0.2.1'],
    ['::ffff:0:192.0.2.1', '192.0.2.1'],
  ])('%s is %s', (address, key) => {
    expect(clientKey(address)).toBe(key);
  });
});

test('agrees with a library about the groups of any address', () => {
  fc.assert(
    fc.property(fc.ipV6(), (address) => {
      // The library reads "::192.0.2.1" as "::ffff:192.0.2.1".
      fc.pre(!address.includes('.'));
      const parsed = ipaddr.parse(address);
      const key = clientKey(address);
      fc.pre(parsed instanceof ipaddr.IPv6 && key.endsWith('/64'));
      const [network] = ipaddr.parseCIDR(key);
      expect(parsed.match(network, 64)).toBe(true);
      expect(clientKey(parsed.toNormalizedString())).toBe(key);
      expect(clientKey(parsed.toString().toUpperCase())).toBe(key);
    }),
  );
});

test('a text that is no address stays as it is', () => {
  for (const text of ['unknown', '', '300.1.1.1', '::g']) expect(clientKey(text)).toBe(text);
});
