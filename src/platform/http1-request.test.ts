import { describe, expect, test } from 'bun:test';
import type { UpstreamRequest } from '../core/transport.ts';
import { parseTarget, RequestEncoder } from './http1-request.ts';

describe('parseTarget', () => {
  test.each([
    ['http://a.example/v1?x=1#part', 'a.example', 80, 'a.example:80', 'a.example', '/v1?x=1'],
    ['http://a.example:80', 'a.example', 80, 'a.example:80', 'a.example', '/'],
    ['HTTP://A.Example:8000/', 'a.example', 8000, 'a.example:8000', 'a.example:8000', '/'],
    ['http://127.0.0.1:1/a b', '127.0.0.1', 1, '127.0.0.1:1', '127.0.0.1:1', '/a%20b'],
    ['http://[::1]:9/', '::1', 9, '[::1]:9', '[::1]:9', '/'],
    ['http://[fe80::1]', 'fe80::1', 80, '[fe80::1]:80', '[fe80::1]', '/'],
    ['http://a/\r\nx: y', 'a', 80, 'a:80', 'a', '/x:%20y'],
  ])('%s', (url, hostname, port, origin, host, path) => {
    expect(parseTarget(url)).toEqual({ hostname, port, origin, host, path });
  });

  test('credentials become basic authorization', () => {
    const { authorization } = parseTarget('http://user:p%40ss@a/');
    expect(authorization).toBe(`Basic ${Buffer.from('user:p@ss').toString('base64')}`);
  });

  test('https has its own port, and its own connections', () => {
    expect(parseTarget('HTTPS://A.Example/v1')).toEqual({
      ...{
        hostname: 'a.example',
        port: 443,
        origin: 'https://a.example:443',
        host: 'a.example',
        path: '/v1',
      },
      tls: true,
    });
    expect(parseTarget('https://[::1]:80/')).toMatchObject({ port: 80, origin: 'https://[::1]:80' });
  });

  test.each(['ws://a/', 'nonsense', 'http://a:99999/', 'http://%zz@a/', ''])('refuses %p', (url) => {
    expect(() => parseTarget(url)).toThrow(expect.objectContaining({ failure: 'connect' }));
  });
});

describe('RequestEncoder', () => {
  const encoder = new RequestEncoder();
  const encode = (request: Partial<UpstreamRequest>) => {
    const whole = { method: 'POST', url: 'http://a/p', headers: {}, ...request } as const;
    return encoder.encode(whole, parseTarget(whole.url));
  };
  const text = (request: Partial<UpstreamRequest>) =>
    Buffer.concat(encode(request).map((part) => Buffer.from(part))).toString('latin1');

  test('head and body', () => {
    expect(text({ headers: { 'x-a': '1' }, body: 'é' })).toBe(
      'POST /p HTTP/1.1\r\nhost: a\r\nx-a: 1\r\ncontent-length: 2\r\n\r\n\xc3\xa9',
    );
    expect(text({ headers: { 'x-a': 'é' }, body: 'é' })).toBe(
      'POST /p HTTP/1.1\r\nhost: a\r\nx-a: é\r\ncontent-length: 2\r\n\r\n\xc3\xa9',
    );
  });

  test('a body of bytes is not copied', () => {
    const body = new Uint8Array(1_000_000);
    expect(encode({ body }).at(-1)).toBe(body);
  });

  test('without a body', () => {
    expect(text({})).toBe('POST /p HTTP/1.1\r\nhost: a\r\ncontent-length: 0\r\n\r\n');
    expect(text({ method: 'GET' })).toBe('GET /p HTTP/1.1\r\nhost: a\r\n\r\n');
  });

  test('headers that many requests share are put into their form once for each way to send them', () => {
    const headers = Object.freeze({ 'x-a': '1' });
    const target = parseTarget('http://a/p');
    const sent = (method: 'GET' | 'POST', to = target) =>
      String(encoder.encode({ method, url: 'http://a/p', headers }, to)[0]);
    for (let times = 0; times < 2; times += 1) {
      expect(sent('GET')).toBe('GET /p HTTP/1.1\r\nhost: a\r\nx-a: 1\r\n');
      expect(sent('POST')).toBe('POST /p HTTP/1.1\r\nhost: a\r\nx-a: 1\r\n');
      expect(sent('GET', parseTarget('http://b/q'))).toBe('GET /q HTTP/1.1\r\nhost: b\r\nx-a: 1\r\n');
    }
  });

  test('framing is not the caller’s to set; host and authorization are', () => {
    const headers = { host: 'b', 'content-length': '9', 'transfer-encoding': 'chunked', connection: 'close' };
    expect(text({ headers, body: '' })).toBe('POST /p HTTP/1.1\r\nhost: b\r\ncontent-length: 0\r\n\r\n');
    const url = 'http://u:p@a/p';
    expect(text({ url })).toContain('authorization: Basic dTpw\r\n');
    expect(text({ url, headers: { authorization: 'Bearer k' } })).not.toContain('Basic');
  });

  test('a refused header is named, its value is not', () => {
    expect(() => encode({ headers: { authorization: 'Bearer secret\n' } })).toThrow(
      expect.objectContaining({
        failure: 'protocol',
        message: expect.not.stringContaining('secret'),
      }),
    );
  });
});
