import { type RawBuilder, type SqlBool, sql } from 'kysely';

/**
 * @param search taken literally; case is ignored
 * @param columns of the query
 * @returns the condition that one of the columns contains the text
 */
export function containsText(search: string, columns: readonly string[]): RawBuilder<SqlBool> {
  const pattern = `%${search.replaceAll(/[\\%_]/g, '\\$&')}%`;
  const each = columns.map((column) => sql`lower(${sql.ref(column)}) LIKE lower(${pattern}) ESCAPE '\\'`);
  return sql<SqlBool>`(${sql.join(each, sql` OR `)})`;
}
