import { type Kysely, sql } from 'kysely';
import type { ControlTables } from './control-tables.ts';
import { leaseTime } from './event-log.ts';
import type { WebhookDeliveryRow, WebhookRow } from './webhook-tables.ts';

/** Rows of one statement: databases limit its parameters. */
const ROWS = 500;

/** Adds deliveries; one that exists stays as it is. */
export async function addDeliveries(
  db: Kysely<ControlTables>,
  rows: readonly WebhookDeliveryRow[],
): Promise<void> {
  for (let from = 0; from < rows.length; from += ROWS) {
    await db
      .insertInto('webhook_deliveries')
      .values(rows.slice(from, from + ROWS))
      .onConflict((conflict) => conflict.column('id').doNothing())
      .execute();
  }
}

/** @returns ids of enabled endpoints with deliveries that are due, in no order */
export async function dueWebhooks(db: Kysely<ControlTables>, now: number, limit: number): Promise<string[]> {
  const rows = await db
    .selectFrom('webhook_deliveries as delivery')
    .innerJoin('webhooks', 'webhooks.id', 'delivery.webhook')
    .select('delivery.webhook')
    .distinct()
    .where('delivery.state', '=', 'pending')
    .where('delivery.next_at', '<=', now)
    .where('webhooks.status', '=', 'enabled')
    .where('webhooks.lease_until', '<', leaseTime(db, now))
    .limit(limit)
    .execute();
  return rows.map(({ webhook }) => webhook);
}

/** @returns deliveries that are due and that no earlier one of their subject waits before, in the order of events */
export function dueDeliveries(
  db: Kysely<ControlTables>,
  webhook: string,
  now: number,
  limit: number,
): Promise<WebhookDeliveryRow[]> {
  return db
    .selectFrom('webhook_deliveries as delivery')
    .selectAll('delivery')
    .where('delivery.webhook', '=', webhook)
    .where('delivery.state', '=', 'pending')
    .where('delivery.next_at', '<=', now)
    .where(({ not, exists, selectFrom }) =>
      not(
        exists(
          selectFrom('webhook_deliveries as earlier')
            .select('earlier.id')
            .whereRef('earlier.webhook', '=', 'delivery.webhook')
            .where('earlier.state', '=', 'pending')
            .whereRef('earlier.subject', '=', 'delivery.subject')
            .whereRef('earlier.sequence', '<', 'delivery.sequence'),
        ),
      ),
    )
    .orderBy('delivery.sequence')
    .limit(limit)
    .execute();
}

/** Leases an endpoint, by the database server's clock. @returns undefined while another gateway has it */
export async function leaseWebhook(
  db: Kysely<ControlTables>,
  id: string,
  owner: string,
  now: number,
  ms: number,
): Promise<WebhookRow | undefined> {
  const time = leaseTime(db, now);
  return db
    .updateTable('webhooks')
    .set({ owner, lease_until: sql`${time} + ${ms}` })
    .where('id', '=', id)
    .where('status', '=', 'enabled')
    .where('lease_until', '<', time)
    .returningAll()
    .executeTakeFirst();
}

/** Extends a lease, or ends it with 0. @returns the endpoint as it is now; undefined when the lease was lost */
export async function extendWebhookLease(
  db: Kysely<ControlTables>,
  id: string,
  owner: string,
  now: number,
  ms: number,
): Promise<WebhookRow | undefined> {
  const until = ms === 0 ? sql<number>`0` : sql<number>`${leaseTime(db, now)} + ${ms}`;
  return db
    .updateTable('webhooks')
    .set({ lease_until: until })
    .where('id', '=', id)
    .where('owner', '=', owner)
    .where('lease_until', '>', 0)
    .returningAll()
    .executeTakeFirst();
}

/** Deliveries of one endpoint. */
export interface DeliveryFilter {
  readonly webhook: string;
  readonly state?: string | undefined;
  readonly type?: string | undefined;
  readonly limit: number;
  /** The last one of the page before. */
  readonly after?: { readonly at: number; readonly id: string } | undefined;
}

/** @returns deliveries, the latest first */
export function listDeliveries(
  db: Kysely<ControlTables>,
  { webhook, state, type, limit, after }: DeliveryFilter,
): Promise<WebhookDeliveryRow[]> {
  return db
    .selectFrom('webhook_deliveries')
    .selectAll()
    .where('webhook', '=', webhook)
    .$if(state !== undefined, (query) => query.where('state', '=', state ?? ''))
    .$if(type !== undefined, (query) => query.where('type', '=', type ?? ''))
    .$if(after !== undefined, (query) =>
      query.where(({ eb, or, and }) =>
        or([
          eb('created_at', '<', after?.at ?? 0),
          and([eb('created_at', '=', after?.at ?? 0), eb('id', '<', after?.id ?? '')]),
        ]),
      ),
    )
    .orderBy('created_at', 'desc')
    .orderBy('id', 'desc')
    .limit(limit)
    .execute();
}

/** @returns how many deliveries wait, by endpoint */
export async function pendingCounts(
  db: Kysely<ControlTables>,
  webhooks: readonly string[],
): Promise<ReadonlyMap<string, number>> {
  if (webhooks.length === 0) return new Map();
  const rows = await db
    .selectFrom('webhook_deliveries')
    .select(({ fn }) => ['webhook', fn.countAll<number | string>().as('count')])
    .where('webhook', 'in', webhooks)
    .where('state', '=', 'pending')
    .groupBy('webhook')
    .execute();
  return new Map(rows.map(({ webhook, count }) => [webhook, Number(count)]));
}

/** What is deleted of the log of deliveries. */
export interface DeliveryBounds {
  /** Unix milliseconds: deliveries that ended earlier are deleted. */
  readonly before: number;
  /** Ended deliveries that each endpoint keeps. */
  readonly each: number;
}

/** Deletes ended deliveries that are old or too many, and all of endpoints that are gone. */
export async function deleteOldDeliveries(
  db: Kysely<ControlTables>,
  { before, each }: DeliveryBounds,
): Promise<void> {
  await db
    .deleteFrom('webhooks')
    .where('tenant', '!=', '')
    .where('tenant', 'not in', (query) =>
      query.selectFrom('tenants').select('id').where('deleted_at', 'is', null),
    )
    .execute();
  await db
    .deleteFrom('webhook_deliveries')
    .where('webhook', 'not in', (query) => query.selectFrom('webhooks').select('id'))
    .execute();
  await db
    .deleteFrom('webhook_deliveries')
    .where('state', '!=', 'pending')
    .where('created_at', '<', before)
    .execute();
  for (const { id } of await db.selectFrom('webhooks').select('id').execute()) {
    const last = await db
      .selectFrom('webhook_deliveries')
      .select('created_at')
      .where('webhook', '=', id)
      .where('state', '!=', 'pending')
      .orderBy('created_at', 'desc')
      .offset(each)
      .limit(1)
      .executeTakeFirst();
    if (!last) continue;
    await db
      .deleteFrom('webhook_deliveries')
      .where('webhook', '=', id)
      .where('state', '!=', 'pending')
      .where('created_at', '<=', last.created_at)
      .execute();
  }
}
