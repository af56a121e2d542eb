import { afterEach, describe, expect, test } from 'bun:test';
import { BACKENDS, type TestBackend } from '../../test/support/database-servers.ts';
import { deliver, keyAndName, keyEvent, openEventLog } from '../../test/support/event-log.ts';
import { change } from '../storage/sql/control-database.ts';
import type { EventConsumer } from './event-dispatcher.ts';
import { EventRetention } from './event-retention.ts';
import { dataOf, type StoredEvent } from './stored-event.ts';

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;

const opened: { close(): Promise<void> }[] = [];
afterEach(async () => {
  for (const log of opened.splice(0)) await log.close();
});

async function open(backend: TestBackend) {
  const log = await openEventLog(backend);
  opened.push(log);
  return log;
}

/** Keeps what it receives; `check` may reject. */
class Recorder implements EventConsumer {
  readonly received: StoredEvent[] = [];
  check: (event: StoredEvent) => void | Promise<void> = () => undefined;

  constructor(readonly name = 'test') {}

  async deliver(events: readonly StoredEvent[]): Promise<void> {
    for (const event of events) {
      await this.check(event);
      this.received.push(event);
    }
  }

  /** The names of a key's events, in the order in which they arrived first. */
  of(key: string): unknown[] {
    return [...new Set(this.received.filter(({ data }) => data.key === key).map(({ data }) => data.name))];
  }
}

