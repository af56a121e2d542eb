import type { Kysely } from 'kysely';
import { GatewayError } from '../core/errors.ts';
import { writeAudit } from '../storage/sql/audit-chain.ts';
import type { ControlTables } from '../storage/sql/control-tables.ts';
import { auditEntry, type ChangeContext, type Sources } from '../tenancy/change-context.ts';
import { parseDocument } from '../tenancy/documents.ts';
import { billingChange } from './billing-change.ts';
import { type PriceListDocument, type PriceListVersion, priceListDocument } from './price-list.ts';

/** Owner of the list for all tenants. */
export const DEFAULT_LIST = '';

/** Versions of the default price list and of tenants' own lists. Versions are added, never changed or deleted. */
export class PriceLists {
  constructor(
    private readonly control: Kysely<ControlTables>,
    private readonly sources: Sources,
  ) {}

  /** @param owner an account, or `DEFAULT_LIST`. @returns all versions, the first one first */
  async versions(owner: string): Promise<PriceListVersion[]> {
    const rows = await this.control
      .selectFrom('billing_price_lists')
      .selectAll()
      .where('owner', '=', owner)
      .orderBy('version')
      .execute();
    return rows.map((row) => ({
      version: row.version,
      validFrom: row.valid_from,
      document: parseDocument(
        priceListDocument,
        row.document,
        `version ${row.version} of the price list ${row.owner || 'default'}`,
      ),
      createdAt: row.created_at,
      createdBy: row.created_by,
    }));
  }

  /**
   * Adds a version. It applies from its first day on; of two with the same first day, the later one applies. Months that are
   * closed keep the versions that they were closed with.
   *
   * @param subject for the audit trail, such as `tenant:acme`
   * @throws GatewayError `conflict` when another version was added at the same time
   */
  async add(
    owner: string,
    validFrom: string,
    document: PriceListDocument,
    subject: string,
    by: ChangeContext,
  ): Promise<PriceListVersion> {
    const createdAt = this.sources.clock.wallTime();
    const version = await billingChange(this.control, async (transaction) => {
      const { last } = await transaction
        .selectFrom('billing_price_lists')
        .select(({ fn }) => fn.max('version').as('last'))
        .where('owner', '=', owner)
        .executeTakeFirstOrThrow();
      const next = (last ?? 0) + 1;
      const { numInsertedOrUpdatedRows } = await transaction
        .insertInto('billing_price_lists')
        .values({
          ...{ owner, version: next, valid_from: validFrom, document: JSON.stringify(document) },
          ...{ created_at: createdAt, created_by: by.actor.name },
        })
        .onConflict((conflict) => conflict.doNothing())
        .executeTakeFirstOrThrow();
      if (numInsertedOrUpdatedRows !== 1n) {
        throw new GatewayError(
          'conflict',
          'Another version was added at the same time. Read the list, and retry.',
        );
      }
      const details = { version: next, valid_from: validFrom };
      await writeAudit(transaction, auditEntry(this.sources, by, 'price_list.add', subject, details));
      return next;
    });
    return { version, validFrom, document, createdAt, createdBy: by.actor.name };
  }
}
