import { createHash } from 'node:crypto';
import type { Kysely } from 'kysely';
import type { EventConsumer } from '../events/event-dispatcher.ts';
import { eventPayload } from '../events/event-payload.ts';
import type { StoredEvent } from '../events/stored-event.ts';
import type { ControlTables } from '../storage/sql/control-tables.ts';
import { addDeliveries, pendingCounts } from '../storage/sql/webhook-deliveries.ts';
import type { WebhookDeliveryRow } from '../storage/sql/webhook-tables.ts';
import { isWanted } from './event-filter.ts';
import { type WebhookEndpoint, webhookOf } from './webhooks.ts';

export interface WebhookConsumerOptions {
  readonly control: Kysely<ControlTables>;
  readonly clock: { wallTime(): number };
  /** Called when deliveries were added. */
  readonly onAdded: () => void;
  /** Disables an endpoint for which too many deliveries wait. */
  readonly disable: (webhook: WebhookEndpoint, reason: string) => Promise<void>;
}

/** Deliveries that wait for one endpoint, at most. */
const MAX_PENDING = 10_000;
/** Bytes of a payload; a larger event is sent without its data. */
const MAX_PAYLOAD = 128 * 1024;

/** Makes a delivery of each event for each endpoint that wants it. Adding one again changes nothing. */
export class WebhookConsumer implements EventConsumer {
  readonly name = 'webhooks';

  constructor(private readonly options: WebhookConsumerOptions) {}

  async deliver(events: readonly StoredEvent[]): Promise<void> {
    const { control, clock, onAdded, disable } = this.options;
    const tenants = [...new Set(events.map(({ tenant }) => tenant ?? '')), ''];
    const rows = await control
      .selectFrom('webhooks')
      .selectAll()
      .where('tenant', 'in', tenants)
      .where('status', '=', 'enabled')
      .execute();
    if (rows.length === 0) return;
    const webhooks = rows.map(webhookOf);
    const waiting = await pendingCounts(
      control,
      webhooks.map(({ id }) => id),
    );
    const now = clock.wallTime();
    const added: WebhookDeliveryRow[] = [];
    for (const webhook of webhooks) {
      const wanted = events.filter((event) => isFor(webhook, event));
      if (wanted.length === 0) continue;
      if ((waiting.get(webhook.id) ?? 0) + wanted.length > MAX_PENDING) {
        await disable(webhook, `more than ${MAX_PENDING} events wait for it`);
      } else {
        added.push(...wanted.map((event) => deliveryRow(webhook.id, event, now)));
      }
    }
    await addDeliveries(control, added);
    if (added.length > 0) onAdded();
  }
}

function isFor({ tenant, events, createdAt }: WebhookEndpoint, event: StoredEvent): boolean {
  if (tenant !== null && tenant !== event.tenant) return false;
  // An endpoint receives nothing from before it was added, also when the log is read late.
  return event.at >= createdAt && isWanted(events, event.type);
}

/** @returns a delivery: the same event for the same endpoint has the same id */
export function deliveryRow(webhook: string, event: StoredEvent, now: number): WebhookDeliveryRow {
  const id = createHash('sha256').update(`${webhook}\n${event.id}`).digest('hex').slice(0, 32);
  return {
    ...{ id: `dlv_${id}`, webhook, sequence: event.sequence, event: event.id, type: event.type },
    subject: `${event.tenant ?? ''} ${event.subject}`,
    payload: payloadOf(event),
    ...{ state: 'pending', next_at: now, attempts: 0, log: '[]', created_at: now, finished_at: null },
  };
}

function payloadOf(event: StoredEvent): string {
  const payload = eventPayload(event);
  const text = JSON.stringify(payload);
  if (Buffer.byteLength(text) <= MAX_PAYLOAD) return text;
  return JSON.stringify({ ...payload, data: {}, truncated: true });
}
