import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { eventually } from '../../test/e2e/harness.ts';
import { createGate } from '../../test/support/gate.ts';
import {
  canStopRedis,
  startRedis,
  startRedisCluster,
  startSentinel,
  type TestRedis,
} from '../../test/support/services/redis.ts';
import type { RedisClient } from '../platform/redis-client.ts';
import { connectRedis, subscribeRedis } from '../storage/kv/connect-redis.ts';
import { ChangeChannel } from './change-channel.ts';

/** Redis's part of a channel, in memory. */
class Broker {
  readonly published: string[] = [];
  readonly receivers: ((text: string) => void)[] = [];
  /** Publishing waits for it. */
  gate: Promise<unknown> = Promise.resolve();
  failing = false;
  onSubscribed: () => void = () => undefined;
  onError: (error: Error) => void = () => undefined;
  readonly events: string[] = [];

  channel(self: string): ChangeChannel {
    return new ChangeChannel({
      ...{ self, channel: 'changes' },
      events: { emit: (name: string) => void this.events.push(name) },
      connect: async () => ({
        ready: true,
        call: async (_command, [, text = '']) => {
          await this.gate;
          if (this.failing) throw new Error('down');
          this.published.push(text);
          for (const receive of this.receivers) receive(text);
        },
        connected: async () => undefined,
        disconnect: () => undefined,
      }),
      subscribe: async (_channel, onMessage, onSubscribed, onError) => {
        this.receivers.push(onMessage);
        Object.assign(this, { onSubscribed, onError });
        onSubscribed();
        return { close: () => undefined };
      },
    });
  }
}

async function listener(broker: Broker, self: string) {
  const channel = broker.channel(self);
  const reloads: string[] = [];
  channel.onChange('access', async () => reloads.push('access'));
  channel.onChange('config', async () => reloads.push('config'));
  await channel.listen();
  await channel.idle();
  reloads.length = 0;
  return { channel, reloads };
}

test('one change is one notice, and one reload of its area', async () => {
  const broker = new Broker();
  const { channel, reloads } = await listener(broker, 'b');
  const writer = broker.channel('a');
  writer.publish('access', 'acme');
  await writer.idle();
  await channel.idle();
  expect(broker.published.map((text) => JSON.parse(text))).toEqual([
    { from: 'a', areas: ['access'], tenants: ['acme'] },
  ]);
  expect(reloads).toEqual(['access']);
  writer.publish('config');
  await writer.idle();
  await channel.idle();
  expect(reloads).toEqual(['access', 'config']);
});

test('a gateway does not reload its own change', async () => {
  const broker = new Broker();
  const { channel, reloads } = await listener(broker, 'a');
  channel.publish('access', 'acme');
  await channel.idle();
  expect(broker.published).toHaveLength(1);
  expect(reloads).toEqual([]);
});

test('a flood of changes shares notices and reloads', async () => {
  const broker = new Broker();
  const gate = createGate();
  const channel = broker.channel('b');
  let reloads = 0;
  channel.onChange('access', async () => {
    reloads += 1;
    if (reloads > 1) await gate.pass();
  });
  await channel.listen();
  await channel.idle();
  const writer = broker.channel('a');
  for (let at = 0; at < 10_000; at += 1) writer.publish('access', `tenant-${at}`);
  await writer.idle();
  // The first was sent at once; all others share the second, which names no tenant because they are too many.
  expect(broker.published.map((text) => JSON.parse(text).tenants)).toEqual([['tenant-0'], null]);
  for (let at = 0; at < 100; at += 1) {
    writer.publish('access', 'acme');
    await writer.idle();
  }
  gate.open();
  await channel.idle();
  expect(reloads).toBe(3);
});

test('reloads once after each subscription, because notices were missed', async () => {
  const broker = new Broker();
  const { channel, reloads } = await listener(broker, 'b');
  broker.onError(new Error('lost'));
  broker.onError(new Error('still lost'));
  broker.onSubscribed();
  await channel.idle();
  expect(reloads).toEqual(['access', 'config']);
  expect(broker.events).toEqual(['change_channel.lost', 'change_channel.restored']);
});

test('a failure to publish or to reload stops nothing', async () => {
  const broker = new Broker();
  const channel = broker.channel('b');
  let failing = true;
  let reloads = 0;
  channel.onChange('access', async () => {
    if (failing) throw new Error('database down');
    reloads += 1;
  });
  await channel.listen();
  const writer = broker.channel('a');
  broker.failing = true;
  writer.publish('access', 'acme');
  await writer.idle();
  failing = false;
  broker.failing = false;
  writer.publish('access', 'acme');
  await writer.idle();
  await channel.idle();
  expect(reloads).toBe(1);
  expect(broker.events).toEqual(['job.failed', 'change_channel.publish_failed']);
});

test('ignores malformed and oversized messages', async () => {
  const broker = new Broker();
  const { channel, reloads } = await listener(broker, 'b');
  const long = JSON.stringify({ from: 'a', areas: ['access'], tenants: ['x'.repeat(100_000)] });
  for (const text of ['', 'no json', '[]', '{}', '{"from":"a","areas":"access"}', '{"areas":[1]}', long]) {
    for (const receive of broker.receivers) receive(text);
  }
  await channel.idle();
  expect(reloads).toEqual([]);
});

const SERVERS: readonly [string, () => Promise<TestRedis>][] = [
  ['a single Redis', startRedis],
  ['Sentinel', startSentinel],
  ['a cluster', startRedisCluster],
];

describe.skipIf(!canStopRedis).each(SERVERS)('a subscription at %s', (_name, start) => {
  let redis: TestRedis;
  beforeAll(async () => {
    redis = await start();
  }, 60_000);
  afterAll(() => redis?.dispose());

  test('receives messages, and subscribes again after an outage', async () => {
    const received: string[] = [];
    const errors: Error[] = [];
    let subscriptions = 0;
    const common = { url: redis.url, timeoutMs: 2_000 };
    const subscription = await subscribeRedis({
      ...{ ...common, channel: 'weir:changes' },
      onMessage: (text) => received.push(text),
      onSubscribed: () => {
        subscriptions += 1;
      },
      onError: (error) => errors.push(error),
    });
    const client: RedisClient = await connectRedis({ ...common, onError: () => undefined });
    try {
      await client.connected();
      await eventually('it is subscribed', () => subscriptions === 1);
      await client.call('PUBLISH', ['weir:changes', 'first']);
      await eventually('the message arrives', () => received.length === 1);
      await redis.stop();
      await eventually('the loss is reported', () => errors.length > 0);
      await redis.start();
      await eventually(
        'messages arrive again',
        async () => {
          if (client.ready) await client.call('PUBLISH', ['weir:changes', 'again']).catch(() => undefined);
          return received.includes('again');
        },
        30_000,
      );
      expect(received[0]).toBe('first');
    } finally {
      subscription.close();
      client.disconnect();
    }
  }, 60_000);
});
