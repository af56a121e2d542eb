import type { Billing } from '../billing/services.ts';
import type { Config } from '../config/schema.ts';
import { lazy } from '../core/lazy.ts';
import type { EventConsumer } from '../events/event-dispatcher.ts';
import { dataOf } from '../events/stored-event.ts';
import { homeTenants, SYSTEM_ACTOR } from './first-start.ts';
import type { Stores } from './stores.ts';
import { TenantRounds } from './tenant-rounds.ts';

/** Runs between two looks for overdue invoices: about an hour. */
const RUNS_PER_OVERDUE = 60;

/** Billing, loaded with its first use: starts do not wait for it. */
export class LazyBilling {
  readonly #rounds = new TenantRounds();
  #runs = 0;
  /** @returns the services */
  readonly load: () => Billing | Promise<Billing>;

  constructor(
    private readonly stores: Pick<
      Stores,
      'control' | 'databases' | 'sources' | 'outbox' | 'tenants' | 'access'
    >,
    private readonly config: () => Config,
  ) {
    this.load = lazy(async () => (await import('./billing.ts')).createBilling(stores, config));
    stores.tenants.beforeRemove(async (tenant, by) => {
      // Its usage goes with it.
      if (config().billing.close !== 'off') await (await this.load()).automatic.final(tenant, by);
    });
  }

  /** Receives events of issued documents, and sends them by mail: at least once. */
  readonly consumer: EventConsumer = {
    name: 'invoice mail',
    accepts: (type) => type === 'invoice.issued' || type === 'credit_note.issued',
    deliver: async (events) => {
      const { mail } = await this.load();
      for (const event of events) {
        const id =
          dataOf(event, 'credit_note.issued')?.credit_note ?? dataOf(event, 'invoice.issued')?.invoice;
        if (id !== undefined && !event.isTest) await mail.sendOnce(id, SYSTEM_ACTOR);
      }
    },
  };

  /**
   * Closes the last month of some tenants; to be called every minute.
   * @throws the first error, after all of those tenants were visited
   */
  async run(): Promise<void> {
    const { close, issuer } = this.config().billing;
    this.#runs += 1;
    const looksForOverdue = issuer !== null && this.#runs % RUNS_PER_OVERDUE === 1;
    if (close === 'off' && !looksForOverdue) return;
    const { automatic } = await this.load();
    if (looksForOverdue) await automatic.reportOverdue();
    if (close === 'off') return;
    const failures: unknown[] = [];
    const tenants = homeTenants(this.stores.access, this.config().region);
    for (const tenant of this.#rounds.next(tenants.map(({ id }) => id))) {
      await automatic.visit(tenant, SYSTEM_ACTOR).catch((error: unknown) => failures.push(error));
    }
    if (failures.length > 0) throw failures[0];
  }
}
