import { readFileSync } from 'node:fs';
import type { Kysely } from 'kysely';
import { DatabaseMissingError } from '../../sql/database-errors.ts';
import { assertKnownMigrations, type DatabaseSchema } from '../../sql/database-schema.ts';
import { CONTROL_DATABASE, type DatabaseServer } from '../../sql/database-server.ts';
import { CONTROL_SCHEMA, TENANT_SCHEMA } from '../../sql/schemas.ts';
import { isCurrentTenant, readControl, readTenant, type TenantPlace } from '../contents.ts';
import type { BackupProgress, InstallationFile, JournalFile } from '../create-backup.ts';
import { BackupError, secretCheck } from '../manifest.ts';
import { ChunkWriter } from './chunk-writer.ts';
import type { BackupRepository } from './repository.ts';
import { saveDatabase } from './save-database.ts';
import {
  type Chunk,
  type Content,
  contentBytes,
  type Snapshot,
  type SnapshotDatabase,
  type SnapshotFile,
  snapshotName,
} from './snapshot.ts';

export interface SnapshotOptions {
  readonly repository: BackupRepository;
  /** By id; the default one has the id ''. */
  readonly servers: ReadonlyMap<string, DatabaseServer>;
  /** Reads the files of pending usage. */
  readonly journal: () => Iterable<JournalFile>;
  readonly files: readonly InstallationFile[];
  /** WEIR_SECRET; undefined when the control database contains the secret. */
  readonly secret: string | undefined;
  readonly version: string;
  /** Reads everything, also what the previous backup has. */
  readonly full: boolean;
  readonly now: () => Date;
  /** 8 random hexadecimal digits. */
  readonly randomId: () => string;
  readonly onProgress: (progress: BackupProgress) => void;
}

/** Bytes of one chunk of a file. */
const FILE_CHUNK_BYTES = 1024 * 1024;

/**
 * Adds a backup to a repository while gateways use the databases. What the latest backup has is not stored again, and databases
 * that have not changed since are not read. The backup appears when it is complete. The parts are saved in the order of
 * `createBackup`, which makes them fit.
 *
 * @throws BackupError, ObjectStorageError, or the database's error; the backup does not appear then
 */
export async function createSnapshot(options: SnapshotOptions): Promise<Snapshot> {
  const { repository, full } = options;
  const names = await repository.snapshotNames();
  const latest = names.at(-1);
  const parent = latest === undefined || full ? undefined : await repository.readSnapshot(latest);
  const chunks = new Map<string, readonly Chunk[]>();
  const known = new Set<string>();
  const learn = (content: Content, list: readonly Chunk[]) => {
    if ('index' in content) known.add(content.index.name);
    for (const { name } of list) known.add(name);
  };
  for (const saved of parent?.databases ?? []) {
    const list = await repository.chunksOf(saved.content);
    chunks.set(placeOf(saved), list);
    learn(saved.content, list);
  }
  for (const { content } of [...(parent?.journal ?? []), ...(parent?.files ?? [])]) {
    learn(content, await repository.chunksOf(content));
  }
  return new SnapshotRun(options, parent, chunks, new ChunkWriter(repository, known)).run();
}

class SnapshotRun {
  #bytes = 0;
  #fingerprints: ReadonlyMap<string, string> = new Map();

  constructor(
    private readonly options: SnapshotOptions,
    private readonly parent: Snapshot | undefined,
    /** Of the databases of the parent, by place. */
    private readonly parentChunks: ReadonlyMap<string, readonly Chunk[]>,
    private readonly writer: ChunkWriter,
  ) {}

