import { createHash } from 'node:crypto';
import { z } from 'zod';
import { isRecord, parseJsonText } from '../core/json.ts';
import type { UnplacedEvent } from '../storage/sql/event-log.ts';
import type { EventLogRow } from '../storage/sql/event-tables.ts';
import { type DurableEventData, type DurableEventType, durableContract } from './catalogue.ts';
import type { DurableEventContract } from './contract.ts';

/** A durable event before it is stored. */
export interface NewEventOf<Type extends DurableEventType> {
  readonly type: Type;
  /** Null for an event of the platform. */
  readonly tenant: string | null;
  readonly data: DurableEventData<Type>;
  /** Id of the actor; `system` when absent. */
  readonly actor?: string | undefined;
  readonly requestId?: string | undefined;
  /** A new one when absent. An event whose id is stored already is not stored again. */
  readonly id?: string | undefined;
  /** Unix milliseconds; now when absent. */
  readonly at?: number | undefined;
  /** Whether a person triggered it to test consumers. */
  readonly isTest?: boolean | undefined;
}

/** A durable event of any type, before it is stored. */
export type NewEvent = { [Type in DurableEventType]: NewEventOf<Type> }[DurableEventType];

/** A durable event as consumers receive it. Its type may be one of a newer version of Weir. */
export interface StoredEvent {
  /** Place in the log: ascending, with gaps. */
  readonly sequence: number;
  /** Identifies the event, also when it is delivered again. */
  readonly id: string;
  readonly type: string;
  /** Of the event's contract. */
  readonly version: number;
  /** Null for an event of the platform. */
  readonly tenant: string | null;
  /** Events of one subject of one tenant are delivered in their order. */
  readonly subject: string;
  /** Unix milliseconds. */
  readonly at: number;
  /** Id of the actor, or `system`. */
  readonly actor: string;
  /** Null where no request caused the event. */
  readonly requestId: string | null;
  readonly isTest: boolean;
  /** As `DurableEventData` of the type; see `dataOf`. */
  readonly data: Readonly<Record<string, unknown>>;
}

/** Number of partitions: events of one partition are delivered one after another. Never changes. */
export const PARTITIONS = 8;
const SYSTEM = 'system';

/** @returns the data of an event of one type; undefined for events of other types */
export function dataOf<Type extends DurableEventType>(
  event: StoredEvent,
  type: Type,
): DurableEventData<Type> | undefined;
/** As declared above; the types of data are not related to each other. */
export function dataOf(event: StoredEvent, type: DurableEventType): unknown {
  if (event.type !== type) return undefined;
  const { data } = durableContract(type);
  // Not strict: a newer replica may have stored more fields.
  return z.object(data.shape).safeParse(event.data).data;
}

/** @returns the contract, for code that treats all types alike */
export function contractOf(type: DurableEventType): DurableEventContract {
  return durableContract(type);
}

/** @returns the partition of a subject: the same on every gateway */
export function partitionOf(tenant: string, subject: string): number {
  const digest = createHash('sha256').update(`${tenant}\n${subject}`).digest();
  return digest.readUInt32BE(0) % PARTITIONS;
}

/** Sources of what an event lacks. */
export interface EventSources {
  readonly clock: { wallTime(): number };
  /** @returns a new id with a prefix, such as `evt_...` */
  readonly newId: (prefix: string) => string;
}

/** @returns the row of an event. @throws ZodError when its data breaks the contract */
export function rowOf(event: NewEvent, { clock, newId }: EventSources): UnplacedEvent {
  const { type, tenant, actor = SYSTEM, requestId = '', isTest = false } = event;
  const { id = newId('evt'), at = clock.wallTime() } = event;
  const data = contractOf(type).data.parse(event.data);
  return rowFrom(type, tenant, data, { id, at, actor, requestId, isTest });
}

/** @param data which the contract accepts @returns the row of an event */
export function rowFrom(
  type: DurableEventType,
  tenant: string | null,
  data: unknown,
  by: { id: string; at: number; actor: string; requestId: string; isTest?: boolean },
): UnplacedEvent {
  const contract = contractOf(type);
  const subject = contract.subjectOf(data);
  return {
    ...{ type, version: contract.version, tenant: tenant ?? '', subject },
    ...{ id: by.id, actor: by.actor, request_id: by.requestId },
    partition: partitionOf(tenant ?? '', subject),
    test: by.isTest ? 1 : 0,
    data: JSON.stringify(data),
    created_at: by.at,
  };
}

/** @returns an event with the example data of its type, as a person triggers it to test consumers */
export function exampleEvent(
  type: DurableEventType,
  tenant: string | null,
  actor: string,
  requestId: string,
): NewEvent;
/** As declared above; the types of data are not related to each other. */
export function exampleEvent(
  type: DurableEventType,
  tenant: string | null,
  actor: string,
  requestId: string,
): unknown {
  return { type, tenant, data: contractOf(type).example, actor, requestId, isTest: true };
}

/** @returns the event of a row */
export function storedEvent(row: EventLogRow): StoredEvent {
  const { sequence, id, type, version, subject, actor } = row;
  const data = parseJsonText(row.data);
  return {
    ...{ sequence, id, type, version, subject, actor },
    tenant: row.tenant === '' ? null : row.tenant,
    at: row.created_at,
    requestId: row.request_id === '' ? null : row.request_id,
    isTest: row.test === 1,
    data: isRecord(data) ? data : {},
  };
}
