import { codeOf } from '../storage/disk-errors.ts';
import { CONTROL_DATABASE } from '../storage/sql/database-server.ts';
import { type PeriodCountUpdate, storePeriodCounts } from '../storage/sql/store-period-counts.ts';
import { storeUsage } from '../storage/sql/store-usage.ts';
import type { Placement } from '../storage/sql/tenant-databases.ts';
import type { UsageDatabases } from '../storage/sql/usage-databases.ts';
import { readBatches, type UsageBatch } from '../storage/usage-batch.ts';
import { batchIdOf, readJournalFile } from './journal-files.ts';
import { requestEvents } from './request-events.ts';

/** A closed file of the journal. */
export interface UsageSegment {
  readonly name: string;
  readonly path: string;
  /** Its text, where the disk did not take it; undefined when the file has it. */
  readonly unsaved: string | undefined;
}

export interface UsageReport {
  /** Names of the segments of which every event is stored or dropped. */
  readonly stored: readonly string[];
  /** Number of transactions. */
  readonly transactions: number;
  /** Events of tenants that do not exist. */
  readonly dropped: readonly { readonly tenant: string; readonly count: number }[];
  /** Tenants for which durable events were stored. */
  readonly reported?: readonly string[];
  /** Lines that are no events, at most 100. */
  readonly damaged: readonly { readonly file: string; readonly line: string }[];
  /** Why some events are not stored; undefined when all are. */
  readonly failure: UsageFailure | undefined;
}

export interface UsageFailure {
  /** Number of tenants whose events are not stored. */
  readonly tenants: number;
  /** Of the first error, with its code where it has one. */
  readonly message: string;
  readonly code: string | undefined;
  /** The database that failed first. */
  readonly placement: Placement | undefined;
}

export interface UsageWriterOptions {
  /** By id; the default one has the id ''. */
  readonly servers: ReadonlyMap<string, UsageDatabases>;
  /** @returns the places of the tenants that exist */
  readonly placementsOf: (tenants: readonly string[]) => Promise<ReadonlyMap<string, Placement>>;
  /** @returns true when a whole server is unreachable, not only one database */
  readonly isServerLost: (error: unknown) => boolean;
}

/** Events in memory at once, unless one file has more. */
const MAX_EVENTS = 30_000;
/** Events of one transaction, unless one file has more: other writers of the database wait for its end. */
const MAX_EVENTS_PER_TRANSACTION = 2_000;
const MAX_DAMAGED = 100;

/** Some segments, by tenant. */
interface Chunk {
  readonly names: readonly string[];
  readonly byTenant: ReadonlyMap<string, TenantPart>;
}

/** The events of one tenant: a batch from each segment that has some. */
interface TenantPart {
  readonly names: string[];
  readonly batches: UsageBatch[];
}

/** What is being reported. */
class Progress {
  readonly stored: string[] = [];
  readonly dropped: { tenant: string; count: number }[] = [];
  readonly damaged: { file: string; line: string }[] = [];
  readonly failed = new Set<string>();
  readonly reported = new Set<string>();
  /** Servers that were unreachable: none is tried for each of its tenants, which could take minutes. */
  readonly lost = new Set<string>();
  transactions = 0;
  first: { readonly error: unknown; readonly placement: Placement } | undefined;

  get report(): UsageReport {
    const { stored, dropped, damaged, transactions, failed, reported, first } = this;
    const message = first?.error instanceof Error ? first.error.message : String(first?.error);
    const failure = { message, code: codeOf(first?.error), placement: first?.placement };
    return {
      ...{ stored, dropped, damaged, transactions, reported: [...reported] },
      failure: failed.size > 0 ? { tenants: failed.size, ...failure } : undefined,
    };
  }
}

/**
 * Stores journal files in the tenants' databases: one transaction for each tenant, whatever the number of files. Runs in
 * a thread of its own.
 */
export class UsageWriter {
  /** Tenants whose events are stored, of segments with others that are not. */
  readonly #partly = new Map<string, Set<string>>();

  constructor(private readonly options: UsageWriterOptions) {}

  /** Never rejects for a database that fails; a retry of a segment counts its events once. */
  async write(segments: readonly UsageSegment[]): Promise<UsageReport> {
    const progress = new Progress();
    let waiting: UsageSegment[] = [...segments];
    while (waiting.length > 0) {
      const { chunk, rest } = this.#read(waiting, progress);
      waiting = rest;
      await this.#store(chunk, progress);
    }
    return progress.report;
  }

  /** Saves the use of quotas and budgets. @throws the database's error */
  async saveCounts(update: PeriodCountUpdate): Promise<void> {
    await this.options.servers
      .get('')
      ?.use(CONTROL_DATABASE, (database) => storePeriodCounts(database, update));
  }

