import { type EventDispatcher as Dispatcher, EventDispatcher } from '../../src/events/event-dispatcher.ts';
import { Outbox } from '../../src/events/outbox.ts';
import type { NewEvent, StoredEvent } from '../../src/events/stored-event.ts';
import { openControlDatabase } from '../../src/storage/sql/control-database.ts';
import type { TestBackend } from './database-servers.ts';
import { FakeClock } from './fake-clock.ts';
import { RecordedEvents } from './recorded-events.ts';

/** A control database with an outbox, and dispatchers on it. */
export async function openEventLog(backend: TestBackend, clock = new FakeClock()) {
  const server = await backend.start();
  const { db: control, close: closeControl } = await openControlDatabase(server.connect());
  const bus = new RecordedEvents();
  let ids = 0;
  const sources = { clock, newId: (prefix: string) => `${prefix}_${++ids}` };
  const dispatchers: Dispatcher[] = [];
  return {
    ...{ control, clock, bus, sources, server },
    outbox: new Outbox(control, sources, () => undefined),
    dispatcher(owner = 'gw_1') {
      const dispatcher = new EventDispatcher({ control, clock, events: bus, owner });
      dispatchers.push(dispatcher);
      return dispatcher;
    },
    async close() {
      for (const dispatcher of dispatchers) await dispatcher.close();
      await closeControl();
      await server.dispose();
    },
  };
}

/** Delivers everything that is waiting. */
export async function deliver(...dispatchers: readonly Dispatcher[]): Promise<void> {
  for (const dispatcher of dispatchers) dispatcher.wake();
  await Promise.all(dispatchers.map((dispatcher) => dispatcher.idle()));
}

/** An event of a key. @param name tells events of one key apart */
export function keyEvent(key: string, name: string, tenant: string | null = 'acme'): NewEvent {
  return { type: 'api_key.updated', tenant, data: { key, name } };
}

/** The key and name of an event that `keyEvent` made. */
export function keyAndName({ data }: Pick<StoredEvent, 'data'>): string {
  return `${data.key} ${data.name}`;
}
