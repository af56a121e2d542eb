import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { connectRedis } from '../../src/storage/kv/connect-redis.ts';
import { type CacheGateway, chatOf, startCacheGateway } from '../support/cache-gateway.ts';
import { createGate } from '../support/gate.ts';
import { chatAnswer, chatEvent } from '../support/inference.ts';
import { json, slow, status } from '../support/scripts.ts';
import { canStopRedis, type FreezableRedis, hasRedis, startRedis } from '../support/services/redis.ts';

const cacheOf = ({ headers }: { readonly headers: Headers }) => headers.get('x-weir-cache');

if (hasRedis && canStopRedis) {
  describe('cache in Redis', () => {
    let redis: FreezableRedis;
    let one: CacheGateway;
    let other: CacheGateway;
    beforeAll(async () => {
      redis = await startRedis([]);
      const config = {
        storage: { redis_url: redis.url },
        limits: { default_tier: null, per_ip: null },
      };
      // On a busy machine, a shorter one lets gateways call upstream on their own.
      const cache = { redis_timeout: '400ms', coalescing: { across_gateways: true } };
      one = await startCacheGateway({ config, cache });
      other = await startCacheGateway({ config, cache, upstream: one.mock });
    });
    afterAll(async () => {
      await other.stop();
      await one.stop();
      await redis.dispose();
    });

    /** Sends until the response comes from the cache: entries are written after the response. */
    async function untilHit({ post }: CacheGateway, body: unknown) {
      const deadline = performance.now() + 20_000;
      for (;;) {
        const response = await post('/v1/chat/completions', body, { 'x-weir-cache': 'only' });
        if (cacheOf(response) === 'hit') return response;
        if (performance.now() > deadline) throw new Error(`no hit: ${response.text}`);
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
    }

    /** Until a gateway reads the stream of another one. */
    async function untilRead() {
      const client = await connectRedis({ url: redis.url, timeoutMs: 2_000, onError: () => undefined });
      await client.connected();
      const deadline = performance.now() + 20_000;
      let names = '';
      while (!names.includes(':readers') && performance.now() < deadline) {
        names = String(await client.call('KEYS', ['*:readers']));
        await new Promise((resolve) => setTimeout(resolve, 5));
      }
      await client.call('DEL', names.split(','));
      client.disconnect();
    }

    test('gateways share entries, plain and streamed', async () => {
      for (const stream of [false, true]) {
        const body = chatOf(`shared ${stream}`, { stream });
        const first = await one.post('/v1/chat/completions', body);
        const second = await untilHit(other, body);
        expect([cacheOf(first), second.text]).toEqual(['miss', first.text]);
      }
    });

    test('the counts of all gateways add up', async () => {
      const reportOf = async ({ gateway }: CacheGateway) =>
        (await gateway.call('GET', '/cache/stats', { key: gateway.adminKey })).body.chat;
      const countOf = (report: unknown, name: string) => Number(Object(report)[name] ?? 0);
      const hitsOf = async ({ gateway }: CacheGateway) => {
        const { text } = await gateway.call('GET', '/metrics', { key: gateway.adminKey });
        return Number(/llm_cache_requests_total\{tenant="default",result="hit"\} (\d+)/.exec(text)?.[1] ?? 0);
      };
      const body = chatOf('counted');
      await one.post('/v1/chat/completions', body);
      await untilHit(other, body);
      await untilHit(one, body);
      const [own, others] = [await hitsOf(one), await hitsOf(other)];
      expect([own, others].every((hits) => hits > 0)).toBe(true);
      const deadline = performance.now() + 20_000;
      let now: unknown;
      // Another gateway sends its counts a second later.
      while (countOf(now, 'hits') !== own + others && performance.now() < deadline) {
        now = await reportOf(one);
        await new Promise((resolve) => setTimeout(resolve, 100));
      }
      expect(countOf(now, 'hits')).toBe(own + others);
      const tenant = await other.gateway.call('GET', '/admin/v1/tenants/default/cache', {
        key: other.gateway.adminKey,
      });
      expect(countOf(Object(tenant.body.models).chat, 'hits')).toBe(own + others);
    });

    test('one gateway makes a call that several are asked for', async () => {
      const gate = createGate();
      one.mock.respond(async () => {
        await gate.pass();
        return json(JSON.parse(chatAnswer('once')));
      });
      const before = one.mock.requests.length;
      const sent = [one, other, one, other].map(({ post }) =>
        post('/v1/chat/completions', chatOf('together')),
      );
      await one.mock.waitForRequest(before + 1);
      gate.open();
      for (const { status: code, text } of await Promise.all(sent)) {
        expect([code, text.includes('once')]).toEqual([200, true]);
      }
      expect(one.mock.requests).toHaveLength(before + 1);
    });

    test('one gateway makes a call that several stream, and each client receives all of it', async () => {
      const gate = createGate();
      const pieces = [chatEvent('one '), chatEvent('two '), chatEvent('three'), chatEvent('', 'stop')];
      one.mock.respond(slow([...pieces, 'data: [DONE]\n\n'], gate));
      const before = one.mock.requests.length;
      const body = chatOf('streamed together', { stream: true });
      const first = one.post('/v1/chat/completions', body);
      await one.mock.waitForRequest(before + 1);
      gate.release(2);
      const others = [other, one, other, other].map(({ post }) => post('/v1/chat/completions', body));
      await untilRead();
      gate.open();
      const responses = await Promise.all([first, ...others]);
      expect(one.mock.requests).toHaveLength(before + 1);
      const texts = new Set(responses.map(({ text }) => text));
      expect([texts.size, responses[0]?.text.endsWith('data: [DONE]\n\n')]).toEqual([1, true]);
      const kinds = responses.map((response) => response.headers.get('x-weir-cache-kind'));
      // One that comes after the end finds the response stored.
      expect(kinds.slice(1).filter((kind) => kind !== 'coalesced' && kind !== 'exact')).toEqual([]);
      expect([kinds[0], kinds[1]]).toEqual([null, 'coalesced']);
      expect(responses[1]?.headers.get('x-weir-provider')).toBe('up');
      expect((await untilHit(other, body)).text).toBe([...texts][0] ?? '');
    });

    test('a streamed call that fails is made again by the gateway that waited', async () => {
      const gate = createGate();
      one.mock.respond(async () => {
        await gate.pass();
        return status(400, { error: { message: 'your fault' } });
      });
      const before = one.mock.requests.length;
      const body = chatOf('streamed and failing', { stream: true });
      const first = one.post('/v1/chat/completions', body);
      await one.mock.waitForRequest(before + 1);
      const second = other.post('/v1/chat/completions', body);
      await untilRead();
      gate.open();
      expect((await first).status).toBe(400);
      const { status: code, text } = await second;
      expect([code, text.endsWith('data: [DONE]\n\n')]).toEqual([200, true]);
    });

    test('a gateway does not wait for a call that failed, or that is not stored', async () => {
      one.mock.respond(status(400, { error: { message: 'your fault' } }));
      const sent = [one, other].map(({ post }) => post('/v1/chat/completions', chatOf('failing')));
      const statuses = (await Promise.all(sent)).map((response) => response.status);
      expect(statuses.toSorted()).toEqual([200, 400]);
    });

    test('a Redis that hangs costs few requests their time limit, and hits resume', async () => {
      const countOf = async (reason: string) => {
        const { text } = await one.gateway.call('GET', '/metrics', { key: one.gateway.adminKey });
        const found = new RegExp(`llm_cache_errors_total\\{reason="${reason}"\\} (\\d+)`).exec(text);
        return Number(found?.[1] ?? 0);
      };
      const [timeouts, paused] = [await countOf('timeout'), await countOf('paused')];
      const body = chatOf('before it hangs');
      await one.post('/v1/chat/completions', body);
      await untilHit(one, body);
      redis.freeze();
      const startedAt = performance.now();
      const statuses: number[] = [];
      for (let wave = 0; wave < 15; wave += 1) {
        const sent = Array.from({ length: 20 }, (_, index) =>
          one.post('/v1/chat/completions', chatOf(`hangs ${wave} ${index}`)),
        );
        statuses.push(...(await Promise.all(sent)).map((response) => response.status));
      }
      const seconds = (performance.now() - startedAt) / 1_000;
      expect(new Set(statuses)).toEqual(new Set([200]));
      // All of the first wave, and then one each second.
      expect((await countOf('timeout')) - timeouts).toBeLessThanOrEqual(2 * 20 + seconds + 1);
      expect((await countOf('paused')) - paused).toBeGreaterThan(200);
      redis.thaw();
      expect(cacheOf(await untilHit(one, body))).toBe('hit');
    });

    test('without Redis no request fails, and hits resume when it returns', async () => {
      const { post, mock } = one;
      await post('/v1/chat/completions', chatOf('lost'));
      await untilHit(one, chatOf('lost'));
      const load = async (count: number) => {
        const sent = Array.from({ length: count }, (_, index) =>
          post('/v1/chat/completions', chatOf(`load ${index}`)),
        );
        return (await Promise.all(sent)).map((response) => response.status);
      };
      const before = load(20);
      await redis.stop();
      const statuses = [...(await before), ...(await load(50)), ...(await load(50))];
      expect(new Set(statuses)).toEqual(new Set([200]));
      expect(cacheOf(await post('/v1/chat/completions', chatOf('lost')))).toBe('miss');
      const metrics = await one.gateway.call('GET', '/metrics', { key: one.gateway.adminKey });
      expect(metrics.text).toMatch(/llm_cache_errors_total\{reason="unavailable"\} [1-9]/);
      await redis.start();
      const requests = mock.requests.length;
      const deadline = performance.now() + 20_000;
      let state = '';
      while (state !== 'hit' && performance.now() < deadline) {
        state = String(cacheOf(await post('/v1/chat/completions', chatOf('again'))));
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
      expect(state).toBe('hit');
      expect(mock.requests.length).toBeGreaterThan(requests);
    });
  });
}
