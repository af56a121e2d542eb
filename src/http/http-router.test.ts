import { beforeEach, describe, expect, test } from 'bun:test';
import { FakeClock } from '../../test/support/fake-clock.ts';
import { openStage } from '../../test/support/http-stage.ts';
import { asHttpRequest, asResponse } from '../../test/support/web-messages.ts';
import { GatewayError } from '../core/errors.ts';
import type { CorsRules } from './cors.ts';
import { HttpRouter } from './http-router.ts';
import { httpResponse } from './response.ts';
import { ANYONE, NO_BODY } from './route-policy.ts';

const OPEN = { access: ANYONE, body: NO_BODY };
const NO_CORS: CorsRules = { origins: [], allowCredentials: false, maxAgeSeconds: 600 };

function create(cors: CorsRules = NO_CORS) {
  const clock = new FakeClock();
  const observed: (readonly [string, string, number, number])[] = [];
  const defects: unknown[] = [];
  const router = new HttpRouter({
    stage: openStage(clock),
    clock,
    isBehindTls: () => false,
    newId: () => 'new-id',
    cors: () => cors,
    asClientError: (error) =>
      error instanceof RangeError ? new GatewayError('store_unavailable', 'no store') : error,
    observe: (method, route, status, seconds) => observed.push([method, route, status, seconds]),
    onDefect: (error) => defects.push(error),
  });
  const call = async (path: string, init: RequestInit = {}) =>
    asResponse(await router.handle(asHttpRequest(new Request(`http://weir.test${path}`, init))));
  return { router, call, clock, observed, defects };
}

describe('HttpRouter', () => {
  let made = create();
  beforeEach(() => {
    made = create();
    const { router, clock } = made;
    router.route('GET', '/plain', OPEN, () => {
      clock.advance(250);
      return httpResponse(200, 'plain', {});
    });
    router.route('POST', '/plain', OPEN, () => httpResponse(201, 'posted', {}));
    router.route('GET', '/models/:id{.+}', OPEN, () => httpResponse(200, 'model', {}));
    router.route('GET', '/refuses', OPEN, () => {
      throw new GatewayError('permission_denied', 'not for you');
    });
    router.route('GET', '/store', OPEN, async () => {
      throw new GatewayError('internal_error', 'wrapped', { cause: new RangeError('disk') });
    });
    router.route('GET', '/breaks', OPEN, async () => {
      throw new TypeError('secret detail');
    });
  });

  test('routes by method and path, with or without a query, and counts each response once under its pattern', async () => {
    const { call, observed } = made;
    expect(await (await call('/plain?x=/models/a')).text()).toBe('plain');
    expect((await call('/plain', { method: 'POST' })).status).toBe(201);
    expect(await (await call('/models/a/b%20c')).text()).toBe('model');
    expect(observed).toEqual([
      ['GET', '/plain', 200, 0.25],
      ['POST', '/plain', 201, 0],
      ['GET', '/models/:id{.+}', 200, 0],
    ]);
  });

  test('answers a failing store as its application says, and logs no defect', async () => {
    const { call, defects } = made;
    const response = await call('/store');
    expect([response.status, await response.json()]).toMatchObject([
      503,
      { error: { code: 'store_unavailable', message: 'no store' } },
    ]);
    expect(defects).toEqual([]);
  });

  test.each([
    ['/v1/plain', 'GET', '/plain'],
    ['/v1/v1/plain/', 'GET', '/plain'],
    ['/Plain', 'POST', '/plain'],
    ['//plain', 'GET', '/plain'],
    ['/other/api/v1/models/a', 'GET', '/models/a'],
    ['/versioned', 'GET', '/v1/versioned'],
  ])('names the path that was meant by %s', async (path, method, meant) => {
    const { router, call } = made;
    router.route('GET', '/v1/versioned', OPEN, () => httpResponse(200, 'versioned', {}));
    const { error } = await (await call(path, { method })).json();
    expect(error.message).toContain(`Did you mean ${meant}?`);
  });

  test('names no path that the method cannot use, and none for anything else', async () => {
    for (const [path, method] of [
      ['/v1/refuses', 'POST'],
      ['/unheard/of', 'GET'],
    ] as const) {
      const { error } = await (await made.call(path, { method })).json();
      expect(error.message).toEndWith('See /docs for what exists.');
    }
  });

  test('lets a prefix select the dialect of its unknown paths', async () => {
    const { router, call } = made;
    router.unmatchedUnder('/foreign', (httpContext) => {
      httpContext.renderError = ({ code }) => `foreign ${code}`;
    });
    expect(await (await call('/foreign/x')).text()).toBe('foreign not_found');
    expect(await (await call('/x')).json()).toMatchObject({ error: { code: 'not_found' } });
  });

  test('handles HEAD where GET has a route', async () => {
    expect((await made.call('/plain', { method: 'HEAD' })).status).toBe(200);
  });

  test('distinguishes unknown paths from wrong methods', async () => {
    const missing = await made.call('/nowhere');
    expect([missing.status, await missing.json()]).toMatchObject([404, { error: { code: 'not_found' } }]);
    const wrong = await made.call('/plain', { method: 'DELETE' });
    expect([wrong.status, wrong.headers.get('allow')]).toEqual([405, 'GET, POST']);
    expect(await wrong.json()).toMatchObject({ error: { code: 'method_not_allowed' } });
    expect(made.observed.map(([, route]) => route)).toEqual(['unmatched', 'unmatched']);
  });

  test('renders errors, and defects without their details', async () => {
    const refused = await made.call('/refuses');
    expect([refused.status, await refused.json()]).toEqual([
      403,
      { error: { message: 'not for you', type: 'permission_error', param: null, code: 'permission_denied' } },
    ]);
    const broken = await made.call('/breaks');
    expect(broken.status).toBe(500);
    expect(await broken.text()).not.toContain('secret');
    expect(made.defects).toMatchObject([{ message: 'secret detail' }]);
    expect(made.observed.map(([, , status]) => status)).toEqual([403, 500]);
  });

  test('sends a request id with each response: the client’s where it is safe', async () => {
    const idOf = async (id: string, path = '/plain') =>
      (await made.call(path, { headers: { 'x-request-id': id } })).headers.get('x-request-id');
    expect(await idOf('abc-1.2:3')).toBe('abc-1.2:3');
    for (const id of ['', 'a b', '<x>', 'x'.repeat(129)]) expect(await idOf(id)).toBe('new-id');
    expect(await idOf('mine', '/breaks')).toBe('mine');
    expect(await idOf('mine', '/nowhere')).toBe('mine');
  });

  test('uses one label for unknown methods', async () => {
    await made.call('/plain', { method: 'PROPFIND' });
    expect(made.observed.map(([method]) => method)).toEqual(['OTHER']);
  });
});

