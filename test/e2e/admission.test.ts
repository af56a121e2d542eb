import { afterAll, beforeEach, describe, expect, test } from 'bun:test';
import { type Gateway, startGateway } from '../support/gateway.ts';
import { type MockUpstream, startMockUpstream } from '../support/mock-upstream.ts';
import { json } from '../support/scripts.ts';
import { chat, errorIn, eventually, metric, post, provider } from './harness.ts';
import { createApiKey, createTenant } from './helpers/api-key.ts';
import { completion } from './helpers/chunks.ts';
import { asObject, type Json } from './helpers/json.ts';

/** A model with few slots. The upstream responds when the test says so, so that the test counts turns and not time. */

const MAX_CONCURRENCY = 4;
const MODEL = 'house';

let mock: MockUpstream;
let gateway: Gateway;
/** Lets the upstream answer one request, the one that has waited longest; and who has sent them, in order. */
let held: (() => void)[] = [];
let seen: string[] = [];

async function start(more: Json = {}, models?: readonly Json[], limits: Json = { queue_timeout: '60s' }) {
  await stop();
  mock = await startMockUpstream();
  held = [];
  seen = [];
  mock.respondAlways(async (request) => {
    seen.push(String(asObject(JSON.parse(request.text())).user));
    await new Promise<void>((resolve) => held.push(resolve));
    return json(completion());
  });
  gateway = await startGateway({
    config: {
      log: { requests: false },
      providers: [provider({ id: 'engine', url: mock.url })],
      models: models ?? [
        {
          id: MODEL,
          targets: [{ provider: 'engine', model: 'm', max_concurrency: MAX_CONCURRENCY }],
          ...more,
        },
      ],
      limits,
    },
  });
}
async function stop() {
  for (const answer of held) answer();
  await gateway?.stop();
  await mock?.close();
}
afterAll(stop);

const ask = (user: string, headers: Record<string, string> = {}) =>
  post(gateway, chat({ model: MODEL, user }), { headers });

const waiting = async (count: number) =>
  await eventually(
    `${count} requests wait`,
    async () => (await metric(gateway, 'llm_queue_depth')) === count,
  );

/** One answer; resolves when the next request is there. */
async function turn(): Promise<string | undefined> {
  const before = seen.length;
  held.shift()?.();
  await mock.waitForRequest(before + 1);
  await eventually('it is held', () => held.length === MAX_CONCURRENCY);
  return seen.at(-1);
}

async function fill() {
  const first = Array.from({ length: MAX_CONCURRENCY }, () => ask('first'));
  await mock.waitForRequest(MAX_CONCURRENCY);
  await eventually('all are held', () => held.length === MAX_CONCURRENCY);
  return first;
}

/** Lets the upstream answer everything. */
async function finish<T>(all: readonly Promise<T>[]): Promise<T[]> {
  const over = Promise.all(all);
  let done = false;
  void over.then(() => {
    done = true;
  });
  const answerAll = () => {
    for (const answer of held.splice(0)) answer();
    return done;
  };
  await eventually('all are answered', answerAll, 30_000);
  return over;
}

const statuses = (responses: readonly Response[]) => responses.map(({ status }) => status);

describe('a model with few places', () => {
  beforeEach(() => start());

  test('holds the others until there is room, and tells how long they waited', async () => {
    const first = await fill();
    const queued = ask('late', { 'x-request-id': 'late-1' });
    await waiting(1);
    expect(seen).toEqual(Array(MAX_CONCURRENCY).fill('first'));
    expect(await turn()).toBe('late');
    expect(await metric(gateway, 'llm_queue_depth')).toBe(0);
    expect(statuses(await finish([...first, queued]))).toEqual(Array(MAX_CONCURRENCY + 1).fill(200));
    const why = await fetch(`${gateway.url}/admin/v1/requests/late-1`, {
      headers: { authorization: `Bearer ${gateway.adminKey}` },
    });
    const { queued_ms: queuedMs, looks } = asObject(await why.json());
    expect(Number(queuedMs)).toBeGreaterThan(0);
    expect(looks).toMatchObject([
      { targets: [{ provider: 'engine', left_out: 'busy', in_flight: MAX_CONCURRENCY }] },
    ]);
    expect(await metric(gateway, 'llm_queue_wait_seconds_count')).toBe(1);
  });

  test('high goes before normal, low after it, and any other word is refused', async () => {
    const first = await fill();
    const queued: Promise<Response>[] = [];
    for (const [index, priority] of ['low', 'normal', 'high', undefined].entries()) {
      queued.push(ask(priority ?? 'none', priority === undefined ? {} : { 'x-weir-priority': priority }));
      await waiting(index + 1);
    }
    expect([await turn(), await turn(), await turn(), await turn()]).toEqual([
      'high',
      'normal',
      'none',
      'low',
    ]);
    await finish([...first, ...queued]);
    const refused = await ask('x', { 'x-weir-priority': 'urgent' });
    expect(refused.status).toBe(400);
    expect(errorIn(await refused.json())).toMatchObject({
      param: 'x-weir-priority',
      message: 'The header "x-weir-priority" must be high, normal or low.',
    });
  });

  test('who goes away while it waits leaves no trace', async () => {
    const first = await fill();
    const controller = new AbortController();
    const gone = post(gateway, chat({ model: MODEL, user: 'gone' }), { signal: controller.signal });
    await waiting(1);
    controller.abort();
    await expect(gone).rejects.toThrow();
    await waiting(0);
    await finish(first);
    expect(seen).not.toContain('gone');
    expect(await metric(gateway, 'llm_requests_in_flight')).toBe(0);
  });
});

