import type { Kysely } from 'kysely';
import { GatewayError } from '../core/errors.ts';
import { parseJsonText } from '../core/json.ts';
import type { SecretBox } from '../platform/secret-box.ts';
import type { ControlTables } from '../storage/sql/control-tables.ts';
import { lockQuota } from '../storage/sql/quota-lock.ts';
import type { AuditEntry } from '../storage/sql/tenant-tables.ts';
import type { WebhookRow } from '../storage/sql/webhook-tables.ts';
import { auditEntry, type ChangeContext, type Sources } from '../tenancy/change-context.ts';
import { assertVersion, type SeenVersion } from '../tenancy/versions.ts';
import { endpointUrl } from './endpoint-url.ts';
import { eventFilter } from './event-filter.ts';
import { newWebhookSecret } from './signature.ts';

/** A webhook endpoint without its secret. Times are Unix milliseconds. */
export interface WebhookEndpoint {
  readonly id: string;
  /** Null for an endpoint of the platform. */
  readonly tenant: string | null;
  readonly url: string;
  readonly description: string;
  /** Types and patterns of events. */
  readonly events: readonly string[];
  readonly status: 'enabled' | 'disabled';
  /** Null unless Weir disabled it. */
  readonly disabledReason: string | null;
  /** The first failure since the last success; null after a success. */
  readonly failingSince: number | null;
  /** Until when the secret before the last rotation signs too. */
  readonly previousSecretExpiresAt: number | null;
  readonly version: number;
  /** Id of the actor. */
  readonly createdBy: string;
  readonly createdAt: number;
  readonly updatedAt: number;
}

export interface WebhookSettings {
  readonly url: string;
  readonly description: string;
  readonly events: readonly string[];
}

export interface WebhookChange {
  readonly url?: string | undefined;
  readonly description?: string | undefined;
  readonly events?: readonly string[] | undefined;
  readonly status?: WebhookEndpoint['status'] | undefined;
}

/** An endpoint with its secret, which is shown once. */
export interface CreatedWebhook {
  readonly webhook: WebhookEndpoint;
  readonly secret: string;
}

export interface WebhooksOptions {
  readonly control: Kysely<ControlTables>;
  readonly sources: Sources;
  /** Seals secrets. */
  readonly box: SecretBox;
  /** Whether endpoints may have addresses within the network of the gateway. */
  readonly allowPrivate: boolean;
  /** Appends to the audit trail of a tenant, or of the platform for null. */
  readonly audit: (tenant: string | null, entry: AuditEntry) => Promise<void>;
}

/** Endpoints of one tenant, and of the platform. */
const MAX_ENDPOINTS = 50;

/** Manages webhook endpoints. Methods reject with GatewayError or the database's error. */
export class Webhooks {
  constructor(private readonly options: WebhooksOptions) {}

  /** @param tenant null for the platform @returns endpoints by id. @param after the last id of the previous page */
  async list(tenant: string | null, limit: number, after: string | undefined): Promise<WebhookEndpoint[]> {
    const rows = await this.options.control
      .selectFrom('webhooks')
      .selectAll()
      .where('tenant', '=', tenant ?? '')
      .$if(after !== undefined, (query) => query.where('id', '>', after ?? ''))
      .orderBy('id')
      .limit(limit)
      .execute();
    return rows.map(webhookOf);
  }

  /** @returns endpoints of all tenants and of the platform that Weir disabled, and those that fail, at most `limit` */
  async faulty(limit: number): Promise<WebhookEndpoint[]> {
    const rows = await this.options.control
      .selectFrom('webhooks')
      .selectAll()
      .where(({ eb, or, and }) =>
        or([
          eb('disabled_reason', 'is not', null),
          and([eb('failing_since', 'is not', null), eb('status', '=', 'enabled')]),
        ]),
      )
      .orderBy('status')
      .orderBy('id')
      .limit(limit)
      .execute();
    return rows.map(webhookOf);
  }

