import { type EventName, type EventPayload, eventContract } from '../../src/events/catalogue.ts';
import { EventBus, type EventHandlers, type EventSink } from '../../src/events/event-bus.ts';

/** An event sink that keeps what services report, and checks each payload against its contract. */
export class RecordedEvents implements EventSink {
  /** In their order; grows with each event. */
  readonly names: EventName[] = [];
  readonly payloads: unknown[] = [];

  emit<Name extends EventName>(name: Name, payload: EventPayload<Name>): void {
    eventContract(name).schema.parse(payload);
    this.names.push(name);
    this.payloads.push(payload);
  }
}

/** An event sink that calls a handler of the test. What a handler throws fails the emitter. */
export function eventsTo(handlers: EventHandlers): EventSink {
  const bus = new EventBus({
    validate: true,
    onSubscriberError: (error) => {
      throw error;
    },
  });
  bus.subscribe('test', handlers);
  return bus;
}
