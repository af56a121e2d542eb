import type { Kysely } from 'kysely';
import { primaryText, requiredInteger, requiredText } from './columns.ts';

/** The durable job queue. */
export async function addJobs(db: Kysely<unknown>): Promise<void> {
  await db.schema
    .createTable('jobs')
    .addColumn('id', 'text', primaryText)
    .addColumn('kind', 'text', requiredText)
    .addColumn('tenant', 'text', requiredText)
    .addColumn('state', 'text', requiredText)
    .addColumn('payload', 'text', requiredText)
    .addColumn('due_at', 'bigint', requiredInteger)
    .addColumn('attempts', 'integer', requiredInteger)
    .addColumn('fence', 'bigint', requiredInteger)
    .addColumn('owner', 'text', requiredText)
    .addColumn('lease_until', 'bigint', requiredInteger)
    .addColumn('error', 'text')
    .addColumn('created_at', 'bigint', requiredInteger)
    .addColumn('finished_at', 'bigint')
    .execute();
  const index = (name: string, columns: readonly string[]) =>
    db.schema
      .createIndex(name)
      .on('jobs')
      .columns([...columns])
      .execute();
  await index('jobs_due', ['kind', 'state', 'tenant', 'due_at']);
  await index('jobs_leases', ['state', 'lease_until']);
  await index('jobs_finished', ['state', 'finished_at']);
}
