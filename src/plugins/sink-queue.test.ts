import { expect, test } from 'bun:test';
import { FakeClock } from '../../test/support/fake-clock.ts';
import { createGate } from '../../test/support/gate.ts';
import type { PluginState } from './host.ts';
import { PluginFailure } from './plugin-failure.ts';
import { SinkQueue } from './sink-queue.ts';

class FakeHost {
  readonly batches: string[][] = [];
  state: PluginState = 'ok';
  /** Runs before each call ends. */
  before: () => Promise<void> = () => Promise.resolve();

  async call<T>(_hook: string, data: unknown, read: (result: unknown) => T): Promise<T> {
    const events: readonly { readonly name: string }[] = Array.isArray(data) ? data : [];
    await this.before();
    this.batches.push(events.map(({ name }) => name));
    return read(undefined);
  }
}

const turns = async (count = 20) => {
  for (let turn = 0; turn < count; turn += 1) await Promise.resolve();
};

test('sends events in order, in batches, one call at a time', async () => {
  const host = new FakeHost();
  const gate = createGate();
  host.before = () => gate.pass();
  const queue = new SinkQueue(host, new FakeClock(), () => undefined);
  for (let event = 0; event < 150; event += 1) queue.push(`e${event}`, {});
  await turns();
  expect(host.batches).toEqual([]);
  gate.open();
  await turns();
  expect(host.batches.map((batch) => batch.length)).toEqual([100, 50]);
  expect(host.batches.flat()).toEqual(Array.from({ length: 150 }, (_, event) => `e${event}`));
});

test('drops the oldest events above 1,000', async () => {
  const host = new FakeHost();
  let dropped = 0;
  const queue = new SinkQueue(host, new FakeClock(), (count) => {
    dropped += count;
  });
  for (let event = 0; event < 1_200; event += 1) queue.push(`e${event}`, {});
  await turns(60);
  expect(dropped).toBe(200);
  expect(host.batches.flat()[0]).toBe('e200');
  expect(host.batches.flat()).toHaveLength(1_000);
});

test('keeps events while the plugin is started again, and drops those of a call that failed', async () => {
  const host = new FakeHost();
  const clock = new FakeClock();
  let dropped = 0;
  let reason: 'unavailable' | 'error' | undefined = 'unavailable';
  host.before = () => (reason ? Promise.reject(new PluginFailure(reason, 'no')) : Promise.resolve());
  const queue = new SinkQueue(host, clock, (count) => {
    dropped += count;
  });
  queue.push('first', {});
  await turns();
  expect([host.batches.length, dropped, clock.sleeping]).toEqual([0, 0, 1]);
  reason = undefined;
  clock.advance(1_000);
  await turns();
  expect(host.batches).toEqual([['first']]);
  reason = 'error';
  queue.push('second', {});
  await turns();
  expect(dropped).toBe(1);
});
