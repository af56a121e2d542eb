import { EVENT_NAMES, type EventName, type EventPayload, eventContract } from './catalogue.ts';

/** The side of the bus that services see: they report events and know of no subscriber. */
export interface EventSink {
  /** Calls every subscriber of the event before it returns. What a subscriber throws does not reach the caller. */
  emit<Name extends EventName>(name: Name, payload: EventPayload<Name>): void;
}

/** For commands that report nothing. */
export const NO_EVENTS: EventSink = { emit: () => undefined };

/** What one subscriber does, by event. */
export type EventHandlers = { readonly [Name in EventName]?: (payload: EventPayload<Name>) => void };

export interface EventBusOptions {
  /** Checks every payload against its contract. For tests and development: it costs more than the event itself. */
  readonly validate: boolean;
  /** Called with what a subscriber threw. Must not throw. */
  readonly onSubscriberError: (error: unknown, event: EventName, subscriber: string) => void;
}

interface Subscriber {
  readonly name: string;
  /** A method, so that handlers of every event fit: `emit` passes each list only payloads of its event. */
  handle(payload: unknown): void;
}

/**
 * A synchronous event bus within the process. Subscribers run inside `emit`, in the order in which they subscribed, so
 * they must not block. One that throws is reported by its name, and the others still run.
 */
export class EventBus implements EventSink {
  /** Lists are replaced and never changed, so that subscribing within `emit` is safe. */
  readonly #subscribers = new Map<EventName, readonly Subscriber[]>();

  constructor(private readonly options: EventBusOptions) {}

  /** @throws ZodError with `validate`, when the payload breaks the contract of its event */
  emit<Name extends EventName>(name: Name, payload: EventPayload<Name>): void {
    if (this.options.validate) eventContract(name).schema.parse(payload);
    const subscribers = this.#subscribers.get(name);
    if (subscribers === undefined) return;
    for (const subscriber of subscribers) {
      try {
        subscriber.handle(payload);
      } catch (error) {
        this.options.onSubscriberError(error, name, subscriber.name);
      }
    }
  }

  /**
   * @param subscriber names the subscriber in the log when it throws
   * @returns ends the subscription
   */
  subscribe(subscriber: string, handlers: EventHandlers): () => void {
    const ends = EVENT_NAMES.map((name) => this.#add(name, subscriber, handlers));
    return () => {
      for (const end of ends) end();
    };
  }

  #add<Name extends EventName>(name: Name, subscriber: string, handlers: EventHandlers): () => void {
    const handle = handlers[name];
    if (handle === undefined) return () => undefined;
    const entry: Subscriber = { name: subscriber, handle };
    this.#subscribers.set(name, [...(this.#subscribers.get(name) ?? []), entry]);
    return () => {
      const rest = this.#subscribers.get(name)?.filter((one) => one !== entry) ?? [];
      if (rest.length > 0) this.#subscribers.set(name, rest);
      else this.#subscribers.delete(name);
    };
  }
}
