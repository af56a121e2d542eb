import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import {
  hasRedis,
  startRedis,
  startRedisCluster,
  type TestRedis,
} from '../../test/support/services/redis.ts';
import { systemClock } from '../core/clock.ts';
import type { Frame } from '../core/stream/frame.ts';
import { randomIds } from '../platform/random-ids.ts';
import type { RedisClient } from '../platform/redis-client.ts';
import { SecretBox } from '../platform/secret-box.ts';
import { connectRedis } from '../storage/kv/connect-redis.ts';
import { RedisLookups } from './redis-lookups.ts';
import { RedisStreamRelay } from './redis-stream-relay.ts';
import type { RelayPart } from './stream-relay.ts';

const nothing = () => undefined;

function relayOn(client: RedisClient, secret = 'secret'): RedisStreamRelay {
  const lookups = new RedisLookups({
    ...{ clock: systemClock, timeoutMs: () => 5_000, isConnected: () => client.ready },
    ...{ onSkip: nothing, onLost: nothing, onRecovered: nothing },
  });
  return new RedisStreamRelay({
    ...{ client, lookups, prefix: 'test', newId: randomIds('') },
    box: new SecretBox(secret, 'cache'),
  });
}

async function claimed(relay: RedisStreamRelay, name: string, tenant = 'acme') {
  const claim = await relay.claim(name, tenant);
  if (claim === 'skipped') throw new Error('skipped');
  return claim;
}

const part = (text: string): RelayPart => ({
  frames: [{ bytes: new Uint8Array(Buffer.from(text)), events: [] }],
});

if (hasRedis) {
  describe.each([
    ['Redis', () => startRedis([])],
    ['a cluster of Redis', startRedisCluster],
  ] as const)('streams relayed through %s', (_, start) => {
    let server: TestRedis;
    let client: RedisClient;
    beforeAll(async () => {
      server = await start();
      client = await connectRedis({ url: server.url, timeoutMs: 5_000, onError: nothing });
      await client.connected();
    }, 60_000);
    afterAll(async () => {
      client.disconnect();
      await server.dispose();
    });

    test('one gateway makes a call, until its claim ends', async () => {
      const [one, other] = [relayOn(client), relayOn(client)];
      const mine = await claimed(one, 'a');
      const theirs = await claimed(other, 'a');
      expect([mine.isMine, theirs.isMine, theirs.call.id]).toEqual([true, false, mine.call.id]);
      expect((await claimed(other, 'a', 'globex')).isMine).toBe(true);
      // The claim of an earlier call ends no later one.
      other.release({ ...mine.call, id: 'another' });
      expect((await claimed(other, 'a')).isMine).toBe(false);
      one.release(mine.call);
      const next = await claimed(other, 'a');
      expect([next.isMine, next.call.id === mine.call.id]).toEqual([true, false]);
      expect((await one.read(mine.call, 0, 10)).isAlive).toBe(false);
    });

    test('a part is read as it was written: bytes, events, head and end', async () => {
      const relay = relayOn(client);
      const bytes = fc.oneof(
        fc.string({ unit: 'grapheme', maxLength: 40 }).map((text) => new Uint8Array(Buffer.from(text))),
        fc.uint8Array({ maxLength: 20 }),
        fc.constant(Uint8Array.of(0xef, 0xbb, 0xbf, 97)),
      );
      const frame: fc.Arbitrary<Frame> = fc.oneof(
        bytes.map((own) => ({ bytes: own, events: [] })),
        bytes.map((own) => ({ bytes: own, events: [{ type: 'ping' as const }], isLast: true })),
        fc.constant({ events: [{ type: 'start' as const }, { type: 'end' as const }] }),
      );
      await fc.assert(
        fc.asyncProperty(
          fc.array(fc.array(frame, { maxLength: 4 }), { minLength: 1, maxLength: 4 }),
          async (all) => {
            const { call } = await claimed(relay, `frames ${Math.random()}`);
            const parts: RelayPart[] = all.map((frames, index) => ({
              frames,
              ...(index === 0
                ? { head: { mode: 'bytes', provider: 'up', upstreamModel: 'm', warnings: [] } }
                : {}),
              ...(index === all.length - 1
                ? { end: { kind: 'done', usage: undefined, finishReason: 'stop', chunks: 2 } }
                : {}),
            }));
            for (const [index, one] of parts.entries()) await relay.append(call, one, index + 1, 1);
            const read = await relay.read(call, 0, 64);
            expect([read.isTorn, read.isAlive]).toEqual([false, true]);
            const plain = (value: readonly RelayPart[]) =>
              JSON.parse(
                JSON.stringify(value, (_name, one: unknown) =>
                  one instanceof Uint8Array ? Buffer.from(one).toString('hex') : one,
                ),
              );
            expect(plain(read.parts)).toEqual(plain(parts));
          },
        ),
        { numRuns: 20 },
      );
    });

    test('readers get parts in order and are noticed; parts that were removed are a tear', async () => {
      const relay = relayOn(client);
      const { call } = await claimed(relay, 'order');
      expect(await relay.append(call, part('1'), 1, 1)).toBe(false);
      const first = await relay.read(call, 0, 64);
      expect(first.parts).toHaveLength(1);
      expect(await relay.append(call, part('2'), 2, 1)).toBe(true);
      expect(await relay.append(call, undefined, 2, 1)).toBe(true);
      await relay.append(call, part('3'), 3, 3);
      expect((await relay.read(call, 2, 64)).parts).toHaveLength(1);
      expect(await relay.read(call, 1, 64)).toMatchObject({ parts: [], isTorn: true });
      expect(await relay.read(call, 0, 0)).toMatchObject({ parts: [], isTorn: false, isAlive: true });
    });

    test('parts that were changed, moved, or written by another are not read', async () => {
      const relay = relayOn(client);
      const { call } = await claimed(relay, 'victim');
      const [, other] = [await relay.append(call, part('secret'), 1, 1), await claimed(relay, 'other')];
      await relayOn(client, 'another secret').append(other.call, part('forged'), 1, 1);
      expect(await relay.read(other.call, 0, 64)).toMatchObject({ parts: [], isTorn: true });
      // Another tenant's name has other keys, and the part names its own.
      expect((await relay.read({ ...call, tenant: 'globex' }, 0, 64)).parts).toEqual([]);
      expect((await relay.read(call, 0, 64)).parts).toHaveLength(1);
    });
  });
}
