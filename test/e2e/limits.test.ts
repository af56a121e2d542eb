import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'bun:test';
import { createGate } from '../support/gate.ts';
import { type Gateway, startGateway } from '../support/gateway.ts';
import { type MockUpstream, startMockUpstream } from '../support/mock-upstream.ts';
import { chat, completion, eventually, expectError, metric, mockConfig, post } from './harness.ts';

let mock: MockUpstream;
let gateway: Gateway;

beforeAll(async () => {
  mock = await startMockUpstream();
  mock.respondAlways(completion());
  gateway = await startGateway({ config: mockConfig(mock.url) });
});

afterAll(async () => {
  await gateway?.stop();
  await mock?.close();
});

let turn = 0;
/** Puts limits in force and waits until they are, which the name of a model shows, at the port that has no limits. */
async function limit(limits: Record<string, unknown>): Promise<void> {
  turn += 1;
  const id = `turn-${turn}`;
  const base = mockConfig(mock.url);
  gateway.writeConfig({
    ...base,
    models: [
      { id: 'chat', targets: [{ provider: 'mock', model: 'upstream-chat' }] },
      { id, targets: [{ provider: 'mock', model: 'upstream-chat' }] },
    ],
    limits,
  });
  gateway.signal('SIGHUP');
  await eventually('the limits are in force', async () => {
    const page = await (await fetch(`${gateway.metricsUrl}/metrics`)).text();
    return page.includes(`llm_model_info{model="${id}"`);
  });
}

beforeEach(() => limit({ per_ip: null }));

async function refusals(): Promise<number> {
  const page = await (await fetch(`${gateway.metricsUrl}/metrics`)).text();
  return Number(/^llm_rate_limit_exceeded_total\{scope="ip"\} (\d+)$/m.exec(page)?.[1] ?? 0);
}

test('without limits there are no headers of one', async () => {
  const { headers, status } = await post(gateway, chat());
  expect(status).toBe(200);
  expect([...headers.keys()].filter((name) => name.startsWith('x-ratelimit'))).toEqual([]);
});

describe('limits.per_ip.rps', () => {
  test('lets a burst through, then refuses until the rate allows more', async () => {
    // So slow that nothing is refilled while the test runs, however slow the machine.
    await limit({ per_ip: { rps: 0.001, burst: 3 } });
    const upstream = mock.requests.length;
    const refusedBefore = await refusals();
    const seen: (string | null)[] = [];
    for (let sent = 0; sent < 3; sent += 1) {
      const { status, headers } = await post(gateway, chat());
      expect(status).toBe(200);
      expect(headers.get('x-ratelimit-limit')).toBe('3');
      seen.push(headers.get('x-ratelimit-remaining'));
      expect(Number(headers.get('x-ratelimit-reset'))).toBeGreaterThan(900 * (sent + 1));
    }
    expect(seen).toEqual(['2', '1', '0']);

    const refused = await post(gateway, chat());
    const error = await expectError(refused, 429, 'rate_limit_exceeded');
    expect(error.type).toBe('rate_limit_error');
    expect(error.message).toContain('limits.per_ip');
    expect(refused.headers.get('x-ratelimit-limit')).toBe('3');
    expect(refused.headers.get('x-ratelimit-remaining')).toBe('0');
    const wait = Number(refused.headers.get('retry-after'));
    expect(wait).toBeGreaterThan(900);
    expect(wait).toBeLessThanOrEqual(1_000);
    expect(mock.requests.length).toBe(upstream + 3);
    expect(await refusals()).toBe(refusedBefore + 1);

    // Every route is limited, whatever key is sent; health checks are not.
    await expectError(
      await post(gateway, chat(), { headers: { authorization: 'Bearer no' } }),
      429,
      'rate_limit_exceeded',
    );
    const key = { authorization: `Bearer ${gateway.adminKey}` };
    for (const path of [
      '/v1/models',
      '/admin/v1/me',
      '/v1/auth/providers',
      '/docs',
      '/metrics',
      '/nowhere',
    ]) {
      const response = await fetch(`${gateway.url}${path}`, { headers: key });
      await response.arrayBuffer();
      expect([path, response.status]).toEqual([path, 429]);
    }
    expect((await fetch(`${gateway.url}/health`)).status).toBe(200);
    expect((await fetch(`${gateway.url}/health/live`)).status).toBe(200);
  });

  test('is refilled as time passes', async () => {
    await limit({ per_ip: { rps: 50, burst: 1 } });
    const refusedOfTen = async () => {
      const answers = await Promise.all(Array.from({ length: 10 }, () => post(gateway, chat())));
      return answers.some(({ status }) => status === 429);
    };
    await eventually('the allowance is used up', refusedOfTen);
    await eventually('and comes back', async () => (await post(gateway, chat())).status === 200);
  });

  test('has a burst of the rate when none is given', async () => {
    await limit({ per_ip: { rps: 2.5 } });
    expect((await post(gateway, chat())).headers.get('x-ratelimit-limit')).toBe('3');
  });

  test('does not believe an address that the client claims', async () => {
    await limit({ per_ip: { rps: 0.001, burst: 1 } });
    const statuses: number[] = [];
    for (const claimed of ['10.0.0.1', '10.0.0.2', '10.0.0.3']) {
      const headers = { 'x-forwarded-for': claimed, 'x-real-ip': claimed, forwarded: `for=${claimed}` };
      statuses.push((await post(gateway, chat(), { headers })).status);
    }
    expect(statuses.filter((status) => status === 200).length).toBeLessThanOrEqual(1);
  });
});

