import { z } from 'zod';
import {
  EVENT_NAMES,
  type EventName,
  eventContract,
  isTenantEvent,
  tenantEventContract,
} from './catalogue.ts';

const INTRODUCTION = `# Events

Services report what happened on an event bus within the process. The metrics and the log subscribe to it
(\`src/app/metric-subscribers.ts\`, \`src/app/log-subscribers.ts\`). The bus is synchronous: \`emit\` calls every
subscriber before it returns. A subscriber that throws is logged with its name, and the others still run.

\`\`\`ts
const end = events.subscribe('my-subscriber', {
  'provider.health_changed': ({ provider, healthy }) => console.log(provider, healthy),
});
\`\`\`

The metrics of every request (counters, usage gauges, cost) are updated directly, without an event:
[decision 0022](decisions/0022-event-bus.md).

To add an event, add its contract to \`src/events/catalogue.ts\`, emit it, and run \`npm run docs\`. The version of a
contract rises when a field is removed or changes its meaning. Payloads hold no secret and no content of a request.

This page is generated from the contracts.
`;

const TENANT_EVENTS = `
## Tenant events

These report changes of a tenant's data. They are written in the transaction of the change (table \`events\` of the tenant's
database), published after the commit and then deleted. When a gateway crashes in between, they are published at the
next start, so an event can arrive twice, with the same \`id\`. Each event is published by one gateway, not by every replica.
Changes made with the \`weir\` command are published by a running gateway within a second.

Every tenant event has these fields: ENVELOPE. The table lists the fields of \`data\`.
`;

/** The text of docs/events.md. */
export function eventsPage(): string {
  const process = EVENT_NAMES.filter((name) => !isTenantEvent(name)).map((name) =>
    row(name, eventContract(name).schema),
  );
  const tenant = EVENT_NAMES.filter(isTenantEvent);
  const [first] = tenant;
  const envelope = first ? fieldsOf(eventContract(first).schema) : '';
  return [
    `${INTRODUCTION}\n## Process events\n`,
    ...table(process),
    TENANT_EVENTS.replace('ENVELOPE', envelope),
    ...table(tenant.map((name) => row(name, tenantEventContract(name).data))),
    '',
  ].join('\n');
}

function table(rows: readonly string[]): string[] {
  return ['| Event | Version | Emitted when | Fields |', '| --- | --- | --- | --- |', ...rows];
}

function row(name: EventName, fields: z.ZodType): string {
  const { version, summary } = eventContract(name);
  return `| \`${name}\` | ${version} | ${summary} | ${fieldsOf(fields)} |`;
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
