import type { z } from 'zod';
import { DURABLE_CONTRACTS } from './durable-events.ts';
import { PROCESS_CONTRACTS } from './process-events.ts';

/** Names an event of this process. */
export type EventName = keyof typeof PROCESS_CONTRACTS;
export type EventPayload<Name extends EventName> = z.infer<(typeof PROCESS_CONTRACTS)[Name]['schema']>;

/** In the order of the documentation. */
export const EVENT_NAMES: readonly EventName[] = Object.keys(PROCESS_CONTRACTS).filter(
  (name): name is EventName => Object.hasOwn(PROCESS_CONTRACTS, name),
);

/** @returns the contract of an event of this process */
export function eventContract<Name extends EventName>(name: Name): (typeof PROCESS_CONTRACTS)[Name] {
  return PROCESS_CONTRACTS[name];
}

/** Names a durable event. */
export type DurableEventType = keyof typeof DURABLE_CONTRACTS;
export type DurableEventData<Type extends DurableEventType> = z.infer<
  (typeof DURABLE_CONTRACTS)[Type]['data']
>;

/** In the order of the documentation. */
export const DURABLE_EVENT_TYPES: readonly DurableEventType[] =
  Object.keys(DURABLE_CONTRACTS).filter(isDurableEvent);

/** Whether this version knows the durable event; a newer replica may have stored others. */
export function isDurableEvent(type: string): type is DurableEventType {
  return Object.hasOwn(DURABLE_CONTRACTS, type);
}

/** @returns the contract of a durable event */
export function durableContract<Type extends DurableEventType>(type: Type): (typeof DURABLE_CONTRACTS)[Type] {
  return DURABLE_CONTRACTS[type];
}
