import type { Kysely, QueryExecutorProvider } from 'kysely';
import type { Clock } from '../core/clock.ts';
import { GatewayError } from '../core/errors.ts';
import { type AuditHead, readHead, readStart } from '../storage/sql/audit-chain.ts';
import { type AuditFault, verifyTrail } from '../storage/sql/audit-verification.ts';
import type { ControlTables } from '../storage/sql/control-tables.ts';
import type { TenantDatabases } from '../storage/sql/tenant-databases.ts';

/** A head that was reported, so that it is also in the log. */
export interface AuditAnchor extends AuditHead {
  /** Unix milliseconds. */
  readonly at: number;
}

/** A verification of a trail. Times are Unix milliseconds. */
export interface AuditCheck {
  readonly status: 'waiting' | 'running' | 'valid' | 'broken' | 'failed';
  readonly startedAt: number;
  readonly finishedAt: number | undefined;
  /** Number of entries that were read so far. */
  readonly entries: number;
  /** Sequence of the last entry that was read. */
  readonly verifiedTo: number;
  readonly faults: readonly AuditFault[];
  /** Why it has failed. */
  readonly error: string | undefined;
}

export interface AuditChainState {
  /** The place after which the chain begins; earlier entries were deleted by retention. */
  readonly start: AuditHead;
  readonly head: AuditHead;
  /** The last head that this process reported. */
  readonly anchor: AuditAnchor | undefined;
  /** The last verification by this process. */
  readonly check: AuditCheck | undefined;
}

export interface AuditChecksOptions {
  readonly clock: Clock;
  readonly control: Kysely<ControlTables>;
  readonly databases: Pick<TenantDatabases, 'use'>;
  /** @param trail id of a tenant; undefined for the platform */
  readonly anchorOf: (trail: string | undefined) => AuditAnchor | undefined;
  /** Resolves in a later turn of the event loop. */
  readonly nextTurn: () => Promise<void>;
}

/** Trails whose last result is kept, and those that may wait. */
const MAX_RESULTS = 200;
const MAX_WAITING = 20;
/** Name of the platform's trail; no tenant has it. */
const PLATFORM = '';

/**
 * Verifies audit trails on request, one trail at a time and a page of entries at a time. Between pages it waits as long as
 * the page took, so that a long trail never takes more than half of the time from requests.
 */
export class AuditChecks {
  readonly #checks = new Map<string, AuditCheck>();
  #queue: Promise<void> = Promise.resolve();

  constructor(private readonly options: AuditChecksOptions) {}

  /**
   * Reads the ends of a trail, without verifying it.
   * @param tenant undefined for the platform
   * @throws the database's error
   */
  async state(tenant: string | undefined): Promise<AuditChainState> {
    const [start, head] = await this.#read(tenant, (db) => Promise.all([readStart(db), readHead(db)]));
    const check = this.#checks.get(tenant ?? PLATFORM);
    return { start, head, anchor: this.options.anchorOf(tenant), check };
  }

  /**
   * Begins to verify a trail, unless that runs already; `state` has the result.
   * @param tenant undefined for the platform
   * @throws GatewayError `conflict` while too many trails wait
   */
  begin(tenant: string | undefined): void {
    const trail = tenant ?? PLATFORM;
    const pending = [...this.#checks.values()].filter(isPending).length;
    const present = this.#checks.get(trail);
    if (present && isPending(present)) return;
    if (pending >= MAX_WAITING) {
      throw new GatewayError(
        'conflict',
        `${pending} audit trails wait for verification. Repeat the request in a minute.`,
      );
    }
    this.#set(trail, {
      ...{ status: 'waiting', startedAt: this.options.clock.wallTime(), finishedAt: undefined },
      ...{ entries: 0, verifiedTo: 0, faults: [], error: undefined },
    });
    this.#queue = this.#queue.then(() => this.#run(tenant, trail));
  }

  async #run(tenant: string | undefined, trail: string): Promise<void> {
    const { clock, nextTurn, anchorOf } = this.options;
    let pageStarted = clock.now();
    const afterPage = async (entries: number, verifiedTo: number) => {
      const until = 2 * clock.now() - pageStarted;
      this.#update(trail, { entries, verifiedTo });
      do await nextTurn();
      while (clock.now() < until);
      pageStarted = clock.now();
    };
    this.#update(trail, { status: 'running' });
    try {
      const { entries, end, faults } = await this.#read(tenant, (db) =>
        verifyTrail(db, anchorOf(tenant), afterPage),
      );
      const status = faults.length === 0 ? 'valid' : 'broken';
      this.#update(trail, { status, entries, verifiedTo: end.sequence, faults });
    } catch (error) {
      this.#update(trail, {
        status: 'failed',
        error: error instanceof Error ? error.message : String(error),
      });
    }
    this.#update(trail, { finishedAt: clock.wallTime() });
  }

  #read<T>(tenant: string | undefined, work: (db: QueryExecutorProvider) => Promise<T>): Promise<T> {
    const { control, databases } = this.options;
    return tenant === undefined ? work(control) : databases.use({ tenant }, work);
  }

  #update(trail: string, change: Partial<AuditCheck>): void {
    const present = this.#checks.get(trail);
    if (present) this.#checks.set(trail, { ...present, ...change });
  }

  #set(trail: string, check: AuditCheck): void {
    this.#checks.delete(trail);
    this.#checks.set(trail, check);
    for (const [name, { status }] of this.#checks) {
      if (this.#checks.size <= MAX_RESULTS) return;
      if (status !== 'waiting' && status !== 'running') this.#checks.delete(name);
    }
  }
}

const isPending = ({ status }: AuditCheck) => status === 'waiting' || status === 'running';