test('a request that has waited long enough goes to the fallback, or gets a retry-after', async () => {
  const target = { provider: 'engine', model: 'm', max_concurrency: 1 };
  await start(
    {},
    [
      { id: MODEL, targets: [target] },
      { id: 'spare', targets: [target], fallbacks: ['engine/other'] },
    ],
    {
      queue_timeout: '150ms',
    },
  );
  const first = ask('first');
  await mock.waitForRequest(1);
  const refused = await ask('late', { 'x-weir-priority': 'low' });
  expect(refused.status).toBe(503);
  expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(0);
  const error = errorIn(await refused.json());
  expect(error.code).toBe('model_busy');
  expect(error.message).toMatch(
    /^Model "house" is at its concurrency limit: .* Saturated targets: engine\/m\. Retry later\.$/,
  );
  const page = await (await fetch(`${gateway.metricsUrl}/metrics`)).text();
  expect(page).toContain('llm_queue_rejected_total{priority="low"} 1');

  const elsewhere = post(gateway, chat({ model: 'spare', user: 'spare' }));
  await mock.waitForRequest(2);
  await eventually('it is held', () => held.length === 2);
  const answers = await finish([first, elsewhere]);
  expect(statuses(answers)).toEqual([200, 200]);
  expect(answers[1]?.headers.get('x-weir-model')).toBe('other');
}, 20_000);

test('targets of the next tier take over what those of the first have no room for', async () => {
  await start({}, [
    {
      id: MODEL,
      targets: [
        { provider: 'engine', model: 'own', max_concurrency: 1 },
        { provider: 'engine', model: 'cloud', tier: 1 },
      ],
    },
  ]);
  const both = [ask('a'), ask('b')];
  await mock.waitForRequest(2);
  await eventually('both are held', () => held.length === 2);
  await finish(both);
  const models = mock.requests.map((request) => asObject(JSON.parse(request.text())).model);
  expect(models.toSorted()).toEqual(['cloud', 'own']);
});

describe('between tenants', () => {
  /** Requests of a tenant that are under way at any time. */
  const SHARE = 4;
  const OTHERS = ['other1', 'other2'];

  /** For each of a light tenant's requests: how many others got in while it waited. */
  async function turnsWaited(load: number): Promise<number[]> {
    await start();
    const key = (tenant: string) => {
      createTenant(gateway.dataDir, tenant);
      return `Bearer ${createApiKey(gateway.dataDir, tenant, tenant)}`;
    };
    const keys = new Map(['heavy', 'light', ...OTHERS].map((tenant) => [tenant, key(tenant)]));
    const send = (tenant: string) =>
      ask(tenant, { authorization: keys.get(tenant) ?? '' }).then(({ status }) => expect(status).toBe(200));
    await eventually(
      'the keys are known',
      async () =>
        (
          await fetch(`${gateway.url}/v1/models`, {
            headers: { authorization: keys.get(OTHERS[1] ?? '') ?? '' },
          })
        ).ok,
    );
    const all: Promise<void>[] = [];
    let outstanding = 0;
    const add = async (tenant: string) => {
      outstanding += 1;
      all.push(send(tenant));
      await eventually('it waits', async () => held.length === Math.min(MAX_CONCURRENCY, outstanding));
    };
    for (const tenant of OTHERS) for (let n = 0; n < SHARE; n += 1) await add(tenant);
    for (let n = 0; n < SHARE * load; n += 1) await add('heavy');
    await waiting(outstanding - MAX_CONCURRENCY);

    const waits: number[] = [];
    for (let round = 0; round < 15; round += 1) {
      await add('light');
      await waiting(outstanding - MAX_CONCURRENCY);
      for (let turns = 1; ; turns += 1) {
        const next = (await turn()) ?? '';
        outstanding -= 1;
        if (next === 'light') {
          waits.push(turns);
          break;
        }
        // Who got in sends another, so that the pressure stays the same.
        await add(next);
        await waiting(outstanding - MAX_CONCURRENCY);
      }
    }
    await finish(all);
    return waits.toSorted((a, b) => a - b);
  }

  test('one that sends fifty times its share does not make another wait longer', async () => {
    const before = await turnsWaited(1);
    const after = await turnsWaited(50);
    expect(after.at(-1)).toBeLessThanOrEqual((before.at(-1) ?? 0) * 1.2);
    expect(after.at(-1)).toBeLessThanOrEqual(OTHERS.length + 2);
  }, 60_000);
});