describe('CORS', () => {
  const RULES: CorsRules = { origins: ['https://app.test'], allowCredentials: false, maxAgeSeconds: 600 };
  const origin = { origin: 'https://app.test' };

  test('responds to an allowed origin’s preflight without a handler', async () => {
    const { call } = create(RULES);
    const headers = {
      ...origin,
      'access-control-request-method': 'POST',
      'access-control-request-headers': 'x-a',
    };
    const response = await call('/any', { method: 'OPTIONS', headers });
    expect(response.status).toBe(204);
    expect(response.headers.get('access-control-allow-headers')).toBe('x-a');
    expect(
      (await call('/any', { method: 'OPTIONS', headers: { ...headers, origin: 'https://evil.test' } }))
        .status,
    ).toBe(404);
  });

  test('lets allowed origins read responses, including errors', async () => {
    const { call } = create(RULES);
    expect((await call('/nowhere', { headers: origin })).headers.get('access-control-allow-origin')).toBe(
      'https://app.test',
    );
    expect((await call('/nowhere')).headers.get('access-control-allow-origin')).toBeNull();
  });
});

describe('routes that are loaded when they are requested', () => {
  test('are there for the request that loads them, and for those that come meanwhile and after', async () => {
    const { router, call, observed } = create();
    const loading = Promise.withResolvers<void>();
    let loads = 0;
    router.routesUnder('/admin/', async () => {
      loads += 1;
      await loading.promise;
      router.route('GET', '/admin/one', OPEN, () => httpResponse(200, 'one', {}));
      router.route('GET', '/admin/things/:id', OPEN, ({ params }) => httpResponse(200, params.id ?? '', {}));
    });
    router.route('GET', '/plain', OPEN, () => httpResponse(200, 'plain', {}));
    expect((await call('/plain')).status).toBe(200);
    expect((await call('/administration')).status).toBe(404);
    expect(loads).toBe(0);

    const waiting = [call('/admin/one'), call('/admin/things/7'), call('/admin/none')];
    loading.resolve();
    const [one, thing, none] = await Promise.all(waiting);
    expect([await one?.text(), await thing?.text(), none?.status]).toEqual(['one', '7', 404]);
    expect((await call('/admin/one', { method: 'POST' })).status).toBe(405);
    expect(loads).toBe(1);
    expect(observed.map(([, route]) => route)).toContain('/admin/things/:id');
    // Later requests need no promise.
    expect(router.handle(asHttpRequest(new Request('http://weir.test/admin/one')))).not.toBeInstanceOf(
      Promise,
    );
  });

  test('a failure to load is a defect of that request, and the next one tries again', async () => {
    const { router, call, defects } = create();
    let loads = 0;
    router.routesUnder('/admin/', async () => {
      loads += 1;
      if (loads === 1) throw new TypeError('not this time');
      router.route('GET', '/admin/one', OPEN, () => httpResponse(200, 'one', {}));
    });
    expect([(await call('/admin/one')).status, defects.length]).toEqual([500, 1]);
    expect((await call('/admin/one')).status).toBe(200);
  });
});
