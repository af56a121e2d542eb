import type { Kysely } from 'kysely';
import { primaryText, requiredInteger, requiredText } from './columns.ts';

/** Creates the tables of saved prompts and their versions. */
export async function addPrompts(db: Kysely<unknown>): Promise<void> {
  await db.schema
    .createTable('prompts')
    .addColumn('id', 'text', primaryText)
    .addColumn('name', 'text', requiredText)
    .addColumn('name_key', 'text', requiredText)
    .addColumn('latest', 'integer', requiredInteger)
    .addColumn('version', 'integer', requiredInteger)
    .addColumn('created_by', 'text', requiredText)
    .addColumn('created_by_name', 'text', requiredText)
    .addColumn('created_at', 'bigint', requiredInteger)
    .addColumn('updated_at', 'bigint', requiredInteger)
    .execute();
  await db.schema.createIndex('prompts_name_key').unique().on('prompts').column('name_key').execute();
  await db.schema
    .createTable('prompt_versions')
    .addColumn('prompt', 'text', requiredText)
    .addColumn('number', 'integer', requiredInteger)
    .addColumn('model', 'text')
    .addColumn('saved_by', 'text', requiredText)
    .addColumn('saved_by_name', 'text', requiredText)
    .addColumn('saved_at', 'bigint', requiredInteger)
    .addColumn('bytes', 'integer', requiredInteger)
    // The last one: lists read the others without it.
    .addColumn('sealed', 'text', requiredText)
    .addPrimaryKeyConstraint('prompt_versions_key', ['prompt', 'number'])
    .execute();
}