for (const backend of BACKENDS) {
  describe.skipIf(!backend.available)(`durable events on ${backend.name}`, () => {
    test('are committed with their change, and delivered once, in the order of each subject', async () => {
      const log = await open(backend);
      const consumer = new Recorder();
      const dispatcher = log.dispatcher();
      dispatcher.subscribe(consumer);
      await log.outbox.publish([keyEvent('k0', 'before the consumer existed')]);
      await deliver(dispatcher);
      const failing = change(log.control, async (transaction) => {
        await log.outbox.append(transaction, [keyEvent('k1', 'rolled back')]);
        throw new Error('no');
      });
      await expect(failing).rejects.toThrow('no');
      const names = Array.from({ length: 450 }, (_, index) => `n${index}`);
      await log.outbox.publish(names.flatMap((name) => [keyEvent('k1', name), keyEvent('k2', name)]));
      await deliver(dispatcher);
      expect([consumer.of('k0'), consumer.of('k1'), consumer.of('k2')]).toEqual([[], names, names]);
      await deliver(dispatcher);
      expect(consumer.received).toHaveLength(900);
      const [event] = consumer.received;
      if (!event) throw new Error('nothing received');
      expect(event).toEqual({
        ...{ sequence: expect.any(Number), id: expect.stringMatching(/^evt_/), type: 'api_key.updated' },
        ...{ version: 1, tenant: 'acme', subject: `key:${event.data.key}`, at: log.clock.wallTime() },
        ...{ actor: 'system', requestId: null, isTest: false, data: { key: event.data.key, name: 'n0' } },
      });
      expect(dataOf(event, 'api_key.updated')?.name).toBe('n0');
      expect(dataOf(event, 'api_key.created')).toBeUndefined();
    });

    test('a consumer that is registered misses no event before its first delivery', async () => {
      const log = await open(backend);
      const consumer = new Recorder();
      const dispatcher = log.dispatcher();
      dispatcher.subscribe(consumer);
      await dispatcher.register();
      await log.outbox.publish([keyEvent('k', 'first')]);
      await deliver(dispatcher);
      expect(consumer.of('k')).toEqual(['first']);
    });

    test('transactions that overlap become visible in the order of their sequences', async () => {
      const log = await open(backend);
      const consumer = new Recorder();
      const dispatcher = log.dispatcher();
      dispatcher.subscribe(consumer);
      await deliver(dispatcher);
      const committed: string[] = [];
      const publish = async (name: string) => {
        await log.control.transaction().execute(async (transaction) => {
          await log.outbox.append(transaction, [keyEvent('k', name)]);
          committed.push(name);
        });
        await deliver(dispatcher);
      };
      await Promise.all(Array.from({ length: 30 }, (_, index) => publish(`n${index}`)));
      await deliver(dispatcher);
      expect(consumer.of('k')).toEqual(committed);
    });

    test('a consumer that fails holds back its subject, keeps the order, and gets the same ids again', async () => {
      const log = await open(backend);
      const consumer = new Recorder();
      const dispatcher = log.dispatcher();
      dispatcher.subscribe(consumer);
      await deliver(dispatcher);
      const keys = Array.from({ length: 20 }, (_, index) => `k${index}`);
      await log.outbox.publish(['a', 'b', 'c'].flatMap((name) => keys.map((key) => keyEvent(key, name))));
      const seen = new Map<string, Set<string>>();
      let failures = 0;
      consumer.check = (event) => {
        const ids = seen.get(keyAndName(event)) ?? new Set();
        seen.set(keyAndName(event), ids.add(event.id));
        if (event.data.key !== 'k7' || event.data.name !== 'b' || failures === 3) return;
        failures += 1;
        throw new Error('receiver is down');
      };
      for (let round = 0; round < 6; round += 1) {
        await deliver(dispatcher);
        if (round === 0) expect(consumer.of('k7')).toEqual(['a']);
        log.clock.advance(60_000);
      }
      for (const key of keys) expect(consumer.of(key)).toEqual(['a', 'b', 'c']);
      expect([...seen.values()].every(({ size }) => size === 1)).toBe(true);
      expect(log.bus.names).toEqual(['events.delivery_failed']);
    });

    test('an event that never succeeds is set aside, and those after it are delivered', async () => {
      const log = await open(backend);
      const consumer = new Recorder();
      const dispatcher = log.dispatcher();
      dispatcher.subscribe(consumer);
      await deliver(dispatcher);
      consumer.check = ({ data }) => {
        if (data.name === 'poison') throw new TypeError('cannot read it');
      };
      await log.outbox.publish(['a', 'poison', 'b'].map((name) => keyEvent('k', name)));
      for (let round = 0; round < 20; round += 1) {
        await deliver(dispatcher);
        log.clock.advance(60_000);
      }
      expect(consumer.of('k')).toEqual(['a', 'b']);
      const letters = await log.control.selectFrom('event_dead_letters').selectAll().execute();
      expect(letters.map(({ consumer: name, error }) => [name, error])).toEqual([
        ['test', 'TypeError: cannot read it'],
      ]);
      expect(log.bus.names).toContain('events.dead_lettered');
    });

    test('gateways share partitions: each event arrives, in the order of its subject', async () => {
      const log = await open(backend);
      const both = new Recorder();
      // Reading waits for another turn, so that the gateways interleave.
      both.check = () => new Promise((resolve) => setImmediate(resolve));
      const dispatchers = ['gw_1', 'gw_2', 'gw_3'].map((owner) => log.dispatcher(owner));
      for (const dispatcher of dispatchers) dispatcher.subscribe(both);
      await deliver(...dispatchers);
      const keys = Array.from({ length: 30 }, (_, index) => `k${index}`);
      const names = Array.from({ length: 20 }, (_, index) => `n${index}`);
      for (const name of names) {
        await log.outbox.publish(keys.map((key) => keyEvent(key, name)));
        for (const dispatcher of dispatchers) dispatcher.wake();
      }
      // A partition that another gateway had leased is left to the next round.
      for (let round = 0; round < 3; round += 1) await deliver(...dispatchers);
      for (const key of keys) expect(both.of(key)).toEqual(names);
    });

    test('an event with a key is stored once, also after the log has deleted it', async () => {
      const log = await open(backend);
      const once = { key: 'budget:k:2026-11:80', keepUntil: log.clock.wallTime() + 40 * DAY_MS };
      const publish = () => log.outbox.publishOnce(keyEvent('k', 'a'), once);
      expect(await Promise.all([publish(), publish(), publish()])).toContain(true);
      const count = async () => (await log.control.selectFrom('event_log').select('id').execute()).length;
      expect(await count()).toBe(1);
      const { control, clock, bus: events } = log;
      const retention = new EventRetention({ control, clock, events, keepMs: () => DAY_MS });
      clock.advance(2 * DAY_MS);
      await retention.run();
      expect([await count(), await publish()]).toEqual([0, false]);
      clock.advance(40 * DAY_MS);
      await retention.run();
      expect(await publish()).toBe(true);
    });

    test('retention keeps what a consumer lacks, reports it, and deletes it much later with a report', async () => {
      const log = await open(backend);
      const { control, clock, bus: events } = log;
      const [healthy, stuck] = [new Recorder('healthy'), new Recorder('stuck')];
      stuck.check = () => {
        throw new Error('down');
      };
      const dispatcher = log.dispatcher();
      for (const consumer of [healthy, stuck]) dispatcher.subscribe(consumer);
      await deliver(dispatcher);
      await log.outbox.publish([keyEvent('k', 'a')]);
      await deliver(dispatcher);
      const retention = new EventRetention({ control, clock, events, keepMs: () => DAY_MS });
      const count = async () => (await control.selectFrom('event_log').select('id').execute()).length;
      clock.advance(2 * DAY_MS);
      await retention.run();
      expect([await count(), events.names]).toEqual([
        1,
        ['events.delivery_failed', 'events.consumer_lagging'],
      ]);
      clock.advance(3 * DAY_MS);
      await retention.run();
      expect(await count()).toBe(0);
      expect(events.payloads.at(-1)).toEqual({ consumer: 'stuck', count: 1 });
      expect(events.names.slice(2)).toEqual(['events.consumer_lagging', 'events.expired']);
    });

    test('retention bounds the number of events', async () => {
      const log = await open(backend);
      const { control, clock, bus: events } = log;
      await log.outbox.publish(Array.from({ length: 30 }, (_, index) => keyEvent('k', `n${index}`)));
      await new EventRetention({ control, clock, events, keepMs: () => null, rows: 10 }).run();
      const rows = await control.selectFrom('event_log').select('data').orderBy('sequence').execute();
      expect([rows.length, rows[0]?.data]).toEqual([10, '{"key":"k","name":"n20"}']);
    });
  });
}

