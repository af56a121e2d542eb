import { describe, expect, test } from 'bun:test';
import { FakeClock, settle } from '../../test/support/fake-clock.ts';
import { createGate } from '../../test/support/gate.ts';
import { openStage } from '../../test/support/http-stage.ts';
import { asHttpRequest, asResponse } from '../../test/support/web-messages.ts';
import { GatewayError } from '../core/errors.ts';
import type { AddressRules } from '../limits/per-address.ts';
import { HttpRouter } from './http-router.ts';
import type { HttpStageOptions } from './http-stage.ts';
import { httpResponse } from './response.ts';
import { ANYONE, NO_BODY, type RouteAccess, SMALL_BODY } from './route-policy.ts';

const NO_CORS = { origins: [], allowCredentials: false, maxAgeSeconds: 600 };
const LOOSE: AddressRules = { rps: 1_000, burst: 1_000, inflight: null };

function create(rules: AddressRules | null, more: Partial<HttpStageOptions> = {}) {
  const clock = new FakeClock();
  const router = new HttpRouter({
    stage: openStage(clock, rules, more),
    clock,
    isBehindTls: () => false,
    newId: () => 'id',
    cors: () => NO_CORS,
    asClientError: (error) => error,
    observe: () => undefined,
    onDefect: () => undefined,
  });
  /** Sends a request from an address; calls `onRead` when the body is read. */
  const send = async (
    path: string,
    address = '192.0.2.1',
    onRead: () => void = () => undefined,
    init: RequestInit = {},
  ) => {
    const request = asHttpRequest(new Request(`http://weir.test${path}`, init));
    const readBody = (limit: number) => {
      onRead();
      return request.readBody(limit);
    };
    return asResponse(await router.handle({ ...request, remoteAddress: address, readBody }));
  };
  return { router, send, clock };
}

const ok = () => httpResponse(200, 'ok', {});
const refusing = (error: GatewayError): RouteAccess<never> => ({
  name: 'nobody',
  admit: () => {
    throw error;
  },
});

