import { describe, expect, test } from 'bun:test';
import { ResponseHeaders } from '../core/http.ts';
import { addCorsHeaders, type CorsRules, preflightResponse } from './cors.ts';

const rules = (more: Partial<CorsRules> = {}): CorsRules => ({
  origins: ['https://app.test'],
  allowCredentials: false,
  maxAgeSeconds: 600,
  ...more,
});
const request = (origin: string | null, method = 'GET', asked?: string) => {
  const headers = new Headers(origin === null ? {} : { origin });
  if (asked) headers.set('access-control-request-method', asked);
  return new Request('http://weir.test/', { method, headers });
};
const added = (cors: CorsRules, origin: string | null) => {
  const headers = new ResponseHeaders();
  addCorsHeaders(cors, request(origin), headers);
  return Object.fromEntries(headers.names.map((name) => [name, headers.get(name)]));
};

describe('addCorsHeaders', () => {
  test('names exactly the requesting origin, with a vary header', () => {
    expect(added(rules(), 'https://app.test')).toMatchObject({
      'access-control-allow-origin': 'https://app.test',
      vary: 'origin',
    });
    expect(added(rules({ allowCredentials: true }), 'https://app.test')).toHaveProperty(
      'access-control-allow-credentials',
      'true',
    );
    expect(added(rules({ origins: ['*'] }), 'https://x.test')['access-control-allow-origin']).toBe('*');
  });

  test.each([['https://app.test.evil.test'], ['http://app.test'], ['null'], [null]])(
    'adds nothing for %s',
    (origin) => {
      expect(added(rules(), origin)).toEqual({});
    },
  );

  test('adds nothing when no origin is configured', () => {
    expect(added(rules({ origins: [] }), 'https://app.test')).toEqual({});
  });
});

describe('preflightResponse', () => {
  test('is for preflights of allowed origins only', () => {
    expect(
      preflightResponse(rules(), request('https://app.test', 'OPTIONS', 'POST'))?.headers.get(
        'access-control-max-age',
      ),
    ).toBe('600');
    expect(preflightResponse(rules(), request('https://app.test', 'OPTIONS'))).toBeUndefined();
    expect(preflightResponse(rules(), request('https://app.test', 'GET', 'POST'))).toBeUndefined();
    expect(preflightResponse(rules(), request('https://evil.test', 'OPTIONS', 'POST'))).toBeUndefined();
  });
});
