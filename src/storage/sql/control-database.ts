import { Kysely, type Migration, Migrator, type SqliteDatabase, SqliteDialect } from 'kysely';

/** The tables of the control database. Columns are in snake case, as people meet them in SQL. */
export interface ControlTables {
  api_keys: {
    id: string;
    kind: 'admin' | 'api_key';
    tenant: string;
    name: string;
    hint: string;
    digest: string;
    created_at: number;
    revoked_at: number | null;
  };
  responses: {
    tenant: string;
    id: string;
    created_at: number;
    expires_at: number;
    /** JSON texts. */
    input: string;
    response: string;
    native: number;
  };
}

export type ControlDatabase = Kysely<ControlTables>;

/** Applied in the order of their names, each once. Never edit one that has been released: add another. */
const MIGRATIONS: Record<string, Migration> = {
  '0001_api_keys': {
    up: async (db: Kysely<unknown>) => {
      await db.schema
        .createTable('api_keys')
        .addColumn('id', 'text', (column) => column.primaryKey())
        .addColumn('kind', 'text', (column) => column.notNull())
        .addColumn('tenant', 'text', (column) => column.notNull())
        .addColumn('name', 'text', (column) => column.notNull())
        .addColumn('hint', 'text', (column) => column.notNull())
        .addColumn('digest', 'text', (column) => column.notNull().unique())
        .addColumn('created_at', 'integer', (column) => column.notNull())
        .addColumn('revoked_at', 'integer')
        .execute();
    },
  },
  '0002_responses': {
    up: async (db: Kysely<unknown>) => {
      await db.schema
        .createTable('responses')
        .addColumn('tenant', 'text', (column) => column.notNull())
        .addColumn('id', 'text', (column) => column.notNull())
        .addColumn('created_at', 'integer', (column) => column.notNull())
        .addColumn('expires_at', 'integer', (column) => column.notNull())
        .addColumn('input', 'text', (column) => column.notNull())
        .addColumn('response', 'text', (column) => column.notNull())
        .addColumn('native', 'integer', (column) => column.notNull())
        .addPrimaryKeyConstraint('responses_key', ['tenant', 'id'])
        .execute();
      await db.schema.createIndex('responses_expiry').on('responses').column('expires_at').execute();
    },
  },
};

/** Opens the control database on a connection and brings its tables up to date. */
export async function openControlDatabase(database: SqliteDatabase): Promise<ControlDatabase> {
  const db = new Kysely<ControlTables>({ dialect: new SqliteDialect({ database }) });
  const migrator = new Migrator({ db, provider: { getMigrations: async () => MIGRATIONS } });
  const { error } = await migrator.migrateToLatest();
  if (error) {
    await db.destroy();
    throw error;
  }
  return db;
}
