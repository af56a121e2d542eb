import type { Migration } from 'kysely';

/** Migrations by name, applied once each in the order of their names. Never edit a released one: add another. */
export type Migrations = Readonly<Record<string, Migration>>;

/** The definition of a database. */
export interface DatabaseSchema {
  readonly migrations: Migrations;
  /** Names of the tables after all migrations. */
  readonly tables: readonly string[];
}

/** A database has migrations that this version does not know. */
export class NewerDatabaseError extends Error {
  override readonly name = 'NewerDatabaseError';
}

/** @throws NewerDatabaseError when `names` contains a migration that the schema lacks */
export function assertKnownMigrations({ migrations }: DatabaseSchema, names: readonly string[]): void {
  const unknown = names.filter((name) => !Object.hasOwn(migrations, name));
  if (unknown.length === 0) return;
  throw new NewerDatabaseError(
    `A newer version of Weir has migrated the database (${unknown.join(', ')}). Use that version.`,
  );
}