test('the partitions of a gateway that died are free when its lease has ended', async () => {
  const [sqlite] = BACKENDS;
  if (!sqlite) throw new Error('no backend');
  const log = await open(sqlite);
  const { promise: forever, resolve: end } = Promise.withResolvers<void>();
  const [dead, alive] = [new Recorder(), new Recorder()];
  const first = log.dispatcher('gw_1');
  first.subscribe(dead);
  await deliver(first);
  dead.check = () => forever;
  await log.outbox.publish([keyEvent('k', 'a')]);
  first.wake();
  while (
    (await log.control.selectFrom('event_cursors').where('lease_until', '>', 0).select('owner').execute())
      .length === 0
  );
  const second = log.dispatcher('gw_2');
  second.subscribe(alive);
  await deliver(second);
  expect(alive.received).toEqual([]);
  // The dead gateway renews no lease: its timers have not run.
  await log.control
    .updateTable('event_cursors')
    .set({ lease_until: log.clock.wallTime() - 1 })
    .execute();
  await deliver(second);
  expect(alive.of('k')).toEqual(['a']);
  // It was only stopped: it delivers again what it had begun, with the same id, and cannot move the cursor back.
  end();
  await first.idle();
  expect(dead.received.map(({ id }) => id)).toEqual(alive.received.map(({ id }) => id));
  const cursors = await log.control
    .selectFrom('event_cursors')
    .select('sequence')
    .orderBy('sequence')
    .execute();
  expect(cursors.at(-1)?.sequence).toBe(1);
});
