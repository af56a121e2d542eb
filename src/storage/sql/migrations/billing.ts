import { type Kysely, SqliteAdapter, sql } from 'kysely';
import { primaryText, requiredInteger, requiredText } from './columns.ts';

/** Adds price lists, billing accounts, invoices with their number series, and infrastructure costs. */
export async function addBilling(db: Kysely<unknown>): Promise<void> {
  await db.schema
    .createTable('billing_accounts')
    .addColumn('account', 'text', primaryText)
    .addColumn('tenant', 'text', requiredText)
    .addColumn('document', 'text', requiredText)
    .addColumn('version', 'integer', requiredInteger)
    .addColumn('changes', 'integer', requiredInteger)
    .addColumn('updated_at', 'bigint', requiredInteger)
    .execute();
  await db.schema
    .createTable('billing_price_lists')
    .addColumn('owner', 'text', requiredText)
    .addColumn('version', 'integer', requiredInteger)
    .addColumn('valid_from', 'text', requiredText)
    .addColumn('document', 'text', requiredText)
    .addColumn('created_at', 'bigint', requiredInteger)
    .addColumn('created_by', 'text', requiredText)
    .addPrimaryKeyConstraint('billing_price_lists_key', ['owner', 'version'])
    .execute();
  await db.schema
    .createTable('billing_invoices')
    .addColumn('id', 'text', primaryText)
    .addColumn('kind', 'text', requiredText)
    .addColumn('account', 'text', requiredText)
    .addColumn('tenant', 'text', requiredText)
    .addColumn('period', 'text', requiredText)
    .addColumn('status', 'text', requiredText)
    .addColumn('number', 'text', (column) => column.unique())
    .addColumn('series', 'text')
    .addColumn('sequence', 'integer')
    .addColumn('refers_to', 'text')
    .addColumn('currency', 'text', requiredText)
    .addColumn('total', 'text', requiredText)
    .addColumn('document', 'text', requiredText)
    .addColumn('hash', 'text')
    .addColumn('version', 'integer', requiredInteger)
    .addColumn('created_at', 'bigint', requiredInteger)
    .addColumn('issued_at', 'bigint')
    .addColumn('due_date', 'text')
    .addColumn('paid_at', 'bigint')
    .addColumn('voided_at', 'bigint')
    .addColumn('note', 'text')
    .addColumn('sent_at', 'bigint')
    .addUniqueConstraint('billing_invoices_sequence', ['series', 'sequence'])
    .execute();
  // The second of two processes that close a month finds the invoice of the first.
  await sql`
    CREATE UNIQUE INDEX billing_invoices_period ON billing_invoices (account, period)
    WHERE kind = 'invoice' AND status <> 'void'`.execute(db);
  await db.schema
    .createIndex('billing_invoices_tenant')
    .on('billing_invoices')
    .columns(['tenant', 'period'])
    .execute();
  await db.schema
    .createIndex('billing_invoices_created')
    .on('billing_invoices')
    .columns(['created_at', 'id'])
    .execute();
  await db.schema
    .createTable('billing_usage')
    .addColumn('invoice', 'text', primaryText)
    .addColumn('account', 'text', requiredText)
    .addColumn('document', 'text', requiredText)
    .execute();
  await db.schema.createIndex('billing_usage_account').on('billing_usage').column('account').execute();
  await db.schema
    .createTable('billing_series')
    .addColumn('name', 'text', primaryText)
    .addColumn('last', 'integer', requiredInteger)
    .addColumn('last_hash', 'text')
    .execute();
  await db.schema
    .createTable('billing_costs')
    .addColumn('id', 'text', primaryText)
    .addColumn('month', 'text', requiredText)
    .addColumn('document', 'text', requiredText)
    .addColumn('allocation', 'text')
    .addColumn('created_at', 'bigint', requiredInteger)
    .addColumn('created_by', 'text', requiredText)
    .execute();
  await db.schema.createIndex('billing_costs_month').on('billing_costs').columns(['month', 'id']).execute();
  await protectIssued(db);
}

/** Statements that the database itself rejects, whatever program sends them. */
const PROTECTED = [
  {
    name: 'billing_invoices_issued',
    table: 'billing_invoices',
    event: 'UPDATE',
    // Status, times and version may change.
    when: `OLD.hash IS NOT NULL AND (${[
      ...['id', 'kind', 'account', 'tenant', 'period', 'number', 'series', 'sequence', 'currency', 'total'],
      ...['document', 'hash', 'issued_at', 'due_date'],
    ]
      .map((column) => `NEW.${column} <> OLD.${column} OR (NEW.${column} IS NULL) <> (OLD.${column} IS NULL)`)
      .join(' OR ')} OR NEW.status = 'draft')`,
    message: 'an issued invoice cannot be changed',
  },
  {
    name: 'billing_invoices_kept',
    table: 'billing_invoices',
    event: 'DELETE',
    when: 'OLD.hash IS NOT NULL',
    message: 'an issued invoice cannot be deleted',
  },
  {
    name: 'billing_price_lists_fixed',
    table: 'billing_price_lists',
    event: 'UPDATE',
    when: 'OLD.version IS NOT NULL',
    message: 'a version of a price list cannot be changed',
  },
] as const;

async function protectIssued(db: Kysely<unknown>): Promise<void> {
  const isSqlite = db.getExecutor().adapter instanceof SqliteAdapter;
  for (const { name, table, event, when, message } of PROTECTED) {
    if (isSqlite) {
      await sql
        .raw(
          `CREATE TRIGGER ${name} BEFORE ${event} ON ${table} WHEN ${when} BEGIN SELECT RAISE(ABORT, '${message}'); END`,
        )
        .execute(db);
      continue;
    }
    await sql
      .raw(
        `CREATE OR REPLACE FUNCTION ${name}() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION '${message}'; END $$`,
      )
      .execute(db);
    await sql
      .raw(
        `CREATE TRIGGER ${name} BEFORE ${event} ON ${table} FOR EACH ROW WHEN (${when}) EXECUTE FUNCTION ${name}()`,
      )
      .execute(db);
  }
}
