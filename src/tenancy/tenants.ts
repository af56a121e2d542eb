import type { Kysely, Selectable } from 'kysely';
import { GatewayError } from '../core/errors.ts';
import { DEFAULT_TENANT } from '../core/principal.ts';
import type { Outbox } from '../events/outbox.ts';
import { writeAudit } from '../storage/sql/audit-chain.ts';
import { containsText } from '../storage/sql/contains-text.ts';
import { change } from '../storage/sql/control-database.ts';
import type { ControlTables } from '../storage/sql/control-tables.ts';
import { TENANT_SCHEMA_ID } from '../storage/sql/schemas.ts';
import { type TenantDatabases, tenantDatabaseName } from '../storage/sql/tenant-databases.ts';
import { tenantNotFound } from './actor.ts';
import { auditEntry, type ChangeContext, differences, type Sources } from './change-context.ts';
import { parseDocument, type TenantDocument, tenantDocument } from './documents.ts';
import { assertVersion, type SeenVersion } from './versions.ts';

type TenantRow = Selectable<ControlTables['tenants']>;

/** A tenant that is not deleted. Times are Unix milliseconds. */
export interface Tenant {
  readonly id: string;
  readonly name: string;
  readonly status: 'active' | 'suspended';
  readonly tier: string | null;
  /** Id of the configured server with its database; empty for the default one. */
  readonly server: string;
  readonly document: TenantDocument;
  readonly version: number;
  readonly createdAt: number;
  readonly updatedAt: number;
}

export interface NewTenant {
  readonly id: string;
  readonly name: string;
  readonly tier: string | null;
  readonly server?: string;
  readonly document: TenantDocument;
}

export type TenantChange = Partial<Pick<Tenant, 'name' | 'status' | 'tier' | 'document'>>;

export interface TenantFilter {
  readonly status?: string | undefined;
  readonly tier?: string | undefined;
  /** Part of the id or name. */
  readonly search?: string | undefined;
  readonly limit: number;
  /** The last id of the previous page. */
  readonly after?: string | undefined;
}

/** Manages tenants, each with its own database. Methods reject with GatewayError or the database's error. */
export class Tenants {
  readonly #removeListeners: ((tenant: string, by: ChangeContext) => Promise<void>)[] = [];

  constructor(
    private readonly control: Kysely<ControlTables>,
    private readonly databases: TenantDatabases,
    private readonly sources: Sources,
    private readonly outbox: Outbox,
    /** Called with the tenant after each committed change. */
    private readonly onChanged: (tenant: string) => Promise<void>,
  ) {}

  /** Calls back before a tenant is deleted. What the listener throws prevents the deletion. */
  beforeRemove(listener: (tenant: string, by: ChangeContext) => Promise<void>): void {
    this.#removeListeners.push(listener);
  }

  /** @returns tenants by id */
  async list({ status, tier, search, limit, after }: TenantFilter): Promise<Tenant[]> {
    const rows = await this.control
      .selectFrom('tenants')
      .selectAll()
      .where('deleted_at', 'is', null)
      .$if(status !== undefined, (query) => query.where('status', '=', status ?? ''))
      .$if(tier !== undefined, (query) => query.where('tier', '=', tier ?? ''))
      .$if(after !== undefined, (query) => query.where('id', '>', after ?? ''))
      .$if(search !== undefined, (query) => query.where(containsText(search ?? '', ['id', 'name'])))
      .orderBy('id')
      .limit(limit)
      .execute();
    return rows.map(tenantOf);
  }

