import type { Kysely } from 'kysely';
import { z } from 'zod';
import { receiverFault } from '../config/alert-schema.ts';
import { ALERT_RECEIVER_TYPES, ALERT_SEVERITIES } from '../core/alert.ts';
import { GatewayError } from '../core/errors.ts';
import { parseJsonText } from '../core/json.ts';
import { RecentMap } from '../core/recent-map.ts';
import type { SecretBox } from '../platform/secret-box.ts';
import type { AlertReceiverRow } from '../storage/sql/alert-tables.ts';
import type { ControlTables } from '../storage/sql/control-tables.ts';
import { lockQuota } from '../storage/sql/quota-lock.ts';
import type { AuditEntry } from '../storage/sql/tenant-tables.ts';
import { auditEntry, type ChangeContext, type Sources } from '../tenancy/change-context.ts';
import { assertVersion, type SeenVersion } from '../tenancy/versions.ts';
import { endpointUrl } from '../webhooks/endpoint-url.ts';
import { newWebhookSecret } from '../webhooks/signature.ts';
import type { AlertSettings } from './alert-settings.ts';
import type { Receiver } from './receiver.ts';

/** What people set of a receiver. */
export type ReceiverSettings = Omit<Receiver, 'id' | 'tenant' | 'source' | 'tenants'> & {
  readonly enabled: boolean;
};

/** A receiver with its state. Times are Unix milliseconds. */
export interface StoredReceiver {
  readonly receiver: Receiver;
  readonly enabled: boolean;
  /** The first failure since the last success; null after a success. */
  readonly failingSince: number | null;
  readonly lastError: string | null;
  /** 0 for a receiver of the configuration. */
  readonly version: number;
  readonly createdAt: number | null;
  readonly updatedAt: number | null;
}

export interface ReceiversOptions {
  readonly control: Kysely<ControlTables>;
  readonly sources: Sources;
  readonly box: SecretBox;
  readonly settings: () => AlertSettings;
  /** Whether URLs may have addresses within the network of the gateway. */
  readonly allowPrivate: boolean;
  /** Appends to the audit trail of a tenant, or of the platform for null. */
  readonly audit: (tenant: string | null, entry: AuditEntry) => Promise<void>;
}

/** Receivers of one owner. */
const MAX_RECEIVERS = 20;
/** Between two tests of one tenant. Milliseconds. */
const TEST_PAUSE_MS = 5_000;
const MAX_TESTED = 1_000;
/** Ids of receivers of the configuration begin with it: those of others, with `rcv_`. */
const CONFIG_PREFIX = 'config:';

/** Manages who is notified. Methods reject with GatewayError or the database's error. */
export class Receivers {
  /** By tenant. */
  readonly #testedAt = new RecentMap<string, number>(MAX_TESTED);

  constructor(private readonly options: ReceiversOptions) {}

