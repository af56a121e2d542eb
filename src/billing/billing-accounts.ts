import type { Kysely } from 'kysely';
import { z } from 'zod';
import { GatewayError } from '../core/errors.ts';
import { writeAudit } from '../storage/sql/audit-chain.ts';
import type { ControlTransaction } from '../storage/sql/control-database.ts';
import type { ControlTables } from '../storage/sql/control-tables.ts';
import { tenantNotFound } from '../tenancy/actor.ts';
import { auditEntry, type ChangeContext, differences, type Sources } from '../tenancy/change-context.ts';
import { parseDocument, tenantDocument } from '../tenancy/documents.ts';
import { email } from '../tenancy/names.ts';
import { assertVersion, type SeenVersion } from '../tenancy/versions.ts';
import { billingChange } from './billing-change.ts';
import { LINE_DIMENSIONS } from './rating.ts';
import { taxRates } from './tax.ts';

/** Text on one line. Direction controls could make an invoice show other text than it contains. */
const line = (longest: number) =>
  z
    .string()
    .trim()
    .min(1)
    .max(longest)
    .refine((text) => !/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u.test(text), 'must not contain control characters');

/** What a tenant says about itself. */
const details = {
  name: line(200).optional().describe('Legal name. Default: the name of the tenant.'),
  address: z.array(line(200)).max(8).optional().describe('Lines of the postal address.'),
  email: email.optional().describe('Where invoices are sent.'),
  vat_id: line(30).optional().describe('VAT id. Checked by the rule of its country.'),
  reference: line(100).optional().describe('Such as an order number, shown on invoices.'),
  lines: z
    .array(z.enum(LINE_DIMENSIONS))
    .max(LINE_DIMENSIONS.length)
    .optional()
    .describe('What invoices have a line for. Default: `model` and `key`.'),
};

/** What the platform decides about it. */
const terms = {
  external_id: line(100)
    .optional()
    .describe('Id of the customer in another billing system, for exports. Default: the id of the tenant.'),
  reverse_charge: z
    .boolean()
    .optional()
    .describe('The customer accounts for the tax. Requires a valid VAT id.'),
  due_days: z.int().min(0).max(365).optional().describe('Default: `billing.due_days`.'),
  taxes: taxRates.optional().describe('Instead of `billing.taxes`.'),
};

export const accountDocument = z.strictObject({ ...details, ...terms });
export type AccountDocument = z.output<typeof accountDocument>;

/** Members that need more than `billing:write`. */
export const PLATFORM_TERMS = Object.keys(terms);

/** The billing side of a tenant. Ids of deleted tenants may be used again: `account` tells the tenants apart. */
export interface BillingAccount {
  readonly account: string;
  readonly tenant: string;
  readonly tenantName: string;
  readonly timeZone: string;
  /** Unix milliseconds. */
  readonly createdAt: number;
  readonly deletedAt: number | null;
  readonly document: AccountDocument;
  /** 0 before the first change. */
  readonly version: number;
  readonly changes: number;
}

/** Reads and changes billing accounts. Methods reject with GatewayError or the database's error. */
export class BillingAccounts {
  constructor(
    private readonly control: Kysely<ControlTables>,
    private readonly sources: Sources,
  ) {}

  /** @throws GatewayError `not_found` for a tenant that does not exist, also when it has been deleted */
  async get(tenant: string): Promise<BillingAccount> {
    const found = await this.#read(this.control, tenant);
    if (!found || found.deletedAt !== null) throw tenantNotFound();
    return found;
  }

  /** @returns the ids of all tenants, in order */
  async tenants(): Promise<string[]> {
    const rows = await this.control
      .selectFrom('tenants')
      .select('id')
      .where('deleted_at', 'is', null)
      .orderBy('id')
      .execute();
    return rows.map(({ id }) => id);
  }

  /** @throws GatewayError `not_found`, `precondition_failed`, `invalid_request` for an invalid VAT id */
  async put(
    tenant: string,
    wanted: AccountDocument,
    seen: SeenVersion,
    by: ChangeContext,
  ): Promise<BillingAccount> {
    const document = await withCheckedVatId(wanted);
    await billingChange(this.control, async (transaction) => {
      const known = await this.lock(transaction, tenant);
      assertVersion(seen, known.version);
      await transaction
        .updateTable('billing_accounts')
        .set({
          document: JSON.stringify(document),
          version: known.version + 1,
          updated_at: this.sources.clock.wallTime(),
        })
        .where('account', '=', known.account)
        .execute();
      const changes = differences(known.document, document);
      await writeAudit(
        transaction,
        auditEntry(this.sources, by, 'billing_account.update', `tenant:${tenant}`, changes),
      );
    });
    return this.get(tenant);
  }

  /**
   * Takes the account for the rest of a transaction. Call it first: it is the statement that makes others wait.
   *
   * @returns the account, with `changes` as they are now
   */
  async lock(transaction: ControlTransaction, tenant: string): Promise<BillingAccount> {
    const known = await this.#read(transaction, tenant);
    if (!known || known.deletedAt !== null) throw tenantNotFound();
    await transaction
      .insertInto('billing_accounts')
      .values({
        ...{ account: known.account, tenant, document: '{}', version: 0, changes: 0 },
        updated_at: this.sources.clock.wallTime(),
      })
      .onConflict((conflict) =>
        conflict.column('account').doUpdateSet({ changes: ({ ref }) => ref('billing_accounts.changes') }),
      )
      .execute();
    const locked = await this.#read(transaction, tenant);
    if (!locked) throw tenantNotFound();
    return locked;
  }

  async #read(db: Kysely<ControlTables>, tenant: string): Promise<BillingAccount | undefined> {
    const row = await db
      .selectFrom('tenants')
      .select(['id', 'name', 'document', 'created_at', 'deleted_at'])
      .where('id', '=', tenant)
      .executeTakeFirst();
    if (!row) return undefined;
    const account = `${row.id}@${row.created_at}`;
    const stored = await db
      .selectFrom('billing_accounts')
      .selectAll()
      .where('account', '=', account)
      .executeTakeFirst();
    return {
      ...{ account, tenant, tenantName: row.name },
      timeZone: parseDocument(tenantDocument, row.document, `tenant ${tenant}`).time_zone,
      createdAt: row.created_at,
      deletedAt: row.deleted_at,
      document: stored
        ? parseDocument(accountDocument, stored.document, `the billing account of ${tenant}`)
        : {},
      version: stored?.version ?? 0,
      changes: stored?.changes ?? 0,
    };
  }
}

async function withCheckedVatId(document: AccountDocument): Promise<AccountDocument> {
  const invalid = (why: string, param: string) => new GatewayError('invalid_request', why, { param });
  if (document.vat_id === undefined) {
    if (document.reverse_charge) {
      throw invalid('"reverse_charge" requires a "vat_id". Add the customer\'s VAT id.', 'vat_id');
    }
    return document;
  }
  // The rules of all countries are large, and needed here only.
  const { vatIdOf } = await import('./vat-id.ts');
  const vatId = vatIdOf(document.vat_id);
  if (vatId === undefined) {
    throw invalid(
      '"vat_id" is not valid: it must begin with the country, such as DE136695976, and its check digits must match.',
      'vat_id',
    );
  }
  return { ...document, vat_id: vatId };
}