  /** @throws GatewayError `not_found` */
  async get(id: string): Promise<Tenant> {
    return tenantOf(await this.#row(this.control, id));
  }

  /**
   * Creates a tenant and its database. When either fails, neither exists.
   *
   * @throws GatewayError `conflict` when the id is in use
   */
  async create({ id, name, tier, server = '', document }: NewTenant, by: ChangeContext): Promise<Tenant> {
    const now = this.sources.clock.wallTime();
    const database = this.#databaseName(id);
    await this.#assertFree(id);
    await this.databases.create({ server, database });
    try {
      await change(this.control, async (transaction, revision) => {
        const row = {
          ...{ id, name, tier, server, database, revision },
          schema: TENANT_SCHEMA_ID,
          status: 'active',
          document: JSON.stringify(document),
          version: 1,
          created_at: now,
          updated_at: now,
          deleted_at: null,
        };
        const { numInsertedOrUpdatedRows } = await transaction
          .insertInto('tenants')
          .values(row)
          // A deleted tenant keeps its row, but its id can be used again.
          .onConflict((conflict) =>
            conflict.column('id').doUpdateSet(row).where('tenants.deleted_at', 'is not', null),
          )
          .executeTakeFirstOrThrow();
        if (numInsertedOrUpdatedRows === 0n) throw taken(id);
        await writeAudit(
          transaction,
          auditEntry(this.sources, by, 'tenant.create', `tenant:${id}`, { name, tier, server }),
        );
        await this.outbox.append(transaction, [
          { ...eventOf(id, by), type: 'tenant.created', data: { tenant: id, name, tier } },
        ]);
      });
    } catch (error) {
      await this.databases.drop({ server, database });
      throw error;
    }
    this.outbox.wake();
    await this.onChanged(id);
    return this.get(id);
  }

  /** @throws GatewayError `not_found` or `precondition_failed` */
  async update(id: string, wanted: TenantChange, seen: SeenVersion, by: ChangeContext): Promise<Tenant> {
    await change(this.control, async (transaction, revision) => {
      const row = await this.#row(transaction, id);
      assertVersion(seen, row.version);
      const before = tenantOf(row);
      const after = { ...before, ...wanted };
      const changes = differences(
        { ...describe(before), ...before.document },
        { ...describe(after), ...after.document },
      );
      await transaction
        .updateTable('tenants')
        .set({
          name: after.name,
          status: after.status,
          tier: after.tier,
          document: JSON.stringify(after.document),
          version: row.version + 1,
          updated_at: this.sources.clock.wallTime(),
          revision,
        })
        .where('id', '=', id)
        .execute();
      await writeAudit(transaction, auditEntry(this.sources, by, 'tenant.update', `tenant:${id}`, changes));
      const { name, status, tier } = after;
      const data = { tenant: id, name, status, tier, changed: Object.keys(changes) };
      await this.outbox.append(transaction, [{ ...eventOf(id, by), type: 'tenant.updated', data }]);
    });
    this.outbox.wake();
    await this.onChanged(id);
    return this.get(id);
  }

  /**
   * Deletes a tenant with its data: first its keys become invalid, then its database is deleted. If deleting the database
   * fails, `dropRemoved` retries it.
   *
   * @throws GatewayError `not_found`, `precondition_failed`, or `conflict` for the default tenant
   */
  async remove(id: string, seen: SeenVersion, by: ChangeContext): Promise<void> {
    if (id === DEFAULT_TENANT) {
      throw new GatewayError(
        'conflict',
        'The default tenant cannot be deleted: the admin key belongs to it.',
      );
    }
    const { version } = await this.#row(this.control, id);
    assertVersion(seen, version);
    for (const listener of this.#removeListeners) await listener(id, by);
    await change(this.control, async (transaction, revision) => {
      const row = await this.#row(transaction, id);
      assertVersion(seen, row.version);
      const now = this.sources.clock.wallTime();
      await transaction
        .updateTable('tenants')
        .set({ deleted_at: now, updated_at: now, version: row.version + 1, revision })
        .where('id', '=', id)
        .execute();
      for (const table of ['key_index', 'member_index'] as const) {
        await transaction
          .updateTable(table)
          .set({ deleted: 1, version: 0, revision })
          .where('tenant', '=', id)
          .execute();
      }
      for (const table of TENANT_ROWS) {
        await transaction.deleteFrom(table).where('tenant', '=', id).execute();
      }
      await writeAudit(
        transaction,
        auditEntry(this.sources, by, 'tenant.delete', `tenant:${id}`, { name: row.name }),
      );
      const data = { tenant: id, name: row.name };
      await this.outbox.append(transaction, [{ ...eventOf(id, by), type: 'tenant.deleted', data }]);
    });
    this.outbox.wake();
    await this.onChanged(id);
    await this.dropRemoved();
  }

  /** Deletes the databases of deleted tenants. @returns their number */
  async dropRemoved(): Promise<number> {
    const rows = await this.control
      .selectFrom('tenants')
      .selectAll()
      .where('deleted_at', 'is not', null)
      .where('database', 'not like', 'gone/%')
      .execute();
    for (const { id, server, database } of rows) {
      await this.databases.drop({ server, database });
      await this.control
        .updateTable('tenants')
        .set({ database: `gone/${database}` })
        .where('id', '=', id)
        .where('database', '=', database)
        .execute();
    }
    return rows.length;
  }

  async #assertFree(id: string): Promise<void> {
    const row = await this.control
      .selectFrom('tenants')
      .select('id')
      .where('id', '=', id)
      .where('deleted_at', 'is', null)
      .executeTakeFirst();
    if (row) throw taken(id);
  }

  async #row(db: Kysely<ControlTables>, id: string): Promise<TenantRow> {
    const row = await db
      .selectFrom('tenants')
      .selectAll()
      .where('id', '=', id)
      .where('deleted_at', 'is', null)
      .executeTakeFirst();
    if (!row) throw tenantNotFound();
    return row;
  }

  #databaseName(tenant: string): string {
    return tenantDatabaseName(tenant, this.sources.newId('').slice(-10));
  }
}

/** Tables of the control database whose rows belong to a tenant and end with it. */
const TENANT_ROWS = [
  'responses',
  'tenant_usage',
  'tenant_usage_days',
  'export_cursors',
  'report_schedules',
  'reports',
] as const;

function eventOf(tenant: string, { actor, requestId }: ChangeContext) {
  return { tenant, actor: actor.id, requestId };
}

function taken(id: string): GatewayError {
  return new GatewayError('conflict', `Tenant "${id}" already exists.`, { param: 'id' });
}

function describe({ name, status, tier }: Tenant) {
  return { name, status, tier };
}

function tenantOf(row: TenantRow): Tenant {
  return {
    id: row.id,
    name: row.name,
    status: row.status === 'suspended' ? 'suspended' : 'active',
    tier: row.tier,
    server: row.server,
    document: parseDocument(tenantDocument, row.document, `tenant ${row.id}`),
    version: row.version,
    createdAt: row.created_at,
    updatedAt: row.updated_at,
  };
}
