import type { Kysely, Selectable, Transaction } from 'kysely';
import { GatewayError } from '../core/errors.ts';
import type { SecretBox } from '../platform/secret-box.ts';
import { writeAudit } from '../storage/sql/audit-chain.ts';
import { change as changeControl } from '../storage/sql/control-database.ts';
import type { ControlTables } from '../storage/sql/control-tables.ts';
import { auditEntry, type ChangeContext, type Sources } from './change-context.ts';
import { assertVersion, type SeenVersion } from './versions.ts';

/** Part of the configuration that the admin API wrote. */
export interface ConfigItem {
  readonly section: string;
  readonly id: string;
  /** Null where the item of the file is left out. */
  readonly document: ConfigItemDocument | null;
  readonly version: number;
  /** Unix milliseconds. */
  readonly updatedAt: number;
  readonly updatedBy: string;
}

export type ConfigItemDocument = Readonly<Record<string, unknown>>;

/** One change of the overlay; undefined where it did not have the item. */
export interface ConfigItemChange {
  readonly id: string;
  readonly revision: number;
  /** Unix milliseconds. */
  readonly at: number;
  readonly actor: string;
  readonly actorName: string;
  readonly section: string;
  readonly item: string;
  readonly before: ConfigItemDocument | null | undefined;
  readonly after: ConfigItemDocument | null | undefined;
}

/** Changes that are kept, so that they can be taken back. */
const MAX_CHANGES = 500;
/** Items of one installation. */
const MAX_ITEMS = 5_000;

/**
 * The overlay of the configuration file in the control database: items with their secrets, sealed, and the changes that led
 * to them. Each change has the next revision; two gateways that change it at the same time do not get the same.
 */
export class ConfigItems {
  constructor(
    private readonly db: Kysely<ControlTables>,
    private readonly box: SecretBox,
    private readonly sources: Sources,
  ) {}

  /** @returns the revision of the last change; 0 before the first */
  async revision(): Promise<number> {
    const { last } = await this.db
      .selectFrom('config_changes')
      .select(({ fn }) => fn.max('revision').as('last'))
      .executeTakeFirstOrThrow();
    return Number(last ?? 0);
  }

