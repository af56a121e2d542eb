import { Worker } from 'node:worker_threads';
import type { PeriodCountUpdate } from '../storage/sql/store-period-counts.ts';
import type { Placement } from '../storage/sql/tenant-databases.ts';
import type { UsageReport, UsageSegment } from './usage-writer.ts';

/** A server with tenants' databases, as the thread opens it. */
export type UsageServerSettings =
  | { readonly kind: 'sqlite'; readonly folder: string; readonly maxOpen: number }
  | { readonly kind: 'postgres'; readonly url: string; readonly maxOpen: number };

/** The data that the thread starts with. */
export interface UsageThreadSettings {
  readonly servers: ReadonlyMap<string, UsageServerSettings>;
}

/** A call of one of the thread's functions. */
export type ThreadCall =
  | { readonly type: 'write'; readonly segments: readonly UsageSegment[] }
  | { readonly type: 'counts'; readonly update: PeriodCountUpdate }
  | { readonly type: 'forget'; readonly placement: Placement }
  | { readonly type: 'close' };

/** A message to the thread. */
export type ToUsageThread =
  | { readonly type: 'call'; readonly id: number; readonly call: ThreadCall }
  | { readonly type: 'placements'; readonly id: number; readonly placements: ReadonlyMap<string, Placement> };

/** A message from the thread. */
export type FromUsageThread =
  | { readonly type: 'result'; readonly id: number; readonly report: UsageReport | undefined }
  | { readonly type: 'error'; readonly id: number; readonly message: string }
  | { readonly type: 'tenants'; readonly id: number; readonly tenants: readonly string[] };

/** The thread, as `UsageThread` sees it. */
export interface RunningThread {
  send(message: ToUsageThread): void;
}

/** Receives events of the thread. */
export interface UsageThreadListener {
  onMessage(message: FromUsageThread): void;
  /** The thread has ended by a fault. */
  onFailed(error: Error): void;
}

export interface UsageThreadOptions {
  readonly settings: UsageThreadSettings;
  /** @returns undefined for a tenant that does not exist */
  readonly placementOf: (tenant: string) => Placement | undefined;
  /** Called with the first error of a call, and the database that it is of. */
  readonly onFailure?: (placement: Placement, error: Error) => void;
  /** Starts the thread; injected for tests. */
  readonly start?: (settings: UsageThreadSettings, listener: UsageThreadListener) => RunningThread;
}

/**
 * Stores usage in a thread of its own, so that no request waits for a commit. It starts with the first call; a thread
 * that has failed is replaced at the next one.
 */
export class UsageThread implements UsageThreadListener {
  #thread: RunningThread | undefined;
  #next = 0;
  readonly #waiting = new Map<number, PromiseWithResolvers<UsageReport | undefined>>();

  constructor(private readonly options: UsageThreadOptions) {}

  /** @throws Error when the thread fails, or a segment cannot be read; a retry counts each event once */
  async write(segments: readonly UsageSegment[]): Promise<UsageReport> {
    const report = await this.#call({ type: 'write', segments });
    if (!report) throw new Error('the usage thread returned no report');
    const { failure } = report;
    if (failure?.placement) {
      const error = Object.assign(new Error(failure.message), { code: failure.code });
      this.options.onFailure?.(failure.placement, error);
    }
    return report;
  }

  /** Saves the use of quotas and budgets in the control database. @throws Error when that or the thread fails */
  async saveCounts(update: PeriodCountUpdate): Promise<void> {
    await this.#call({ type: 'counts', update });
  }

  /** Closes a database in the thread, before it is deleted. */
  async forget(placement: Placement): Promise<void> {
    if (this.#thread) await this.#call({ type: 'forget', placement });
  }

  /** Closes all databases and ends the thread. */
  async close(): Promise<void> {
    if (this.#thread) await this.#call({ type: 'close' });
    this.#thread = undefined;
  }

  onMessage(message: FromUsageThread): void {
    if (message.type === 'tenants') {
      const { placementOf } = this.options;
      const found = message.tenants.flatMap((tenant) => {
        const placement = placementOf(tenant);
        return placement ? [[tenant, placement] as const] : [];
      });
      this.#thread?.send({ type: 'placements', id: message.id, placements: new Map(found) });
      return;
    }
    const waiting = this.#waiting.get(message.id);
    this.#waiting.delete(message.id);
    if (message.type === 'error') waiting?.reject(new Error(message.message));
    else waiting?.resolve(message.report);
  }

  onFailed(error: Error): void {
    // The next call starts another thread.
    this.#thread = undefined;
    const all = [...this.#waiting.values()];
    this.#waiting.clear();
    for (const one of all)
      one.reject(new Error(`the usage thread failed: ${error.message}`, { cause: error }));
  }

  #call(call: ThreadCall): Promise<UsageReport | undefined> {
    const { settings, start = startThread } = this.options;
    this.#thread ??= start(settings, this);
    this.#next += 1;
    const waiting = Promise.withResolvers<UsageReport | undefined>();
    this.#waiting.set(this.#next, waiting);
    this.#thread.send({ type: 'call', id: this.#next, call });
    return waiting.promise;
  }
}

function startThread(workerData: UsageThreadSettings, listener: UsageThreadListener): RunningThread {
  const worker = new Worker(new URL('./usage-worker.ts', import.meta.url), { workerData });
  // The thread does not keep the process alive: `close` waits for it.
  worker.unref();
  worker.on('message', (message: FromUsageThread) => listener.onMessage(message));
  worker.on('error', (error: Error) => listener.onFailed(error));
  return { send: (message) => worker.postMessage(message) };
}
