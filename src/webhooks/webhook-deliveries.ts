import type { Kysely } from 'kysely';
import { GatewayError } from '../core/errors.ts';
import type { StoredEvent } from '../events/stored-event.ts';
import type { ControlTables } from '../storage/sql/control-tables.ts';
import {
  addDeliveries,
  type DeliveryFilter,
  deleteOldDeliveries,
  listDeliveries,
} from '../storage/sql/webhook-deliveries.ts';
import type { WebhookDeliveryRow, WebhookRow } from '../storage/sql/webhook-tables.ts';
import type { Sources } from '../tenancy/change-context.ts';
import { type Delivery, deliveryOf } from './delivery.ts';
import { deliveryRow } from './webhook-consumer.ts';
import type { WebhookSender } from './webhook-sender.ts';

export interface WebhookDeliveriesOptions {
  readonly control: Kysely<ControlTables>;
  readonly sources: Sources;
  readonly sender: Pick<WebhookSender, 'sendNow' | 'wake'>;
}

const DAY_MS = 86_400_000;
/** Deliveries that ended are kept for so long, and at most so many of each endpoint. */
const KEEP_MS = 14 * DAY_MS;
const KEEP_EACH = 5_000;
/** The sender leaves a test alone that a request waits for. */
const TEST_MS = 60_000;

/** The log of deliveries, and attempts that a person asks for. Methods reject with GatewayError or the database's error. */
export class WebhookDeliveries {
  constructor(private readonly options: WebhookDeliveriesOptions) {}

  /** @returns deliveries of an endpoint that exists, the latest first */
  async list(filter: DeliveryFilter): Promise<Delivery[]> {
    return (await listDeliveries(this.options.control, filter)).map(deliveryOf);
  }

  /** @throws GatewayError `not_found` */
  async get(webhook: string, id: string): Promise<Delivery> {
    return deliveryOf(await this.#row(webhook, id));
  }

  /** Sends a delivery again, with the same id, and its retries. @throws GatewayError `not_found` */
  async redeliver(webhook: string, id: string): Promise<Delivery> {
    const { control, sources, sender } = this.options;
    const row = await this.#row(webhook, id);
    const set = { state: 'pending', attempts: 0, next_at: sources.clock.wallTime(), finished_at: null };
    await control.updateTable('webhook_deliveries').set(set).where('id', '=', id).execute();
    sender.wake(webhook);
    return deliveryOf({ ...row, ...set });
  }

  /**
   * Sends all deliveries again that failed since a moment, after an endpoint was repaired.
   * @param since Unix milliseconds
   * @returns their number
   */
  async redeliverFailed(webhook: string, since: number): Promise<number> {
    const { control, sources, sender } = this.options;
    const { numUpdatedRows } = await control
      .updateTable('webhook_deliveries')
      .set({ state: 'pending', attempts: 0, next_at: sources.clock.wallTime(), finished_at: null })
      .where('webhook', '=', webhook)
      .where('state', '=', 'failed')
      .where('created_at', '>=', since)
      .executeTakeFirst();
    sender.wake(webhook);
    return Number(numUpdatedRows);
  }

  /** Sends a test event, also to an endpoint that is disabled. @returns the delivery after its first attempt */
  async test(id: string): Promise<Delivery> {
    const { control, sources, sender } = this.options;
    const webhook = await control.selectFrom('webhooks').selectAll().where('id', '=', id).executeTakeFirst();
    if (!webhook) throw notFound();
    const now = sources.clock.wallTime();
    const row = deliveryRow(id, testEvent(webhook, sources.newId('evt'), now), now);
    // One attempt: a test is not retried.
    const waiting = { ...row, next_at: now + TEST_MS };
    await addDeliveries(control, [waiting]);
    const delivery = await sender.sendNow(webhook, waiting);
    if (delivery.state !== 'pending') return delivery;
    const set = { state: 'failed', finished_at: sources.clock.wallTime() };
    await control.updateTable('webhook_deliveries').set(set).where('id', '=', row.id).execute();
    return { ...delivery, state: 'failed', nextAt: null, finishedAt: set.finished_at };
  }

  /** Deletes what is old; to be called every few minutes. @throws the database's error */
  deleteOld(): Promise<void> {
    const before = this.options.sources.clock.wallTime() - KEEP_MS;
    return deleteOldDeliveries(this.options.control, { before, each: KEEP_EACH });
  }

  async #row(webhook: string, id: string): Promise<WebhookDeliveryRow> {
    const row = await this.options.control
      .selectFrom('webhook_deliveries')
      .selectAll()
      .where('id', '=', id)
      .where('webhook', '=', webhook)
      .executeTakeFirst();
    if (!row) throw notFound();
    return row;
  }
}

function testEvent({ id, tenant }: WebhookRow, event: string, at: number): StoredEvent {
  return {
    ...{ sequence: 0, id: event, type: 'webhook.test', version: 1, at, actor: 'system', requestId: null },
    ...{ tenant: tenant === '' ? null : tenant, subject: `webhook:${id}`, isTest: true },
    data: { webhook: id, message: 'This is a test.' },
  };
}

function notFound(): GatewayError {
  return new GatewayError('not_found', 'There is no such delivery.');
}
