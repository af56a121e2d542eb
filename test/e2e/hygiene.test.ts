import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { gunzipSync } from 'node:zlib';
import { createGate } from '../support/gate.ts';
import { type Gateway, startGateway } from '../support/gateway.ts';
import { openRaw, type RawResponse, requestBytes, sendRaw } from '../support/http-raw.ts';
import { type MockUpstream, startMockUpstream } from '../support/mock-upstream.ts';
import { slow } from '../support/scripts.ts';
import { chat, completion, mockConfig, post, streamed, streamPieces } from './harness.ts';

const APP = 'https://app.example.com';
let mock: MockUpstream;
let gateway: Gateway;
/** Lets pages of one origin in, with credentials. */
let open: Gateway;
/** Lets pages of any origin in. */
let wide: Gateway;

beforeAll(async () => {
  mock = await startMockUpstream();
  mock.respondAlways((request) =>
    request.text().includes('"stream":true') ? streamed('Hello') : completion(),
  );
  const withCors = (cors: Record<string, unknown>) =>
    startGateway({ config: mockConfig(mock.url, { server: { cors } }) });
  [gateway, open, wide] = await Promise.all([
    startGateway({ config: mockConfig(mock.url) }),
    withCors({ origins: [APP], allow_credentials: true, max_age: '5m' }),
    withCors({ origins: ['*'] }),
  ]);
});

afterAll(async () => {
  await Promise.all([gateway?.stop(), open?.stop(), wide?.stop()]);
  await mock?.close();
});

const key = () => ({ authorization: `Bearer ${gateway.adminKey}` });

/** One answer of each kind: plain, stream, errors of several origins, and the pages that need no key. */
async function everyKind(): Promise<[string, Response][]> {
  return [
    ['plain', await post(gateway, chat())],
    ['stream', await post(gateway, chat({ stream: true }))],
    ['bad request', await post(gateway, '{')],
    ['unauthorized', await post(gateway, chat(), { headers: { authorization: '' } })],
    ['not found', await fetch(`${gateway.url}/nothing`)],
    ['wrong method', await fetch(`${gateway.url}/v1/chat/completions`)],
    ['models', await fetch(`${gateway.url}/v1/models`, { headers: key() })],
    ['health', await fetch(`${gateway.url}/health`)],
    ['metrics', await fetch(`${gateway.url}/metrics`, { headers: key() })],
    ['description', await fetch(`${gateway.url}/openapi.json`)],
    ['docs', await fetch(`${gateway.url}/docs`)],
  ];
}

describe('every answer', () => {
  test('carries the security headers and a request id, and names no software', async () => {
    for (const [kind, response] of await everyKind()) {
      await response.arrayBuffer();
      const { headers } = response;
      expect([kind, headers.get('x-content-type-options')]).toEqual([kind, 'nosniff']);
      expect([kind, headers.get('x-frame-options')]).toEqual([kind, 'DENY']);
      expect([kind, headers.get('referrer-policy')]).toEqual([kind, 'no-referrer']);
      expect([kind, headers.get('content-security-policy') ?? '']).toEqual([
        kind,
        expect.stringContaining("default-src 'none'"),
      ]);
      expect([kind, headers.get('content-security-policy') ?? '']).toEqual([
        kind,
        expect.stringContaining("frame-ancestors 'none'"),
      ]);
      expect([kind, headers.get('x-request-id')]).toEqual([
        kind,
        expect.stringMatching(/^req_[0-9a-f]{32}$/),
      ]);
      for (const name of ['server', 'x-powered-by', 'via', 'access-control-allow-origin', 'set-cookie']) {
        expect([kind, name, headers.get(name)]).toEqual([kind, name, null]);
      }
    }
  });

  test('that is data is not to be stored', async () => {
    for (const [kind, response] of await everyKind()) {
      await response.arrayBuffer();
      if (kind === 'docs') continue;
      expect([kind, response.headers.get('cache-control') ?? '']).toEqual([
        kind,
        expect.stringContaining('no-store'),
      ]);
    }
  });

  test('keeps a sane request id and makes one otherwise, also in the log', async () => {
    const id = 'trace.7:a_B-9';
    const kept = await post(gateway, chat(), { headers: { 'x-request-id': id } });
    expect(kept.headers.get('x-request-id')).toBe(id);
    const failed = await post(gateway, '{', { headers: { 'x-request-id': `${id}-2` } });
    expect(failed.headers.get('x-request-id')).toBe(`${id}-2`);
    const long = await post(gateway, chat(), { headers: { 'x-request-id': 'x'.repeat(129) } });
    expect(long.headers.get('x-request-id')).toMatch(/^req_/);
    const ids = await Promise.all(Array.from({ length: 20 }, () => post(gateway, chat())));
    expect(new Set(ids.map(({ headers }) => headers.get('x-request-id'))).size).toBe(20);
    await gateway.waitForOutput(/"request_id":"trace\.7:a_B-9"/);
    await gateway.waitForOutput(/"request_id":"trace\.7:a_B-9-2"/);
  });

  test('of an inference says who gave it', async () => {
    for (const stream of [false, true]) {
      const { headers } = await post(gateway, chat({ stream }));
      expect(headers.get('x-weir-provider')).toBe('mock');
      expect(headers.get('x-weir-model')).toBe('upstream-chat');
      expect(headers.get('x-weir-attempts')).toBe('1');
      expect(headers.get('x-weir-cache')).toBe('bypass');
    }
  });
});

