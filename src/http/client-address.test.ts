import { describe, expect, test } from 'bun:test';
import { asHttpRequest } from '../../test/support/web-messages.ts';
import { clientAddress, clientOrigin } from './client-address.ts';
import { HttpContext } from './http-context.ts';

function contextOf(url: string, headers: Record<string, string> = {}): HttpContext {
  return new HttpContext(asHttpRequest(new Request(url, { headers })), 'id', 0, () => undefined);
}
const peer = contextOf('http://weir.test/').request.remoteAddress;
const isProxy = (address: string) => address === peer || address === '10.0.0.1';

describe('the origin of a client', () => {
  test.each([
    ['that of the request', {}, undefined, 'http://weir.test'],
    ['not what a stranger says', { 'x-forwarded-proto': 'https' }, undefined, 'http://weir.test'],
    ['what a trusted proxy says', { 'x-forwarded-proto': 'https' }, isProxy, 'https://weir.test'],
    ['what the last proxy says', { 'x-forwarded-proto': 'http, HTTPS' }, isProxy, 'https://weir.test'],
    ['not nonsense', { 'x-forwarded-proto': 'javascript' }, isProxy, 'http://weir.test'],
  ])('is %s', (_, headers, check, origin) => {
    expect(clientOrigin(contextOf('http://weir.test/a', headers), check)).toBe(origin);
  });
});

test('the address of a client is the last one that no trusted proxy has', () => {
  const forwarded = { 'x-forwarded-for': '1.2.3.4, 5.6.7.8, 10.0.0.1' };
  expect(clientAddress(contextOf('http://weir.test/', forwarded), isProxy)).toBe('5.6.7.8');
  expect(clientAddress(contextOf('http://weir.test/', forwarded), undefined)).toBe(peer);
});