  /** @throws GatewayError `not_found` */
  async get(tenant: string | null, id: string): Promise<WebhookEndpoint> {
    return webhookOf(await this.#row(this.options.control, tenant, id));
  }

  /** @throws GatewayError `invalid_request` for a URL that is not allowed, `conflict` for too many endpoints */
  async create(tenant: string | null, settings: WebhookSettings, by: ChangeContext): Promise<CreatedWebhook> {
    const { control, sources, box, allowPrivate } = this.options;
    const secret = newWebhookSecret();
    const now = sources.clock.wallTime();
    const url = endpointUrl(settings.url, allowPrivate);
    const row: WebhookRow = {
      ...{ id: sources.newId('whk'), tenant: tenant ?? '', url, description: settings.description },
      ...{ events: JSON.stringify(settings.events), secret: box.seal(secret), previous_secret: null },
      ...{ previous_expires_at: null, status: 'enabled', disabled_reason: null, failing_since: null },
      ...{ owner: '', lease_until: 0, version: 1, created_by: by.actor.id, created_at: now, updated_at: now },
    };
    await control.transaction().execute(async (transaction) => {
      await lockQuota(transaction, 'webhooks', row.tenant);
      await transaction.insertInto('webhooks').values(row).execute();
      const { count } = await transaction
        .selectFrom('webhooks')
        .select(({ fn }) => fn.countAll<number | string>().as('count'))
        .where('tenant', '=', row.tenant)
        .executeTakeFirstOrThrow();
      if (Number(count) > MAX_ENDPOINTS) {
        throw new GatewayError('conflict', `There are ${MAX_ENDPOINTS} webhooks already. Delete one first.`);
      }
    });
    await this.#audit(tenant, by, 'webhook.create', row.id, { url, events: settings.events });
    return { webhook: webhookOf(row), secret };
  }

  /** @throws GatewayError `not_found`, `precondition_failed`, or `invalid_request` for a URL that is not allowed */
  async update(
    tenant: string | null,
    id: string,
    wanted: WebhookChange,
    seen: SeenVersion,
    by: ChangeContext,
  ): Promise<WebhookEndpoint> {
    const { control, sources, allowPrivate } = this.options;
    const { status, events, description } = wanted;
    const url = wanted.url === undefined ? undefined : endpointUrl(wanted.url, allowPrivate);
    const updated = await control.transaction().execute(async (transaction) => {
      const row = await this.#row(transaction, tenant, id);
      assertVersion(seen, row.version);
      const set = {
        ...(url !== undefined && { url }),
        ...(description !== undefined && { description }),
        ...(events && { events: JSON.stringify(events) }),
        // Enabled again, it gets as long to recover as a new one.
        ...(status && { status, disabled_reason: null, failing_since: null }),
        ...{ version: row.version + 1, updated_at: sources.clock.wallTime() },
      };
      await transaction.updateTable('webhooks').set(set).where('id', '=', id).execute();
      return { ...row, ...set };
    });
    const changes = {
      ...(url !== undefined && { url }),
      ...(status && { status }),
      ...(events && { events }),
    };
    await this.#audit(tenant, by, 'webhook.update', id, changes);
    return webhookOf(updated);
  }

  /**
   * Gives the endpoint a new secret. Messages carry signatures of both until the overlap ends.
   * @param overlapMs milliseconds; 0 ends the old secret at once
   * @throws GatewayError `not_found` or `precondition_failed`
   */
  async rotate(
    tenant: string | null,
    id: string,
    overlapMs: number,
    seen: SeenVersion,
    by: ChangeContext,
  ): Promise<CreatedWebhook> {
    const { control, sources, box } = this.options;
    const secret = newWebhookSecret();
    const now = sources.clock.wallTime();
    const rotated = await control.transaction().execute(async (transaction) => {
      const row = await this.#row(transaction, tenant, id);
      assertVersion(seen, row.version);
      const set = {
        secret: box.seal(secret),
        previous_secret: overlapMs > 0 ? row.secret : null,
        previous_expires_at: overlapMs > 0 ? now + overlapMs : null,
        ...{ version: row.version + 1, updated_at: now },
      };
      await transaction.updateTable('webhooks').set(set).where('id', '=', id).execute();
      return { ...row, ...set };
    });
    await this.#audit(tenant, by, 'webhook.rotate', id, { old_works_until: rotated.previous_expires_at });
    return { webhook: webhookOf(rotated), secret };
  }

  /** Deletes an endpoint with its deliveries. @throws GatewayError `not_found` or `precondition_failed` */
  async remove(tenant: string | null, id: string, seen: SeenVersion, by: ChangeContext): Promise<void> {
    const { control } = this.options;
    const { url } = await control.transaction().execute(async (transaction) => {
      const row = await this.#row(transaction, tenant, id);
      assertVersion(seen, row.version);
      await transaction.deleteFrom('webhooks').where('id', '=', id).execute();
      await transaction.deleteFrom('webhook_deliveries').where('webhook', '=', id).execute();
      return row;
    });
    await this.#audit(tenant, by, 'webhook.delete', id, { url });
  }

  async #row(db: Kysely<ControlTables>, tenant: string | null, id: string): Promise<WebhookRow> {
    const row = await db
      .selectFrom('webhooks')
      .selectAll()
      .where('id', '=', id)
      .where('tenant', '=', tenant ?? '')
      .executeTakeFirst();
    if (!row) throw new GatewayError('not_found', 'There is no such webhook.');
    return row;
  }

  #audit(
    tenant: string | null,
    by: ChangeContext,
    action: string,
    id: string,
    details: Readonly<Record<string, unknown>>,
  ): Promise<void> {
    const { audit, sources } = this.options;
    return audit(tenant, auditEntry(sources, by, action, `webhook:${id}`, details));
  }
}

/** @returns the endpoint of a row */
export function webhookOf(row: WebhookRow): WebhookEndpoint {
  return {
    ...{ id: row.id, tenant: row.tenant === '' ? null : row.tenant, url: row.url },
    description: row.description,
    events: eventPatterns(row.events),
    status: row.status === 'enabled' ? 'enabled' : 'disabled',
    disabledReason: row.disabled_reason,
    failingSince: row.failing_since,
    previousSecretExpiresAt: row.previous_expires_at,
    ...{ version: row.version, createdBy: row.created_by },
    ...{ createdAt: row.created_at, updatedAt: row.updated_at },
  };
}

function eventPatterns(text: string): readonly string[] {
  const { data } = eventFilter.safeParse(parseJsonText(text));
  return data ?? [];
}