  async close(): Promise<void> {
    for (const server of this.options.servers.values()) await server.close();
  }

  /** Closes a database that is about to be deleted. */
  async forget({ server, database }: Placement): Promise<void> {
    await this.options.servers.get(server)?.forget(database);
  }

  #read(segments: readonly UsageSegment[], { damaged }: Progress): { chunk: Chunk; rest: UsageSegment[] } {
    const byTenant = new Map<string, TenantPart>();
    const names: string[] = [];
    let count = 0;
    for (const { name, path, unsaved } of segments) {
      if (count >= MAX_EVENTS) break;
      names.push(name);
      const done = this.#partly.get(name);
      const batches = readBatches(batchIdOf(name), unsaved ?? readJournalFile(path), (line) => {
        if (damaged.length < MAX_DAMAGED) damaged.push({ file: name, line: line.slice(0, 100) });
      });
      for (const [tenant, batch] of batches) {
        if (done?.has(tenant)) continue;
        count += batch.events.length;
        const part = byTenant.get(tenant) ?? { names: [], batches: [] };
        byTenant.set(tenant, part);
        part.names.push(name);
        part.batches.push(batch);
      }
    }
    return { chunk: { names, byTenant }, rest: segments.slice(names.length) };
  }

  async #store({ names, byTenant }: Chunk, progress: Progress): Promise<void> {
    const placements = await this.options.placementsOf([...byTenant.keys()]);
    const byServer = new Map<string, { tenant: string; database: string }[]>();
    for (const [tenant, { batches }] of byTenant) {
      const placement = placements.get(tenant);
      if (!placement) {
        const count = batches.reduce((sum, { events }) => sum + events.length, 0);
        progress.dropped.push({ tenant, count });
        continue;
      }
      const { server, database } = placement;
      const there = byServer.get(server) ?? [];
      byServer.set(server, there);
      there.push({ tenant, database });
    }
    await Promise.all(
      Array.from(byServer, async ([server, tenants]) => {
        const next = tenants.values();
        const worker = async () => {
          for (const { tenant, database } of next) {
            await this.#storeTenant(server, database, tenant, byTenant.get(tenant)?.batches ?? [], progress);
          }
        };
        const atOnce = this.options.servers.get(server)?.atOnce ?? 1;
        await Promise.all(Array.from({ length: atOnce }, worker));
      }),
    );
    this.#note(names, byTenant, progress);
  }

  async #storeTenant(
    server: string,
    database: string,
    tenant: string,
    batches: readonly UsageBatch[],
    progress: Progress,
  ): Promise<void> {
    if (progress.lost.has(server)) {
      progress.failed.add(tenant);
      return;
    }
    try {
      const databases = this.options.servers.get(server);
      if (!databases) throw new Error(`the database server "${server}" is not configured (storage.servers)`);
      await databases.use(database, async (db) => {
        for (const some of transactionsOf(batches)) {
          progress.transactions += 1;
          if ((await storeUsage(db, some, requestEvents)) > 0) progress.reported.add(tenant);
        }
      });
    } catch (error) {
      progress.failed.add(tenant);
      progress.first ??= { error, placement: { server, database } };
      if (this.options.isServerLost(error)) progress.lost.add(server);
    }
  }

  /** Notes which segments are stored, and of the others the tenants that are. */
  #note(names: readonly string[], byTenant: Chunk['byTenant'], { failed, stored }: Progress): void {
    const incomplete = new Map<string, Set<string>>();
    for (const [tenant, part] of byTenant) {
      if (!failed.has(tenant)) continue;
      for (const name of part.names) incomplete.set(name, this.#partly.get(name) ?? new Set());
    }
    for (const [tenant, part] of byTenant) {
      if (failed.has(tenant)) continue;
      for (const name of part.names) incomplete.get(name)?.add(tenant);
    }
    for (const name of names) {
      const done = incomplete.get(name);
      if (done) {
        this.#partly.set(name, done);
      } else {
        this.#partly.delete(name);
        stored.push(name);
      }
    }
  }
}

/** @returns groups of batches, each for one transaction */
function transactionsOf(batches: readonly UsageBatch[]): UsageBatch[][] {
  const groups: UsageBatch[][] = [];
  let count = Number.POSITIVE_INFINITY;
  for (const batch of batches) {
    if (count + batch.events.length > MAX_EVENTS_PER_TRANSACTION) {
      groups.push([]);
      count = 0;
    }
    groups.at(-1)?.push(batch);
    count += batch.events.length;
  }
  return groups;
}
