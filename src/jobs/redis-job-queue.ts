import type { Kysely } from 'kysely';
import { listOf } from '../core/json.ts';
import { fieldsOf, type RedisClient } from '../platform/redis-client.ts';
import type { ControlTables } from '../storage/sql/control-tables.ts';
import type { ClaimOptions, JobLease, JobQueue, LeasedJob, NewJob } from './job-queue.ts';

export interface RedisJobQueueOptions {
  /** Owns the jobs. */
  readonly queue: JobQueue;
  /** Opens the connection for commands. */
  readonly connect: () => Promise<RedisClient>;
  /** Opens a connection of its own for reads that wait, whose time limit is longer than `BLOCK_MS`. */
  readonly connectBlocking: () => Promise<RedisClient>;
  /** Of the keys: `<prefix>:jobs:<kind>` and `<prefix>:failed-jobs`. */
  readonly prefix: string;
  /** Names this process, and no other. */
  readonly owner: string;
  /** Monotonic milliseconds. */
  readonly now: () => number;
  /** Waits after a failure. */
  readonly sleep: (ms: number, signal: AbortSignal) => Promise<void>;
}

const GROUP = 'weir';
/** How long a read waits for notices. */
export const BLOCK_MS = 2_000;
/** A notice that its reader did not acknowledge for so long is taken from it. */
const CLAIM_IDLE_MS = 10_000;
/** Notices of one wake: each wakes one gateway, which then claims as many jobs as it has places. */
const MAX_NOTICES = 32;
const STREAM_LENGTH = 1_000;
const FAILED_LENGTH = 10_000;
const RETRY_MS = 1_000;
const HOUR_MS = 3_600_000;

/**
 * The job queue with Redis Streams: a notice in a stream wakes a gateway at once, where it would otherwise look once a
 * second. Consumer groups give a notice to one gateway, and another one takes it when that gateway is gone. The jobs stay in
 * the database, which decides who runs what: a Redis that is unreachable or loses its data costs up to a second.
 */
export class RedisJobQueue implements JobQueue {
  readonly #end = new AbortController();
  /** Notices that were read, and are acknowledged after the next claim; by kind. */
  readonly #read = new Map<string, Set<string>>();
  readonly #added = new Map<string, number>();
  #onWake: ((kind: string) => void) | undefined;
  #listening: Promise<unknown> | undefined;
  #blocking: RedisClient | undefined;

  constructor(private readonly options: RedisJobQueueOptions) {}

  async add(jobs: readonly NewJob[], transaction?: Kysely<ControlTables>): Promise<void> {
    await this.options.queue.add(jobs, transaction);
    for (const { kind } of jobs) this.#added.set(kind, (this.#added.get(kind) ?? 0) + 1);
  }

