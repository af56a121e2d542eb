import type { DurableEventData, DurableEventType } from '../events/catalogue.ts';
import { derivedEventId } from '../events/event-id.ts';
import type { DerivedEvent } from '../storage/sql/store-usage.ts';
import { REJECTED, type UsageEvent } from '../storage/usage-event.ts';

/** Requests that take longer are reported. */
const SLOW_MS = 60_000;
/** Events of one batch: an outage of everything must not fill the log. */
const MAX_EVENTS = 20;
const MAX_IDS = 5;
const FIRST_ERROR = 500;
/** Code of the error with which a guardrail ends a request. */
const BLOCKED = 'guardrail_blocked';

interface Group {
  readonly first: UsageEvent;
  count: number;
  longestMs: number;
  readonly ids: string[];
}

/**
 * Derives the durable events of failed, slow and blocked requests from usage that is being stored: they are committed with it, so
 * each request counts in one event. Their ids come from the usage event that began the group.
 */
export function requestEvents(events: readonly UsageEvent[]): DerivedEvent[] {
  const failed = new Map<string, Group>();
  const slow = new Map<string, Group>();
  const blocked = new Map<string, Group>();
  for (const event of events) {
    const count = requestsOf(event);
    if (count === 0) continue;
    if (event.status >= FIRST_ERROR)
      add(failed, `${event.model} ${event.provider} ${event.status}`, event, count);
    if (event.request?.error === BLOCKED) add(blocked, event.model, event, count);
    if (durationOf(event) >= SLOW_MS) add(slow, `${event.model} ${event.provider}`, event, count);
  }
  return [
    ...Array.from(failed.values(), ({ first, count, ids: request_ids }) => {
      const { model, provider, status } = first;
      return derived('request.failed', first, { model, provider, status, count, request_ids });
    }),
    ...Array.from(slow.values(), ({ first, count, longestMs, ids: request_ids }) => {
      const { model, provider } = first;
      return derived('request.slow', first, { model, provider, duration_ms: longestMs, count, request_ids });
    }),
    ...Array.from(blocked.values(), ({ first, count, ids: request_ids }) =>
      derived('guardrail.blocked', first, { model: first.model, count, request_ids }),
    ),
  ].slice(0, MAX_EVENTS);
}

/** @returns the number of requests that the event counts for; 0 for further attempts of one */
function requestsOf({ outcome, requests, request }: UsageEvent): number {
  return outcome === REJECTED ? (request?.count ?? 1) : requests;
}

function durationOf({ request, durationMs }: UsageEvent): number {
  return Math.round(request?.durationMs ?? durationMs);
}

function add(groups: Map<string, Group>, key: string, event: UsageEvent, count: number): void {
  const group = groups.get(key) ?? { first: event, count: 0, longestMs: 0, ids: [] };
  groups.set(key, group);
  group.count += count;
  group.longestMs = Math.max(group.longestMs, durationOf(event));
  if (group.ids.length < MAX_IDS) group.ids.push(event.requestId);
}

function derived<Type extends DurableEventType>(
  name: Type,
  { id, at }: UsageEvent,
  data: DurableEventData<Type>,
): DerivedEvent {
  return { id: derivedEventId(name, id), name, version: 1, data: JSON.stringify(data), at };
}
