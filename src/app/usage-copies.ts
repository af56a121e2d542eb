import { copyUsageDays } from '../storage/sql/usage-copies.ts';
import { homeTenants } from './first-start.ts';
import type { Stores } from './stores.ts';
import { TenantRounds } from './tenant-rounds.ts';

/** Copies daily sums of tenants to the control database, for reports of all tenants. */
export class UsageCopies {
  readonly #rounds = new TenantRounds();

  /** @param region of this gateway; null for none */
  constructor(
    private readonly stores: Pick<Stores, 'control' | 'databases' | 'access'>,
    private readonly region: string | null = null,
  ) {}

  /**
   * Visits some tenants, each once in an hour; to be called every minute.
   * @throws the first error, after all of those tenants were visited
   */
  async run(): Promise<void> {
    const { control, databases, access } = this.stores;
    const failures: unknown[] = [];
    const tenants = homeTenants(access, this.region);
    for (const tenant of this.#rounds.next(tenants.map(({ id }) => id))) {
      await copyUsageDays(control, databases, tenant).catch((error: unknown) => failures.push(error));
    }
    if (failures.length > 0) throw failures[0];
  }
}