  wake(kind: string): void {
    this.#onWake?.(kind);
    const notices = Math.min(this.#added.get(kind) ?? 0, MAX_NOTICES);
    this.#added.delete(kind);
    // Without Redis, gateways find the jobs within a second.
    this.#notify(kind, Math.max(1, notices)).catch(() => undefined);
  }

  onWake(listener: (kind: string) => void): void {
    this.#onWake = listener;
    this.options.queue.onWake(listener);
  }

  /** Receives notices of these kinds until `close`. */
  listen(kinds: readonly string[]): void {
    this.#listening ??= this.#listen(kinds).catch(() => undefined);
  }

  async claim(options: ClaimOptions): Promise<LeasedJob[]> {
    const notices = [...(this.#read.get(options.kind) ?? [])];
    this.#read.delete(options.kind);
    const leased = await this.options.queue.claim(options);
    // From here on, the leases of the database say who runs the jobs.
    if (notices.length > 0) await this.#acknowledge(options.kind, notices).catch(() => undefined);
    return leased;
  }

  extend(lease: JobLease, ms: number): Promise<boolean> {
    return this.options.queue.extend(lease, ms);
  }

  finish(lease: JobLease, transaction?: Kysely<ControlTables>): Promise<boolean> {
    return this.options.queue.finish(lease, transaction);
  }

  retry(lease: JobLease, dueAt: number, error: string | null): Promise<boolean> {
    return this.options.queue.retry(lease, dueAt, error);
  }

  async fail(lease: JobLease, error: string): Promise<boolean> {
    const failed = await this.options.queue.fail(lease, error);
    if (failed) await this.#addFailed(lease.id, error).catch(() => undefined);
    return failed;
  }

  cancel(ids: readonly string[]): Promise<number> {
    return this.options.queue.cancel(ids);
  }

  isRunning(prefix: string, except: string): Promise<boolean> {
    return this.options.queue.isRunning(prefix, except);
  }

  failed(limit: number) {
    return this.options.queue.failed(limit);
  }

  requeue(id: string): Promise<boolean> {
    return this.options.queue.requeue(id);
  }

  counts() {
    return this.options.queue.counts();
  }

  async deleteOld(): Promise<void> {
    await this.options.queue.deleteOld();
    for (const kind of this.#kinds) await this.#deleteConsumers(kind).catch(() => undefined);
  }

  /** Stops listening. */
  async close(): Promise<void> {
    this.#end.abort(new Error('the gateway stops'));
    this.#blocking?.disconnect();
    await this.#listening;
  }

  #kinds: readonly string[] = [];

  #key(kind: string): string {
    return `${this.options.prefix}:jobs:${kind}`;
  }

  async #notify(kind: string, count: number): Promise<void> {
    const client = await this.options.connect();
    for (let at = 0; at < count; at += 1) {
      await client.call('XADD', [this.#key(kind), 'MAXLEN', '~', String(STREAM_LENGTH), '*', 'kind', kind]);
    }
  }

  async #acknowledge(kind: string, ids: readonly string[]): Promise<void> {
    const client = await this.options.connect();
    await client.call('XACK', [this.#key(kind), GROUP, ...ids]);
    await client.call('XDEL', [this.#key(kind), ...ids]);
  }

  async #addFailed(id: string, error: string): Promise<void> {
    const client = await this.options.connect();
    const key = `${this.options.prefix}:failed-jobs`;
    await client.call('XADD', [
      ...[key, 'MAXLEN', '~', String(FAILED_LENGTH), '*', 'id', id, 'error', error.slice(0, 500)],
    ]);
  }

  async #listen(kinds: readonly string[]): Promise<void> {
    this.#kinds = kinds;
    const { signal } = this.#end;
    let hasGroups = false;
    while (!signal.aborted) {
      try {
        this.#blocking ??= await this.options.connectBlocking();
        if (!hasGroups) await this.#createGroups(this.#blocking);
        hasGroups = true;
        const startedAt = this.options.now();
        const count = await this.#readNotices(this.#blocking);
        // A server or proxy that does not wait would be asked without a pause.
        const hasWaited = this.options.now() - startedAt >= BLOCK_MS / 4;
        if (count === 0 && !hasWaited) await this.options.sleep(RETRY_MS, signal);
      } catch {
        if (signal.aborted) return;
        // Also after Redis lost its data, and with it the groups.
        hasGroups = false;
        await this.options.sleep(RETRY_MS, signal).catch(() => undefined);
      }
    }
  }

  async #createGroups(client: RedisClient): Promise<void> {
    for (const kind of this.#kinds) {
      try {
        await client.call('XGROUP', ['CREATE', this.#key(kind), GROUP, '0', 'MKSTREAM']);
      } catch (error) {
        if (!(error instanceof Error) || !/BUSYGROUP/i.test(error.message)) throw error;
      }
    }
  }

  /** @returns how many there were */
  async #readNotices(client: RedisClient): Promise<number> {
    const { owner } = this.options;
    let count = 0;
    for (const kind of this.#kinds) {
      const [, entries] = listOf(
        await client.call('XAUTOCLAIM', [
          ...[this.#key(kind), GROUP, owner, String(CLAIM_IDLE_MS), '0', 'COUNT', '100'],
        ]),
      );
      count += this.#received(kind, idsOf(entries));
    }
    // One stream at a time would wait for each: a cluster rejects several keys, so kinds take turns there.
    for (const kind of this.#kinds) {
      const wait = String(Math.max(1, Math.floor(BLOCK_MS / this.#kinds.length)));
      const reply = await client.call('XREADGROUP', [
        ...['GROUP', GROUP, owner, 'COUNT', '1', 'BLOCK', wait, 'STREAMS', this.#key(kind), '>'],
      ]);
      for (const [, entries] of streamsOf(reply)) count += this.#received(kind, idsOf(entries));
    }
    return count;
  }

  #received(kind: string, ids: readonly string[]): number {
    if (ids.length === 0) return 0;
    const read = this.#read.get(kind) ?? new Set();
    // While this gateway claims no job of the kind, it is given the same ones again.
    for (const id of ids) read.add(id);
    this.#read.set(kind, read);
    this.#onWake?.(kind);
    return ids.length;
  }

  /** Each start gives a process a new name. */
  async #deleteConsumers(kind: string): Promise<void> {
    const client = await this.options.connect();
    const consumers = listOf(await client.call('XINFO', ['CONSUMERS', this.#key(kind), GROUP]));
    for (const consumer of consumers) {
      const fields = new Map(fieldsOf(consumer));
      if (Number(fields.get('idle')) > HOUR_MS && Number(fields.get('pending')) === 0) {
        await client.call('XGROUP', ['DELCONSUMER', this.#key(kind), GROUP, fields.get('name') ?? '']);
      }
    }
  }
}

/** The streams of a reply of XREADGROUP, which is a map in version 3 of the protocol. */
function streamsOf(reply: unknown): [key: string, entries: unknown][] {
  if (reply === null || reply === undefined) return [];
  if (!Array.isArray(reply)) return Object.entries(reply);
  return reply.map((stream) => {
    const [key, entries] = listOf(stream);
    return [String(key), entries];
  });
}

function idsOf(entries: unknown): string[] {
  return listOf(entries).map((entry) => String(listOf(entry)[0]));
}