describe('compression', () => {
  const ask = (body: string, encoding: string | undefined): Promise<RawResponse> =>
    sendRaw(
      gateway.url,
      requestBytes({
        method: 'POST',
        target: '/v1/chat/completions',
        headers: {
          ...key(),
          'content-type': 'application/json',
          ...(encoding === undefined ? {} : { 'accept-encoding': encoding }),
        },
        body,
      }),
    );

  test('of JSON over 1 KB, small and large, for clients that read it', async () => {
    for (const size of [2_000, 100_000]) {
      const content = 'word '.repeat(size / 5);
      mock.respond(completion(content), completion(content), completion(content), completion(content));
      const packed = await ask(chat(), 'br, gzip;q=0.8');
      expect(packed.headers.get('content-encoding')).toBe('gzip');
      expect(packed.headers.get('vary')).toContain('accept-encoding');
      expect(packed.body.length).toBeLessThan(size / 5);
      expect(gunzipSync(packed.body).toString()).toContain(content);
      for (const encoding of [undefined, 'identity', 'gzip;q=0']) {
        const plain = await ask(chat(), encoding);
        expect([encoding, plain.headers.get('content-encoding')]).toEqual([encoding, null]);
        expect(plain.headers.get('vary')).toContain('accept-encoding');
        expect(plain.text()).toContain(content);
      }
    }
  });

  test('never of small answers, nor of event streams', async () => {
    const small = await ask(chat(), 'gzip');
    expect(small.headers.get('content-encoding')).toBeNull();
    mock.respond(streamed('long '.repeat(1_000)));
    const stream = await ask(chat({ stream: true }), 'gzip');
    expect(stream.headers.get('content-encoding')).toBeNull();
    expect(stream.headers.get('content-type')).toBe('text/event-stream; charset=utf-8');
    expect(stream.headers.get('cache-control')).toContain('no-transform');
    expect(stream.headers.get('x-accel-buffering')).toBe('no');
    expect(stream.text()).toContain('long long');
  });

  test('and no buffer holds an event back', async () => {
    const gate = createGate();
    gate.release(1);
    mock.respond(slow(streamPieces('First', 'Second'), gate));
    const connection = await openRaw(gateway.url);
    const headers = { ...key(), 'content-type': 'application/json', 'accept-encoding': 'gzip' };
    const body = chat({ stream: true });
    await connection.send(requestBytes({ method: 'POST', target: '/v1/chat/completions', headers, body }));
    await connection.waitForText('First');
    gate.release(1);
    await connection.waitForText('Second');
    gate.open();
    expect((await connection.readResponse()).complete).toBe(true);
    connection.destroy();
  });
});

