import { z } from 'zod';
import { isRecord } from '../core/json.ts';
import {
  DURABLE_EVENT_TYPES,
  type DurableEventType,
  EVENT_NAMES,
  type EventName,
  eventContract,
} from './catalogue.ts';
import { eventPayload } from './event-payload.ts';
import { contractOf } from './stored-event.ts';

const INTRODUCTION = `# Events

Weir reports what happens to keys, budgets, targets, invoices and more as **durable events**: they are stored with the
change that they report, and delivered at least once, in order for each subject. To receive them:

- over HTTP: [webhooks](webhooks.md);
- on your own machine: \`weir listen --forward-to http://127.0.0.1:3000/hooks\`;
- as a stream of server-sent events: \`GET /admin/v1/tenants/{tenant}/events/stream\`; the list without \`/stream\`.

\`weir trigger budget.exceeded\` makes one with example data.

This page is generated from the contracts of the events.

## An event

\`\`\`json
EXAMPLE
\`\`\`

| Field | Meaning |
| --- | --- |
| \`id\` | Identifies the event. An event that is delivered again has the same id: process each id once. |
| \`type\` | One of the types below. New types are added: ignore those that you do not know. |
| \`version\` | Of the type. It rises when a field of \`data\` is removed or changes its meaning; new fields do not change it. |
| \`tenant\` | \`null\` for events of the installation, which only platform administrators receive. |
| \`subject\` | Names the thing that the event is about. Events of one subject arrive in their order; those of different subjects may not. |
| \`timestamp\` | When it happened. ISO 8601, in UTC. |
| \`actor\` | Id of the person or key that made the change; \`system\` for Weir itself. |
| \`request_id\` | Of the request that caused it, or \`null\`. |
| \`test\` | \`true\` for events that a person triggered to test receivers. |
| \`data\` | The fields of the type. They hold no secret and no content of a request. |

## Types
`;

const PROCESS_EVENTS = `
## Delivery

An event is written in the transaction of its change: to the control database, or to the tenant's database, from where it
moves to the log in the control database after the commit. When a gateway crashes in between, another one moves it.
Thresholds of budgets and failed, slow and blocked requests are derived from the stored usage, once for each threshold and period.
Consumers such as webhooks read the log in partitions: one gateway reads a partition at a time, and another one takes over
within 6 seconds when it dies. The gateway that stores an event delivers it at once; the others look once a second for
what it leaves.

### Streams of Redis

With \`storage.redis_event_streams\`, a log aggregator or another system reads the events from Redis: eight streams,
\`<prefix>:events:0\` to \`:7\`, with the fields \`id\`, \`type\` and \`event\` (JSON). All events of a subject are in one stream,
in their order. Readers use consumer groups, of which Redis keeps the places; \`XAUTOCLAIM\` takes over what a dead reader
had taken:

\`\`\`text
XGROUP CREATE weir:events:0 siem 0 MKSTREAM
XREADGROUP GROUP siem reader-1 COUNT 100 BLOCK 5000 STREAMS weir:events:0 >
XAUTOCLAIM weir:events:0 siem reader-1 60000 0
XACK weir:events:0 siem 1204-0
\`\`\`

Streams are trimmed to about the configured length. If Redis loses its data, the events that the log still has are appended
again, with the same ids; create the groups again.

### How long

The log keeps events for \`storage.retention.events\` (7 days) and at most a million. Events that a consumer has not received
are kept four times as long, and the log reports that the consumer is behind.
[Decision 0072](decisions/0072-event-log.md) says why.

## Process events

For developers of Weir: services report what happens on a bus within the process, which calls its subscribers before
\`emit\` returns. The log, the metrics and the recorder of durable events subscribe to it
(\`src/app/log-subscribers.ts\`, \`metric-subscribers.ts\`, \`recorded-events.ts\`). The metrics of every request are
updated directly, without an event: [decision 0022](decisions/0022-event-bus.md).
[src/events/README.md](../src/events/README.md) says how to add an event of either kind.

`;

/** The text of docs/events.md. */
export function eventsPage(): string {
  return [
    INTRODUCTION.replace('EXAMPLE', JSON.stringify(exampleEvent(), null, 2)),
    ...table(DURABLE_EVENT_TYPES.map(durableRow)),
    PROCESS_EVENTS + table(EVENT_NAMES.map(processRow)).join('\n'),
    '',
  ].join('\n');
}

function exampleEvent() {
  const type = 'budget.threshold_reached';
  const { version, example, subjectOf } = contractOf(type);
  return eventPayload({
    ...{ sequence: 0, id: 'evt_0a1b2c3d4e5f60718293', type, version, tenant: 'acme' },
    ...{ subject: subjectOf(example), at: Date.UTC(2026, 10, 21, 9, 30), actor: 'system' },
    ...{ requestId: null, isTest: false, data: isRecord(example) ? example : {} },
  });
}

function table(rows: readonly string[]): string[] {
  return ['| Event | Version | Sent when | Fields |', '| --- | --- | --- | --- |', ...rows];
}

function durableRow(type: DurableEventType): string {
  const { version, summary, data } = contractOf(type);
  return `| \`${type}\` | ${version} | ${summary} | ${fieldsOf(data)} |`;
}

function processRow(name: EventName): string {
  const { version, summary, schema } = eventContract(name);
  return `| \`${name}\` | ${version} | ${summary} | ${fieldsOf(schema)} |`;
}

function fieldsOf(schema: z.ZodType): string {
  const { properties = {} } = z.toJSONSchema(schema, { unrepresentable: 'any' });
  const fields = Object.entries(properties).map(([name, property]) => {
    const { description } = typeof property === 'object' ? property : {};
    return `\`${name}\`: ${typeOf(property)}${description === undefined ? '' : ` (${description})`}`;
  });
  return fields.length === 0 ? 'none' : fields.join('; ');
}

function typeOf(property: z.core.JSONSchema._JSONSchema): string {
  if (typeof property === 'boolean') return 'any';
  if (property.enum) return property.enum.map((value) => `\`${String(value)}\``).join(', ');
  if (property.type === 'array') return 'list of strings';
  if (property.anyOf) return property.anyOf.map(typeOf).join(' or ');
  if (property.type === undefined) return 'the thrown value';
  return Array.isArray(property.type) ? property.type.join(' or ') : property.type;
}
