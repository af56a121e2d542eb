import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { canStopRedis, startRedis, type TestRedis } from '../../test/support/services/redis.ts';
import { connectIoredis } from '../storage/kv/ioredis-client.ts';
import { fieldsOf, type RedisClient } from './redis-client.ts';
import { SingleRedis } from './single-redis.ts';

const until = async (holds: () => boolean): Promise<void> => {
  const deadline = performance.now() + 10_000;
  while (!holds()) {
    if (performance.now() > deadline) throw new Error('it did not happen');
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
};

describe.skipIf(!canStopRedis)('a connection to one Redis', () => {
  let redis: TestRedis;
  const clients: RedisClient[] = [];
  beforeAll(async () => {
    redis = await startRedis([]);
  });
  afterAll(async () => {
    for (const client of clients) client.disconnect();
    await redis?.dispose();
  });

  function connect(url = redis.url, timeoutMs = 2_000) {
    const errors: string[] = [];
    const client = new SingleRedis({ url, timeoutMs, onError: (error) => errors.push(error.message) });
    clients.push(client);
    return { client, errors };
  }

  test('returns the same as the other client', async () => {
    const { client } = connect();
    await client.connected();
    const other = connectIoredis({ url: redis.url, timeoutMs: 2_000, onError: () => undefined });
    clients.push(other);
    await other.connected();
    await client.call('HSET', ['hash', 'a', '1', 'b', 'two words']);
    for (const one of [client, other]) {
      expect(fieldsOf(await one.call('HGETALL', ['hash']))).toEqual([
        ['a', '1'],
        ['b', 'two words'],
      ]);
      expect(fieldsOf(await one.call('HGETALL', ['no hash']))).toEqual([]);
      expect(await one.call('GET', ['nothing'])).toBeNull();
      await expect(one.call('GET', ['hash'])).rejects.toThrow('WRONGTYPE');
      await expect(one.call('EVALSHA', ['0'.repeat(40), '0'])).rejects.toThrow(/^NOSCRIPT/);
    }
  });

  test('uses the host, password and database of its URL', async () => {
    const { client } = connect();
    await client.connected();
    await client.call('CONFIG', ['SET', 'requirepass', 'secret']);
    try {
      const { port } = new URL(redis.url);
      const wrong = connect(`redis://:guess@127.0.0.1:${port}`);
      await until(() => wrong.errors.length > 0);
      expect(wrong.errors[0]).toContain('weir doctor');
      expect(wrong.client.ready).toBe(false);
      const right = connect(`redis://:secret@127.0.0.1:${port}/3`);
      await right.client.connected();
      expect(String(await right.client.call('CLIENT', ['INFO']))).toContain(' db=3 ');
    } finally {
      await client.call('CONFIG', ['SET', 'requirepass', '']);
    }
  });

  test('fails a command without a response in time, and completes later ones', async () => {
    const { client } = connect(redis.url, 100);
    await client.connected();
    await client.call('SET', ['number', '1']);
    await client.call('CLIENT', ['PAUSE', '300', 'ALL']);
    await expect(client.call('INCR', ['number'])).rejects.toThrow('did not answer within 100 ms');
    await until(() => client.ready);
    const late = connect(redis.url, 5_000);
    await late.client.connected();
    expect(await late.client.call('GET', ['number'])).toBe('2');
    expect(await client.call('GET', ['number'])).toBe('2');
  });

  test('is reopened when it was lost; in the meantime commands fail at once', async () => {
    const { client, errors } = connect();
    await client.connected();
    const waiting = client.call('BLPOP', ['nothing', '0']).catch((error: Error) => error);
    await redis.stop();
    expect(await waiting).toBeInstanceOf(Error);
    await until(() => !client.ready);
    await expect(client.call('PING', [])).rejects.toThrow('unreachable');
    await redis.start();
    await until(() => client.ready);
    expect(await client.call('PING', [])).toBe('PONG');
    expect(errors.length).toBeGreaterThan(0);
  });

  test('does not reconnect after disconnect()', async () => {
    const { client, errors } = connect();
    await client.connected();
    client.disconnect();
    expect(client.ready).toBe(false);
    await expect(client.call('PING', [])).rejects.toThrow();
    expect(errors).toEqual([]);
  });
});
