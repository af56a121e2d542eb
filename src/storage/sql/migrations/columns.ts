import type { ColumnDefinitionBuilder } from 'kysely';

export const primaryText = (column: ColumnDefinitionBuilder) => column.primaryKey().notNull();
export const requiredText = (column: ColumnDefinitionBuilder) => column.notNull();
export const requiredInteger = (column: ColumnDefinitionBuilder) => column.notNull();