  async run(): Promise<Snapshot> {
    const { repository, now, version, secret, onProgress, randomId } = this.options;
    const started = now();
    const journal = await this.#saveJournal();
    const { control, saved } = await this.#saveControl();
    const databases = [saved];
    const deleted: string[] = [];
    const total = control.tenants.length + 1;
    onProgress({ done: 1, total, bytes: this.#bytes });
    this.#fingerprints = await this.#fingerprintsOf(control.tenants);
    for (const tenant of control.tenants) {
      const own = await this.#saveTenant(tenant);
      if (own) databases.push(own);
      else deleted.push(tenant.id);
      onProgress({ done: databases.length + deleted.length, total, bytes: this.#bytes });
    }
    const known = secret ?? control.storedSecret;
    if (known === undefined) {
      throw new BackupError(
        'The control database contains no secret, and WEIR_SECRET is not set. Set it as it is set for the gateway.',
      );
    }
    const files = await this.#saveFiles();
    await this.writer.finish();
    const contents: Snapshot = {
      name: snapshotName(started, randomId()),
      parent: this.parent?.name ?? null,
      ...{ weir: version, created_at: started.toISOString(), finished_at: now().toISOString() },
      secret: { source: secret === undefined ? 'database' : 'environment', check: secretCheck(known) },
      ...{ databases, journal, files, deleted_tenants: deleted, written: this.writer.written },
    };
    await repository.writeSnapshot(contents);
    return contents;
  }

  async #saveJournal(): Promise<SnapshotFile[]> {
    const saved: SnapshotFile[] = [];
    for (const { name, text } of this.options.journal()) {
      saved.push({ name, content: await this.#saveBytes(Buffer.from(text)) });
    }
    return saved;
  }

  async #saveFiles(): Promise<SnapshotFile[]> {
    const saved: SnapshotFile[] = [];
    for (const { name, path } of this.options.files) {
      saved.push({ name, content: await this.#saveBytes(readFileSync(path)) });
    }
    return saved;
  }

  async #saveBytes(bytes: Buffer): Promise<Content> {
    const chunks: Chunk[] = [];
    for (let at = 0; at === 0 || at < bytes.length; at += FILE_CHUNK_BYTES) {
      chunks.push(await this.writer.store(bytes.subarray(at, at + FILE_CHUNK_BYTES)));
    }
    this.#bytes += bytes.length;
    return this.writer.describe(chunks);
  }

  async #saveControl() {
    try {
      const place = { tenant: null, server: '', name: CONTROL_DATABASE };
      const [control, saved] = await this.#save(CONTROL_SCHEMA, readControl, place);
      return { control, saved };
    } catch (error) {
      if (!(error instanceof DatabaseMissingError)) throw error;
      throw new BackupError(`There is nothing to back up: ${error.message}.`, { cause: error });
    }
  }

  /** @returns undefined when the tenant was deleted after the control database was saved */
  async #saveTenant({ id, server, database }: TenantPlace): Promise<SnapshotDatabase | undefined> {
    const place = { tenant: id, server, name: database };
    const unchanged = this.#unchanged(place);
    if (unchanged) {
      this.#bytes += contentBytes(unchanged.content);
      return unchanged;
    }
    try {
      return (await this.#save(TENANT_SCHEMA, readTenant, place))[1];
    } catch (error) {
      if (!(await isCurrentTenant(this.#server(''), { id, server, database }))) return undefined;
      if (!(error instanceof DatabaseMissingError)) throw error;
      throw new BackupError(
        `The database of tenant ${id} is missing: ${error.message}. Restore it from an earlier backup, or delete the tenant: \`weir tenants delete ${id} --yes\`.`,
        { cause: error },
      );
    }
  }

  #unchanged(place: Pick<SnapshotDatabase, 'tenant' | 'server' | 'name'>): SnapshotDatabase | undefined {
    const fingerprint = this.#fingerprints.get(placeOf(place));
    const before = this.parent?.databases.find((one) => placeOf(one) === placeOf(place));
    return fingerprint !== undefined && before?.fingerprint === fingerprint ? before : undefined;
  }

  async #save<Tables, Contents extends { readonly migrations: readonly string[] }>(
    schema: DatabaseSchema,
    read: (db: Kysely<Tables>) => Promise<Contents>,
    place: Pick<SnapshotDatabase, 'tenant' | 'server' | 'name'>,
  ): Promise<[Contents, SnapshotDatabase]> {
    const server = this.#server(place.server);
    const { backend } = server;
    const previous = this.parentChunks.get(placeOf(place)) ?? [];
    const [contents, chunks] = await server.read<Tables, [Contents, readonly Chunk[]]>(
      place.name,
      async (db) => {
        const found = await read(db);
        assertKnownMigrations(schema, found.migrations);
        const source = { db, backend, schema, migrations: found.migrations };
        return [found, await saveDatabase(source, this.writer, previous)];
      },
    );
    const content = await this.writer.describe(chunks);
    this.#bytes += contentBytes(content);
    const fingerprint = this.#fingerprints.get(placeOf(place));
    const migrations = [...contents.migrations];
    return [
      contents,
      { ...place, backend, migrations, content, ...(fingerprint !== undefined && { fingerprint }) },
    ];
  }

  /** Before any of these databases is read: a later change makes a difference at the next backup. */
  async #fingerprintsOf(tenants: readonly TenantPlace[]): Promise<ReadonlyMap<string, string>> {
    const found = new Map<string, string>();
    for (const [id, server] of this.options.servers) {
      const names = tenants.filter((one) => one.server === id).map(({ database }) => database);
      if (names.length === 0) continue;
      for (const [name, text] of await server.fingerprints(names))
        found.set(placeOf({ server: id, name }), text);
    }
    return found;
  }

  #server(id: string): DatabaseServer {
    const server = this.options.servers.get(id);
    if (server) return server;
    throw new BackupError(`The database server "${id}" of some tenants is not configured (storage.servers).`);
  }
}

function placeOf({ server, name }: Pick<SnapshotDatabase, 'server' | 'name'>): string {
  return `${server}/${name}`;
}