describe('limits.per_ip.inflight', () => {
  const rates = { rps: 10_000, burst: 10_000 };

  test('makes the rest wait, and lets them in one by one', async () => {
    await limit({ per_ip: { ...rates, inflight: 2 }, queue_timeout: '20s' });
    const gate = createGate();
    const held = { ...completion(), gate, holdHead: true };
    mock.respond(held, held, held, held, held);
    const first = mock.requests.length;
    const answers = Array.from({ length: 5 }, () => post(gateway, chat()));
    await mock.waitForRequest(first + 2);
    await eventually(
      'all are being handled',
      async () => (await metric(gateway, 'llm_requests_in_flight')) === 5,
    );
    expect(mock.openRequests()).toBe(2);
    for (let passed = 1; passed <= 3; passed += 1) {
      gate.release();
      await mock.waitForRequest(first + 2 + passed);
      await mock.waitForOpen(2);
    }
    gate.open();
    expect((await Promise.all(answers)).map(({ status }) => status)).toEqual([200, 200, 200, 200, 200]);
    await eventually('none is left', async () => (await metric(gateway, 'llm_requests_in_flight')) === 0);
  });

  test('refuses who waited for too long', async () => {
    await limit({ per_ip: { ...rates, inflight: 1 }, queue_timeout: '150ms' });
    const gate = createGate();
    mock.respond({ ...completion(), gate, holdHead: true });
    const first = mock.requests.length;
    const held = post(gateway, chat());
    await mock.waitForRequest(first + 1);
    const refused = await post(gateway, chat());
    const error = await expectError(refused, 429, 'rate_limit_exceeded');
    expect(error.message).toContain('limits.per_ip.inflight');
    expect(refused.headers.get('retry-after')).toBe('1');
    expect(mock.requests.length).toBe(first + 1);
    gate.open();
    expect((await held).status).toBe(200);
    expect((await post(gateway, chat())).status).toBe(200);
  });

  test('gives the place of a client that has left to the next', async () => {
    await limit({ per_ip: { ...rates, inflight: 1 }, queue_timeout: '20s' });
    const gate = createGate();
    const held = { ...completion(), gate, holdHead: true };
    mock.respond(held);
    const first = mock.requests.length;
    const holder = new AbortController();
    const quitter = new AbortController();
    const gone = [post(gateway, chat(), { signal: holder.signal }).catch((error: unknown) => error)];
    await mock.waitForRequest(first + 1);
    gone.push(post(gateway, chat(), { signal: quitter.signal }).catch((error: unknown) => error));
    await eventually('it waits', async () => (await metric(gateway, 'llm_requests_in_flight')) === 2);
    const patient = post(gateway, chat());
    await eventually('both wait', async () => (await metric(gateway, 'llm_requests_in_flight')) === 3);
    quitter.abort();
    await eventually('one has left', async () => (await metric(gateway, 'llm_requests_in_flight')) === 2);
    expect(mock.requests.length).toBe(first + 1);
    holder.abort();
    expect((await patient).status).toBe(200);
    expect(mock.requests.length).toBe(first + 2);
    for (const error of await Promise.all(gone)) expect(error).toBeInstanceOf(Error);
  });
});
