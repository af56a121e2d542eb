import { afterEach, describe, expect, test } from 'bun:test';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readSlots } from '../../src/platform/slot-file.ts';
import { type Gateway, startGateway } from '../support/gateway.ts';
import { startMockUpstream } from '../support/mock-upstream.ts';
import { hang, hangAfter, status } from '../support/scripts.ts';
import { chat, completion, eventually, mockConfig, post, streamPieces } from './harness.ts';
import { dataOf, done } from './helpers/admin.ts';

const closers: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

const PRICES = [{ model: 'upstream-chat', input: '1', output: '10' }];

/** A gateway that can be killed, and started again with the same data. */
async function killable() {
  const data = mkdtempSync(join(tmpdir(), 'weir-killed-'));
  closers.push(() => rmSync(data, { recursive: true, force: true }));
  const mock = await startMockUpstream();
  closers.push(() => mock.close());
  const start = async () => {
    const gateway = await startGateway({
      config: mockConfig(mock.url, {
        prices: PRICES,
        routing: { retry: { attempts: 2 } },
      }),
      dataDir: data,
    });
    closers.push(() => gateway.stop());
    return gateway;
  };
  return { mock, start, data };
}

const eventsOf = async (gateway: Gateway) =>
  dataOf(await done(gateway, 'GET', '/tenants/default/usage/events?limit=100'));

/** Output tokens of the requests in flight, as a killed gateway would leave them. */
function recordedTokens(data: string): number[] {
  const folder = join(data, 'usage-journal');
  return readdirSync(folder)
    .filter((name) => name.startsWith('in-flight-'))
    .flatMap((name) => readSlots(join(folder, name), Number(name.split('-').at(-2))))
    .map((text) => Number(text.slice(0, 12)));
}

describe('a killed gateway', () => {
  test('leaves a usage event for each request in flight, marked lost, with an estimate of its use', async () => {
    const { mock, start, data } = await killable();
    const gateway = await start();
    mock.respondAlways(completion());
    await (await post(gateway, chat())).text();
    mock.respondAlways((request) =>
      request.text().includes('"stream":true')
        ? hangAfter(streamPieces('One', ' two', ' three').slice(0, 3))
        : hang(),
    );
    const headers = { 'x-weir-tags': 'team=a' };
    const stream = await post(gateway, chat({ stream: true }), { headers });
    const reader = stream.body?.getReader();
    await reader?.read();
    const plain = post(gateway, chat()).catch(() => undefined);
    await eventually('both are at the upstream', () => mock.requests.length === 3);
    await eventually('the use so far is recorded', () => recordedTokens(data).includes(3));
    gateway.signal('SIGKILL');
    await gateway.exited;
    await plain;
    await reader?.cancel().catch(() => undefined);

    const again = await start();
    await eventually('the events are stored', async () => (await eventsOf(again)).length === 3, 10_000);
    const events = await eventsOf(again);
    const lost = events.filter(({ outcome }) => outcome === 'lost');
    expect(lost).toHaveLength(2);
    for (const event of lost) expect(event).toMatchObject({ estimated: true, status: 500, model: 'chat' });
    const [streamed] = lost.filter(({ tags }) => JSON.stringify(tags) === '["team=a"]');
    expect(streamed?.output_tokens).toBe(3);
    const input = Number(streamed?.input_tokens);
    expect(input).toBeGreaterThan(0);
    expect(Number(streamed?.cost)).toBeCloseTo((input + 30) / 1e6, 12);
    expect(Number(streamed?.duration_ms)).toBeGreaterThan(0);
    const [sums = {}] = dataOf(await done(again, 'GET', '/tenants/default/usage'));
    expect([sums.requests, sums.failed_attempts ?? sums.failures]).toEqual([3, 2]);
    await again.waitForOutput(/requests in flight are recorded as lost/);
    // Another start finds nothing more.
    await again.stop();
    expect(readdirSync(join(data, 'usage-journal'))).toEqual([]);
    const third = await start();
    expect(await eventsOf(third)).toHaveLength(3);
  }, 60_000);

  test('leaves none for requests that have ended, and one for a request with a failed attempt', async () => {
    const { mock, start } = await killable();
    const gateway = await start();
    mock.respondAlways(completion());
    for (let index = 0; index < 20; index += 1) await (await post(gateway, chat())).text();
    let calls = 0;
    mock.respondAlways((request) => {
      // Health checks come, too.
      if (request.method !== 'POST') return status(200, { data: [] });
      calls += 1;
      return calls === 1 ? status(503, { error: { message: 'busy' } }) : hang();
    });
    const running = post(gateway, chat()).catch(() => undefined);
    await eventually('the second attempt is at the upstream', () => calls === 2, 15_000);
    gateway.signal('SIGKILL');
    await gateway.exited;
    await running;
    const again = await start();
    await eventually('the events are stored', async () => (await eventsOf(again)).length >= 21, 10_000);
    const outcomes = (await eventsOf(again)).map(({ outcome }) => outcome);
    expect(outcomes.filter((outcome) => outcome === 'lost')).toHaveLength(1);
    expect(outcomes).toHaveLength(21);
  }, 60_000);

  test('loses no usage of many tenants, and counts none twice', async () => {
    const TENANTS = 25;
    const EACH = 8;
    const { mock, start } = await killable();
    const gateway = await start();
    mock.respondAlways(completion());
    const ids = Array.from({ length: TENANTS }, (_, index) => `tenant-${index}`);
    const keys: string[] = [];
    for (const id of ids) {
      await done(gateway, 'POST', '/tenants', { id, name: id, tier: null });
      keys.push(String((await done(gateway, 'POST', `/tenants/${id}/keys`, { name: 'k' })).key));
    }
    const countOf = async (from: Gateway, id: string) =>
      Number(dataOf(await done(from, 'GET', `/tenants/${id}/usage`))[0]?.requests ?? 0);
    const requestOfEach = () =>
      Promise.all(
        keys.map(async (key) =>
          (await post(gateway, chat(), { headers: { authorization: `Bearer ${key}` } })).text(),
        ),
      );
    // Some of the usage is stored, and the rest is in the journal.
    for (let count = 0; count < EACH / 2; count += 1) await requestOfEach();
    await eventually(
      'the first half is stored',
      async () => (await countOf(gateway, 'tenant-0')) === EACH / 2,
      20_000,
    );
    for (let count = 0; count < EACH / 2; count += 1) await requestOfEach();
    gateway.signal('SIGKILL');
    await gateway.exited;

    const again = await start();
    for (const id of ids) {
      await eventually(
        `the usage of ${id} is stored`,
        async () => (await countOf(again, id)) >= EACH,
        20_000,
      );
    }
    expect(await Promise.all(ids.map((id) => countOf(again, id)))).toEqual(ids.map(() => EACH));
  }, 120_000);
});