describe('CORS', () => {
  const preflight = (at: Gateway, origin: string) =>
    fetch(`${at.url}/v1/chat/completions`, {
      method: 'OPTIONS',
      headers: {
        origin,
        'access-control-request-method': 'POST',
        'access-control-request-headers': 'authorization, content-type, x-weir-timeout',
      },
    });
  const call = (at: Gateway, origin: string, body = chat()) => post(at, body, { headers: { origin } });
  const names = (value: string | null) => (value ?? '').split(',').map((name) => name.trim().toLowerCase());

  test('is off unless it is configured', async () => {
    const refused = await preflight(gateway, APP);
    expect(refused.status).toBeGreaterThanOrEqual(400);
    const answered = await call(gateway, APP);
    expect(answered.status).toBe(200);
    for (const { headers } of [refused, answered]) {
      expect([...headers.keys()].filter((name) => name.startsWith('access-control-'))).toEqual([]);
    }
  });

  test('lets the configured origin in, credentials and headers included', async () => {
    const before = await preflight(open, APP);
    expect(before.status).toBe(204);
    expect(before.headers.get('access-control-allow-origin')).toBe(APP);
    expect(before.headers.get('access-control-allow-credentials')).toBe('true');
    expect(before.headers.get('access-control-max-age')).toBe('300');
    expect(names(before.headers.get('access-control-allow-methods'))).toContain('post');
    expect(names(before.headers.get('access-control-allow-headers'))).toEqual([
      'authorization',
      'content-type',
      'x-weir-timeout',
    ]);
    expect(names(before.headers.get('vary'))).toContain('origin');

    for (const body of [chat(), chat({ stream: true }), '{']) {
      const { headers } = await call(open, APP, body);
      expect(headers.get('access-control-allow-origin')).toBe(APP);
      expect(headers.get('access-control-allow-credentials')).toBe('true');
      expect(names(headers.get('vary'))).toContain('origin');
      const exposed = names(headers.get('access-control-expose-headers'));
      for (const name of [
        'x-request-id',
        'x-weir-provider',
        'x-weir-model',
        'x-weir-warnings',
        'x-weir-latency-ms',
        'idempotent-replayed',
        'retry-after',
        'x-ratelimit-remaining',
        'x-ratelimit-reset-epoch',
      ]) {
        expect(exposed).toContain(name);
      }
    }
  });

  test.each([
    'https://app.example.com.evil.test',
    'http://app.example.com',
    'https://APP.example.com',
    'null',
  ])('lets %s not in', async (origin) => {
    const before = await preflight(open, origin);
    expect(before.status).toBeGreaterThanOrEqual(400);
    expect(before.headers.get('access-control-allow-origin')).toBeNull();
    expect((await call(open, origin)).headers.get('access-control-allow-origin')).toBeNull();
  });

  test('for any origin comes without credentials', async () => {
    const { headers } = await call(wide, 'https://anything.test');
    expect(headers.get('access-control-allow-origin')).toBe('*');
    expect(headers.get('access-control-allow-credentials')).toBeNull();
    expect((await preflight(wide, 'https://anything.test')).headers.get('access-control-allow-origin')).toBe(
      '*',
    );
  });
});

test('HEAD is answered like GET, without a body', async () => {
  for (const path of ['/health', '/health/live', '/health/ready']) {
    const connection = await openRaw(gateway.url);
    await connection.send(requestBytes({ method: 'HEAD', target: path }));
    const head = await connection.readResponse({ headOnly: true });
    expect([path, head.status]).toEqual([path, 200]);
    expect(head.headers.get('x-request-id')).toMatch(/^req_/);
    // What follows on the same connection shows that no body came.
    await connection.send(requestBytes({ target: path }));
    const get = await connection.readResponse();
    expect(get.status).toBe(200);
    expect(get.headers.get('content-type')).toBe(head.headers.get('content-type'));
    connection.destroy();
  }
});

test('what the client sends for the gateway does not reach the upstream', async () => {
  const before = mock.requests.length;
  const headers = {
    cookie: 'session=1',
    'x-api-key': 'wr-client',
    'x-weir-timeout': '5s',
    'x-forwarded-for': '10.0.0.1',
  };
  expect((await post(gateway, chat(), { headers })).status).toBe(200);
  const sent = mock.requests[before];
  for (const name of Object.keys(headers)) expect([name, sent?.headers.get(name)]).toEqual([name, null]);
  expect(sent?.headers.get('authorization')).not.toContain(gateway.adminKey);
});
