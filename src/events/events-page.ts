import { z } from 'zod';
import { EVENT_NAMES, eventContract } from './catalogue.ts';

const INTRODUCTION = `# Events

Services report what happened on an event bus within the process. Metrics and the log subscribe to it
(\`src/app/metric-subscribers.ts\`, \`src/app/log-subscribers.ts\`). The bus is synchronous: \`emit\` calls every
subscriber before it returns, and a subscriber that throws is logged by its name and disturbs nobody.

\`\`\`ts
const end = events.subscribe('my-subscriber', {
  'provider.health_changed': ({ provider, healthy }) => console.log(provider, healthy),
});
\`\`\`

What happens in every request (usage gauges, cost, request counters) is not on the bus: it updates its metrics directly.
[Decision 0022](decisions/0022-event-bus.md) says why.

To add an event, add its contract to \`src/events/catalogue.ts\`, emit it, and run \`npm run docs\`. The version of a
contract rises when a field is removed or changes its meaning. Payloads hold no secret and no content of a request.

This page is generated from the contracts.
`;

/** The text of docs/events.md. */
export function eventsPage(): string {
  const rows = EVENT_NAMES.map((name) => {
    const { version, summary, schema } = eventContract(name);
    return `| \`${name}\` | ${version} | ${summary} | ${fieldsOf(schema)} |`;
  });
  return [
    INTRODUCTION,
    '| Event | Version | Emitted when | Fields |',
    '| --- | --- | --- | --- |',
    ...rows,
    '',
  ].join('\n');
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
  return property.type === undefined ? 'the thrown value' : String(property.type);
}