  /** @param tenant null for the platform, with the receivers of the configuration */
  async list(tenant: string | null): Promise<StoredReceiver[]> {
    const rows = await this.options.control
      .selectFrom('alert_receivers')
      .selectAll()
      .where('tenant', '=', tenant ?? '')
      .orderBy('id')
      .execute();
    const stored = rows.flatMap((row) => this.#stored(row) ?? []);
    return tenant === null ? [...this.#configured(), ...stored] : stored;
  }

  /** @returns those of all owners that are enabled */
  async enabled(): Promise<Receiver[]> {
    const rows = await this.options.control
      .selectFrom('alert_receivers')
      .selectAll()
      .where('enabled', '=', 1)
      .execute();
    return [...this.#configured(), ...rows.flatMap((row) => this.#stored(row) ?? [])].map(
      ({ receiver }) => receiver,
    );
  }

  /** @throws GatewayError `not_found` */
  async get(tenant: string | null, id: string): Promise<StoredReceiver> {
    const found = (await this.list(tenant)).find(({ receiver }) => receiver.id === id);
    if (!found) throw notFound();
    return found;
  }

  /**
   * @returns the receiver, and the secret that signs its messages where Weir made one
   * @throws GatewayError `invalid_request` for settings that are not valid, `conflict` for too many receivers
   */
  async create(
    tenant: string | null,
    wanted: ReceiverSettings,
    by: ChangeContext,
  ): Promise<{ readonly stored: StoredReceiver; readonly madeSecret: string | null }> {
    const { control, sources, audit } = this.options;
    const now = sources.clock.wallTime();
    const madeSecret = wanted.type === 'webhook' && wanted.secret === null ? newWebhookSecret() : null;
    const settings = this.#checked({ ...wanted, secret: wanted.secret ?? madeSecret });
    const row: AlertReceiverRow = {
      ...{
        id: sources.newId('rcv'),
        tenant: tenant ?? '',
        failing_since: null,
        last_error: null,
        version: 1,
      },
      ...this.#columns(settings),
      ...{ created_by: by.actor.id, created_at: now, updated_at: now },
    };
    await control.transaction().execute(async (transaction) => {
      await lockQuota(transaction, 'alert_receivers', row.tenant);
      await transaction.insertInto('alert_receivers').values(row).execute();
      const { count } = await transaction
        .selectFrom('alert_receivers')
        .select(({ fn }) => fn.countAll<number | string>().as('count'))
        .where('tenant', '=', row.tenant)
        .executeTakeFirstOrThrow();
      if (Number(count) > MAX_RECEIVERS) {
        throw new GatewayError('conflict', `There are ${MAX_RECEIVERS} receivers already. Delete one first.`);
      }
    });
    const details = { type: settings.type, name: settings.name };
    await audit(
      tenant,
      auditEntry(sources, by, 'alert_receiver.create', `alert_receiver:${row.id}`, details),
    );
    return { stored: this.#required(row), madeSecret };
  }

  /** @param wanted members that are absent stay @throws GatewayError as `create`, and `not_found` or `precondition_failed` */
  async update(
    tenant: string | null,
    id: string,
    wanted: Partial<ReceiverSettings>,
    seen: SeenVersion,
    by: ChangeContext,
  ): Promise<StoredReceiver> {
    const { control, sources, audit } = this.options;
    const updated = await control.transaction().execute(async (transaction) => {
      const row = await this.#row(transaction, tenant, id);
      assertVersion(seen, row.version);
      const { receiver, enabled } = this.#required(row);
      const settings = this.#checked({ ...receiver, enabled, ...wanted });
      const set = {
        ...this.#columns(settings),
        ...{ version: row.version + 1, updated_at: sources.clock.wallTime() },
        ...{ failing_since: null, last_error: null },
      };
      await transaction.updateTable('alert_receivers').set(set).where('id', '=', id).execute();
      return { ...row, ...set };
    });
    const details = { changed: Object.keys(wanted) };
    await audit(tenant, auditEntry(sources, by, 'alert_receiver.update', `alert_receiver:${id}`, details));
    return this.#required(updated);
  }

  /** Deletes a receiver with its messages. @throws GatewayError `not_found` or `precondition_failed` */
  async remove(tenant: string | null, id: string, seen: SeenVersion, by: ChangeContext): Promise<void> {
    const { control, sources, audit } = this.options;
    await control.transaction().execute(async (transaction) => {
      const row = await this.#row(transaction, tenant, id);
      assertVersion(seen, row.version);
      await transaction.deleteFrom('alert_receivers').where('id', '=', id).execute();
      await transaction.deleteFrom('alert_groups').where('receiver', '=', id).execute();
      await transaction.deleteFrom('alert_messages').where('receiver', '=', id).execute();
    });
    await audit(tenant, auditEntry(sources, by, 'alert_receiver.delete', `alert_receiver:${id}`, {}));
  }

  /**
   * Called before a test is sent: tenants choose addresses, and tests must not be a way to send them many mails.
   * @throws GatewayError `rate_limit_exceeded`
   */
  assertTestable(tenant: string | null): void {
    if (tenant === null) return;
    const now = this.options.sources.clock.now();
    const last = this.#testedAt.get(tenant);
    if (last !== undefined && now - last < TEST_PAUSE_MS) {
      const reason = 'A test was sent a moment ago. Wait five seconds.';
      throw new GatewayError('rate_limit_exceeded', reason);
    }
    this.#testedAt.set(tenant, now);
  }

  /** Stores whether the last message arrived. @param error null for a success */
  async noteOutcome(id: string, error: string | null, now: number): Promise<void> {
    const change = this.options.control.updateTable('alert_receivers').where('id', '=', id);
    if (error === null) {
      await change
        .set({ failing_since: null, last_error: null })
        .where('last_error', 'is not', null)
        .execute();
      return;
    }
    await change.set({ last_error: error }).execute();
    await change.set({ failing_since: now }).where('failing_since', 'is', null).execute();
  }

  #configured(): StoredReceiver[] {
    return this.options.settings().receivers.map(({ id, ...settings }) => ({
      receiver: { ...settings, id: `${CONFIG_PREFIX}${id}`, tenant: null, name: id, source: 'config' },
      ...{ enabled: true, failingSince: null, lastError: null, version: 0, createdAt: null, updatedAt: null },
    }));
  }

  #checked(settings: ReceiverSettings): ReceiverSettings {
    const fault = receiverFault(settings);
    if (fault) {
      const [param, reason] = fault;
      throw new GatewayError('invalid_request', `"${param}" ${reason}.`, { param });
    }
    const { url } = settings;
    return { ...settings, url: url === null ? null : endpointUrl(url, this.options.allowPrivate) };
  }

  #columns({ name, type, enabled, url, secret, to, severity, rules, resolved }: ReceiverSettings) {
    return {
      ...{ name, type, enabled: enabled ? 1 : 0 },
      document: JSON.stringify({ to, severity, rules, resolved }),
      sealed: this.options.box.seal(JSON.stringify({ url, secret })),
    };
  }

