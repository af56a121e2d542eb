import type { Config } from '../config/schema.ts';
import type { EventSink } from '../events/event-bus.ts';
import type { UsageArchives } from '../metering/archive/usage-archives.ts';
import { randomIds } from '../platform/random-ids.ts';
import type { Sources } from '../tenancy/change-context.ts';
import { homeTenants } from './first-start.ts';
import type { Stores } from './stores.ts';
import { TenantRounds } from './tenant-rounds.ts';

type Settings = NonNullable<Config['storage']['usage_archive']>;

/** Opens the archive of a configuration. Loads its code, and the client of S3, with the first use. */
export async function openUsageArchives(
  { to, after, keep, endpoint, region, access_key_id, secret_access_key }: Settings,
  { databases, sources }: Pick<Stores, 'databases'> & { readonly sources: Pick<Sources, 'clock'> },
  env: Readonly<Record<string, string | undefined>>,
): Promise<UsageArchives> {
  const { openObjectStorage } = await import('../platform/object-storage/open-object-storage.ts');
  const { UsageArchives: Archives } = await import('../metering/archive/usage-archives.ts');
  const storage = openObjectStorage(to, env, {
    endpoint: endpoint ?? undefined,
    region: region ?? undefined,
    ...(access_key_id !== null &&
      secret_access_key !== null && {
        credentials: { accessKeyId: access_key_id, secretAccessKey: secret_access_key },
      }),
  });
  return new Archives({
    ...{ databases, storage: () => storage, clock: sources.clock, newId: randomIds('ua_') },
    ...{ afterMs: after, keepMs: keep },
  });
}

/** Archives usage events in the background, and deletes the files of deleted tenants. */
export class UsageArchiver {
  readonly #rounds = new TenantRounds();
  #opened: { readonly settings: Settings; readonly archives: Promise<UsageArchives> } | undefined;

  constructor(
    private readonly stores: Pick<Stores, 'databases' | 'sources' | 'access' | 'tenants'>,
    private readonly config: () => Config,
    private readonly env: Readonly<Record<string, string | undefined>>,
    private readonly events: EventSink,
  ) {}

  /** Deletes the files of tenants before they are deleted themselves. */
  watchRemovals(): this {
    this.stores.tenants.beforeRemove(async (tenant) => {
      await (await this.#archives())?.remove(tenant);
    });
    return this;
  }

  /** Whether usage events are archived. */
  get isOn(): boolean {
    return this.config().storage.usage_archive !== null;
  }

  /**
   * Visits some tenants, each once in an hour; to be called every minute.
   * @throws the first error, after all of those tenants were visited
   */
  async run(): Promise<void> {
    const archives = await this.#archives();
    if (!archives) return;
    const failures: unknown[] = [];
    const tenants = homeTenants(this.stores.access, this.config().region);
    for (const tenant of this.#rounds.next(tenants.map(({ id }) => id))) {
      try {
        const { files, events } = await archives.run(tenant);
        if (files > 0) this.events.emit('usage.archived', { tenant, files, count: events });
      } catch (error) {
        failures.push(error);
      }
    }
    if (failures.length > 0) throw failures[0];
  }

  async #archives(): Promise<UsageArchives | undefined> {
    const settings = this.config().storage.usage_archive;
    if (settings === null) return undefined;
    if (this.#opened?.settings !== settings) {
      const archives = openUsageArchives(settings, this.stores, this.env);
      this.#opened = { settings, archives };
    }
    return this.#opened.archives;
  }
}
