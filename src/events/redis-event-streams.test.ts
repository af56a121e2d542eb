import { afterEach, describe, expect, test } from 'bun:test';
import { BACKENDS } from '../../test/support/database-servers.ts';
import { deliver, keyEvent, openEventLog } from '../../test/support/event-log.ts';
import { canStopRedis, hasRedis, startRedis } from '../../test/support/services/redis.ts';
import { isRecord, listOf } from '../core/json.ts';
import { connectRedis } from '../storage/kv/connect-redis.ts';
import { eventsOfEntries, RedisEventStreams } from './redis-event-streams.ts';
import { PARTITIONS } from './stored-event.ts';

const closers: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

async function open() {
  const sqlite = BACKENDS.find(({ name }) => name === 'SQLite');
  if (!sqlite) throw new Error('no SQLite');
  const [log, redis] = await Promise.all([openEventLog(sqlite), startRedis()]);
  const client = await connectRedis({ url: redis.url, timeoutMs: 2_000, onError: () => undefined });
  await client.connected();
  closers.push(
    () => redis.dispose(),
    () => log.close(),
    () => client.disconnect(),
  );
  const { control } = log;
  const streams = () =>
    new RedisEventStreams({ control, connect: async () => client, prefix: 'weir', length: 10_000 });
  const dispatchers = ['gw_1', 'gw_2'].map((owner) => log.dispatcher(owner));
  for (const dispatcher of dispatchers) {
    dispatcher.subscribe(streams());
    await dispatcher.register();
  }
  const read = async (partition: number) =>
    eventsOfEntries(await client.call('XRANGE', [`weir:events:${partition}`, '-', '+'])).filter(isRecord);
  return {
    ...{ log, redis, client, dispatchers, streams: streams() },
    /** The names of each key's events, in the order of their stream. */
    names: async () => {
      const byKey: Record<string, unknown[]> = {};
      for (let partition = 0; partition < PARTITIONS; partition += 1) {
        for (const { data } of await read(partition)) {
          if (!isRecord(data)) continue;
          byKey[String(data.key)] = [...(byKey[String(data.key)] ?? []), data.name];
        }
      }
      return byKey;
    },
  };
}

describe.skipIf(!hasRedis || !canStopRedis)('streams of Redis', () => {
  test('have each event once, in order, from two gateways, and again after Redis lost them', async () => {
    const { log, redis, client, dispatchers, streams, names } = await open();
    const keys = Array.from({ length: 12 }, (_, index) => `k${index}`);
    const wanted: string[] = [];
    const publish = async (name: string) => {
      wanted.push(name);
      await log.outbox.publish(keys.map((key) => keyEvent(key, name)));
      for (const dispatcher of dispatchers) dispatcher.wake();
    };
    for (let number = 0; number < 10; number += 1) await publish(`n${number}`);
    for (let round = 0; round < 3; round += 1) await deliver(...dispatchers);
    const all = () => Object.fromEntries(keys.map((key) => [key, wanted]));
    expect(await names()).toEqual(all());
    // Appending again changes nothing.
    await streams.repair();
    expect(await names()).toEqual(all());

    await redis.stop();
    await publish('while it was down');
    await deliver(...dispatchers);
    await redis.start({ empty: true });
    while (!client.ready) await new Promise((resolve) => setTimeout(resolve, 20));
    await streams.repair();
    log.clock.advance(60_000);
    for (let round = 0; round < 4; round += 1) {
      await deliver(...dispatchers);
      log.clock.advance(60_000);
    }
    await streams.repair();
    expect(await names()).toEqual(all());
  }, 30_000);

  test('are read by consumer groups, which claim what a dead consumer had taken', async () => {
    const { log, client, dispatchers } = await open();
    await log.outbox.publish(['a', 'b'].map((name) => keyEvent('k', name)));
    await deliver(...dispatchers);
    const filled = await Promise.all(
      Array.from({ length: PARTITIONS }, async (_, partition) => {
        const key = `weir:events:${partition}`;
        return Number(await client.call('XLEN', [key])) > 0 ? [key] : [];
      }),
    );
    const [key = ''] = filled.flat();
    await client.call('XGROUP', ['CREATE', key, 'siem', '0']);
    await client.call('XREADGROUP', ['GROUP', 'siem', 'dead', 'COUNT', '10', 'STREAMS', key, '>']);
    const claimed = await client.call('XAUTOCLAIM', [key, 'siem', 'alive', '0', '0']);
    const [, entries] = listOf(claimed);
    expect(eventsOfEntries(entries)).toMatchObject([{ data: { name: 'a' } }, { data: { name: 'b' } }]);
  }, 30_000);
});