  async #row(db: Kysely<ControlTables>, tenant: string | null, id: string): Promise<AlertReceiverRow> {
    if (tenant === null && id.startsWith(CONFIG_PREFIX)) {
      throw new GatewayError('conflict', 'This receiver is set in the configuration. Change it there.');
    }
    const row = await db
      .selectFrom('alert_receivers')
      .selectAll()
      .where('id', '=', id)
      .where('tenant', '=', tenant ?? '')
      .executeTakeFirst();
    if (!row) throw notFound();
    return row;
  }

  #required(row: AlertReceiverRow): StoredReceiver {
    const stored = this.#stored(row);
    if (!stored) throw new GatewayError('conflict', 'This receiver was made by another version of Weir.');
    return stored;
  }

  /** @returns undefined for a row that a newer version made, or that another secret sealed */
  #stored(row: AlertReceiverRow): StoredReceiver | undefined {
    const { data } = storedDocument.safeParse(parseJsonText(row.document));
    const type = ALERT_RECEIVER_TYPES.find((one) => one === row.type);
    const secrets = this.#open(row.sealed);
    if (!data || !type || !secrets) return undefined;
    return {
      receiver: {
        ...{ id: row.id, tenant: row.tenant === '' ? null : row.tenant, name: row.name, type },
        ...{ ...secrets, ...data, tenants: true, source: 'api' },
      },
      ...{ enabled: row.enabled === 1, failingSince: row.failing_since, lastError: row.last_error },
      ...{ version: row.version, createdAt: row.created_at, updatedAt: row.updated_at },
    };
  }

  #open(sealed: string): z.output<typeof storedSecrets> | undefined {
    try {
      return storedSecrets.safeParse(parseJsonText(this.options.box.open(sealed))).data;
    } catch {
      // The installation has another secret since: the receiver is to be set again.
      return undefined;
    }
  }
}

const storedDocument = z.object({
  to: z.array(z.string()),
  severity: z.enum(ALERT_SEVERITIES),
  rules: z.array(z.string()),
  resolved: z.boolean(),
});
const storedSecrets = z.object({ url: z.string().nullable(), secret: z.string().nullable() });

function notFound(): GatewayError {
  return new GatewayError('not_found', 'There is no such receiver.');
}