describe('the HTTP stage', () => {
  test('counts every route towards the rate of an address, unknown paths too, and not health checks', async () => {
    const { router, send } = create({ rps: 0.001, burst: 3, inflight: null });
    router.route('GET', '/a', { access: ANYONE, body: NO_BODY }, ok);
    router.route('GET', '/things/:id', { access: ANYONE, body: NO_BODY }, ok);
    router.route('GET', '/health', { access: ANYONE, body: NO_BODY, ignoresAddressLimits: true }, ok);
    const statuses: number[] = [];
    for (const path of ['/a', '/things/1', '/nowhere', '/a', '/things/1', '/nowhere', '/health']) {
      statuses.push((await send(path)).status);
    }
    expect(statuses).toEqual([200, 200, 404, 429, 429, 429, 200]);
    expect((await send('/a', '192.0.2.2')).status).toBe(200);
  });

  test('counts the addresses of an IPv6 network, and the spellings of one address, as one client', async () => {
    const { router, send } = create({ rps: 0.001, burst: 1, inflight: null });
    router.route('GET', '/a', { access: ANYONE, body: NO_BODY }, ok);
    const statusOf = async (address: string) => (await send('/a', address)).status;
    expect(await statusOf('2001:db8:1:2::1')).toBe(200);
    expect(await statusOf('2001:db8:1:2:ffff::9')).toBe(429);
    expect(await statusOf('2001:DB8:1:3::1')).toBe(200);
    expect(await statusOf('::ffff:192.0.2.9')).toBe(200);
    expect(await statusOf('192.0.2.9')).toBe(429);
  });

  test('does not limit exempt addresses, neither their rate nor their concurrency', async () => {
    const gate = createGate();
    const { router, send } = create(
      { rps: 0.001, burst: 1, inflight: 1 },
      { isExemptAddress: (address) => address === '192.0.2.7' },
    );
    router.route('GET', '/slow', { access: ANYONE, body: NO_BODY }, async () => {
      await gate.pass();
      return ok();
    });
    const responses = [1, 2, 3].map(() => send('/slow', '192.0.2.7'));
    gate.open();
    expect((await Promise.all(responses)).map(({ status }) => status)).toEqual([200, 200, 200]);
    expect((await send('/slow', '192.0.2.8')).status).toBe(200);
    expect((await send('/slow', '192.0.2.8')).status).toBe(429);
  });

  test('identifies the caller after the rate and before draining, concurrency and the body', async () => {
    const denied = new GatewayError('invalid_api_key', 'no');
    const draining = new GatewayError('shutting_down', 'later');
    const { router, send } = create(
      { rps: 0.001, burst: 2, inflight: null },
      {
        assertAccepting: () => {
          throw draining;
        },
      },
    );
    router.route('POST', '/denied', { access: refusing(denied), body: SMALL_BODY }, ok);
    router.route('POST', '/open', { access: ANYONE, body: SMALL_BODY }, ok);
    let reads = 0;
    const onRead = () => {
      reads += 1;
    };
    const post = async (path: string) =>
      (await send(path, '192.0.2.1', onRead, { method: 'POST', body: '{}' })).status;
    expect([await post('/denied'), await post('/open'), await post('/denied'), reads]).toEqual([
      401, 503, 429, 0,
    ]);
  });

  test('serves health checks while the gateway drains', async () => {
    const { router, send } = create(null, {
      assertAccepting: () => {
        throw new GatewayError('shutting_down', 'later');
      },
    });
    router.route('GET', '/health', { access: ANYONE, body: NO_BODY, servedWhileDraining: true }, ok);
    router.route('GET', '/a', { access: ANYONE, body: NO_BODY }, ok);
    expect([(await send('/health')).status, (await send('/a')).status]).toEqual([200, 503]);
  });

  test('hands the caller and the body limit of the route to the handler, synchronously where it can', async () => {
    const { router } = create(null);
    const seen: unknown[] = [];
    const access = { name: 'x', admit: () => 'caller' };
    router.route('POST', '/a', { access, body: () => 42 }, ({ bodyLimit }, caller) => {
      seen.push(bodyLimit, caller);
      return ok();
    });
    const made = router.handle(asHttpRequest(new Request('http://weir.test/a', { method: 'POST' })));
    expect(made).not.toBeInstanceOf(Promise);
    expect(seen).toEqual([42, 'caller']);
  });

  test('holds a concurrency slot of the address until the handler has responded or failed', async () => {
    const { router, send, clock } = create({ ...LOOSE, inflight: 1 });
    const gate = createGate();
    router.route('GET', '/slow', { access: ANYONE, body: NO_BODY }, async () => {
      await gate.pass();
      return ok();
    });
    router.route('GET', '/fails', { access: ANYONE, body: NO_BODY }, async () => {
      throw new GatewayError('not_found', 'none');
    });
    const first = send('/slow');
    const second = send('/slow');
    await settle();
    clock.advance(200);
    expect((await second).status).toBe(429);
    gate.open();
    expect((await first).status).toBe(200);
    expect([(await send('/fails')).status, (await send('/fails')).status]).toEqual([404, 404]);
  });

  test('selects the dialect of errors before anything can fail', async () => {
    const { router, send } = create({ rps: 0.001, burst: 1, inflight: null });
    const selectDialect = (httpContext: { renderError: unknown }) => {
      httpContext.renderError = (error: GatewayError) => `dialect: ${error.code}`;
    };
    const access = refusing(new GatewayError('missing_api_key', 'no'));
    router.route('GET', '/a', { access, body: NO_BODY, selectDialect }, ok);
    expect(await (await send('/a')).text()).toBe('dialect: missing_api_key');
    expect(await (await send('/a')).text()).toBe('dialect: rate_limit_exceeded');
  });
});
