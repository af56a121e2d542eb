import type { StoredEvent } from './stored-event.ts';

/** An event as other systems receive it: in webhooks, in the admin API and in streams. */
export interface EventPayload {
  readonly id: string;
  readonly type: string;
  readonly version: number;
  readonly tenant: string | null;
  readonly subject: string;
  /** ISO 8601, in UTC. */
  readonly timestamp: string;
  readonly actor: string;
  readonly request_id: string | null;
  readonly test: boolean;
  readonly data: Readonly<Record<string, unknown>>;
}

/** @returns the event in the form that other systems receive */
export function eventPayload(event: StoredEvent): EventPayload {
  const { id, type, version, tenant, subject, at, actor, requestId, isTest, data } = event;
  return {
    ...{ id, type, version, tenant, subject },
    timestamp: new Date(at).toISOString(),
    ...{ actor, request_id: requestId, test: isTest, data },
  };
}