  /** @returns the items, and the number of those that were sealed with another secret */
  async list(): Promise<{ readonly items: ConfigItem[]; readonly unreadable: number }> {
    const rows = await this.db
      .selectFrom('config_items')
      .selectAll()
      .orderBy('section')
      .orderBy('id')
      .execute();
    const items = rows.flatMap((row) => this.#itemOf(row) ?? []);
    return { items, unreadable: rows.length - items.length };
  }

  /** @returns undefined when the overlay does not have it, or when it was sealed with another secret */
  async get(section: string, id: string): Promise<ConfigItem | undefined> {
    const row = await this.#row(this.db, section, id);
    return row && this.#itemOf(row);
  }

  /**
   * Writes an item, or takes it out of the overlay.
   * @param document null leaves the file's item out; undefined leaves the file's item as it is
   * @throws GatewayError `precondition_failed` when it has changed since it was seen, `conflict` for too many items
   */
  async change(
    { section, id }: Pick<ConfigItem, 'section' | 'id'>,
    document: ConfigItemDocument | null | undefined,
    seen: SeenVersion,
    by: ChangeContext,
  ): Promise<void> {
    await changeControl(this.db, async (transaction, revision) => {
      const row = await this.#row(transaction, section, id);
      assertVersion(seen, row?.version ?? 0);
      const now = this.sources.clock.wallTime();
      const sealed = document && this.box.seal(JSON.stringify(document));
      if (document === undefined) {
        await transaction
          .deleteFrom('config_items')
          .where('section', '=', section)
          .where('id', '=', id)
          .execute();
      } else {
        if (!row) await assertRoom(transaction);
        const values = { document: sealed ?? null, updated_at: now, updated_by: by.actor.id };
        await transaction
          .insertInto('config_items')
          .values({ section, id, version: 1, ...values })
          .onConflict((conflict) =>
            conflict.columns(['section', 'id']).doUpdateSet({ ...values, version: (row?.version ?? 0) + 1 }),
          )
          .execute();
      }
      await transaction
        .insertInto('config_changes')
        .values({
          ...{ id: this.sources.newId('chg'), revision, at: now, section, item: id },
          ...{ actor: by.actor.id, actor_name: by.actor.name },
          before: row ? this.#sealedOrNone(row.document) : null,
          after: document === undefined ? null : this.#sealedOrNone(sealed ?? null),
        })
        .execute();
      const oldest = await transaction
        .selectFrom('config_changes')
        .select('revision')
        .orderBy('revision', 'desc')
        .offset(MAX_CHANGES)
        .limit(1)
        .executeTakeFirst();
      if (oldest) {
        await transaction.deleteFrom('config_changes').where('revision', '<=', oldest.revision).execute();
      }
      const action =
        document === undefined ? 'config_item.reset' : document ? 'config_item.set' : 'config_item.remove';
      const members = { members: Object.keys(document ?? {}), revision };
      await writeAudit(transaction, auditEntry(this.sources, by, action, `${section}:${id}`, members));
    });
  }

  /** @returns changes, newest first. @param before revision of the previous page's last one */
  async changes(limit: number, before?: number): Promise<ConfigItemChange[]> {
    let query = this.db.selectFrom('config_changes').selectAll().orderBy('revision', 'desc').limit(limit);
    if (before !== undefined) query = query.where('revision', '<', before);
    return (await query.execute()).map((row) => this.#changeOf(row));
  }

  /** @throws GatewayError `not_found` */
  async getChange(id: string): Promise<ConfigItemChange> {
    const row = await this.db
      .selectFrom('config_changes')
      .selectAll()
      .where('id', '=', id)
      .executeTakeFirst();
    if (row) return this.#changeOf(row);
    throw new GatewayError('not_found', `There is no such change; the last ${MAX_CHANGES} are kept.`);
  }

  #row(db: Kysely<ControlTables> | Transaction<ControlTables>, section: string, id: string) {
    return db
      .selectFrom('config_items')
      .selectAll()
      .where('section', '=', section)
      .where('id', '=', id)
      .executeTakeFirst();
  }

  /** An item that leaves the file's out is not the same as no item. */
  #sealedOrNone(sealed: string | null): string {
    return sealed ?? this.box.seal('null');
  }

  #itemOf(row: Selectable<ControlTables['config_items']>): ConfigItem | undefined {
    const document = row.document === null ? null : this.#opened(row.document);
    if (document === undefined) return undefined;
    return {
      ...{ section: row.section, id: row.id, version: row.version, updatedBy: row.updated_by },
      ...{ updatedAt: Number(row.updated_at), document },
    };
  }

  #changeOf(row: Selectable<ControlTables['config_changes']>): ConfigItemChange {
    const open = (sealed: string | null) => (sealed === null ? undefined : this.#opened(sealed));
    return {
      ...{ id: row.id, revision: Number(row.revision), at: Number(row.at), section: row.section },
      ...{ actor: row.actor, actorName: row.actor_name, item: row.item },
      ...{ before: open(row.before), after: open(row.after) },
    };
  }

  /** @returns undefined for what was sealed with another secret */
  #opened(sealed: string): ConfigItemDocument | null | undefined {
    let text: string;
    try {
      text = this.box.open(sealed);
    } catch {
      return undefined;
    }
    return JSON.parse(text);
  }
}

async function assertRoom(transaction: Transaction<ControlTables>): Promise<void> {
  const { count } = await transaction
    .selectFrom('config_items')
    .select(({ fn }) => fn.countAll().as('count'))
    .executeTakeFirstOrThrow();
  if (Number(count) < MAX_ITEMS) return;
  throw new GatewayError('conflict', `The admin API keeps at most ${MAX_ITEMS} providers and models.`);
}
