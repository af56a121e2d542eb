import type { Kysely } from 'kysely';
import type { Clock } from '../core/clock.ts';
import type { EventSink } from '../events/event-bus.ts';
import { chainEntries, readHead } from '../storage/sql/audit-chain.ts';
import type { ControlTables } from '../storage/sql/control-tables.ts';
import type { TenantDatabases } from '../storage/sql/tenant-databases.ts';
import type { AuditAnchor } from '../tenancy/audit-checks.ts';
import { TenantRounds } from './tenant-rounds.ts';

export interface AuditAnchorsOptions {
  readonly clock: Clock;
  readonly events: EventSink;
  readonly control: Kysely<ControlTables>;
  readonly databases: TenantDatabases;
  /** Ids of the tenants that exist. */
  readonly tenants: () => readonly string[];
}

/** The trail of the platform, among those of tenants. */
const PLATFORM = '';

/**
 * Reports the heads of the audit trails, so that logs and metrics, which are kept elsewhere, prove what the trails were: a
 * trail that is written again has another head. Also chains entries of gateways with a version before the chain.
 */
export class AuditAnchors {
  readonly #rounds = new TenantRounds();
  /** The head that was reported last, by trail. */
  readonly #reported = new Map<string, AuditAnchor>();

  constructor(private readonly options: AuditAnchorsOptions) {}

  /**
   * @param tenant undefined for the platform
   * @returns the head that was reported last; undefined before the first report of this process
   */
  last(tenant: string | undefined): AuditAnchor | undefined {
    return this.#reported.get(tenant ?? PLATFORM);
  }

  /**
   * Reports the platform's trail, and those of some tenants; to be called every minute. Heads that have not changed since
   * the last report are left out.
   * @throws the first error, after all of those trails were visited
   */
  async run(): Promise<void> {
    const { control, databases, tenants } = this.options;
    const failures: unknown[] = [];
    const attempt = (work: Promise<unknown>) => work.catch((error: unknown) => failures.push(error));
    const all = tenants();
    await attempt(this.#report(PLATFORM, control));
    for (const tenant of this.#rounds.next(all)) {
      await attempt(databases.use({ tenant }, (db) => this.#report(tenant, db)));
    }
    this.#forget(new Set(all));
    if (failures.length > 0) throw failures[0];
  }

  async #report<Tables>(trail: string, db: Kysely<Tables>): Promise<void> {
    await db.transaction().execute(chainEntries);
    const { sequence, hash } = await readHead(db);
    if (sequence === 0 || this.#reported.get(trail)?.hash === hash) return;
    this.#reported.set(trail, { sequence, hash, at: this.options.clock.wallTime() });
    const tenant = trail === PLATFORM ? null : trail;
    this.options.events.emit('audit.anchored', { tenant, sequence, hash });
  }

  #forget(tenants: ReadonlySet<string>): void {
    for (const trail of this.#reported.keys()) {
      if (trail !== PLATFORM && !tenants.has(trail)) this.#reported.delete(trail);
    }
  }
}
