import type { Kysely } from 'kysely';
import type { Clock } from '../core/clock.ts';
import type { EventSink } from '../events/event-bus.ts';
import type { ControlTables } from '../storage/sql/control-tables.ts';
import type { JobQueue, LeasedJob } from './job-queue.ts';

/** What a run may use. */
export interface JobContext {
  /** Aborted when the lease is lost, the job is cancelled, or the gateway stops. */
  readonly signal: AbortSignal;
  /**
   * Settles the job as done together with a change.
   * @throws LeaseLostError when another gateway has the job: the transaction must be rolled back
   */
  finish(transaction: Kysely<ControlTables>): Promise<void>;
}

/** The end of a run: nothing for a job that is done; otherwise when to run it again, which is no failure. */
export type JobResult = { readonly retryAt: number } | undefined;

/** Runs the jobs of one kind. */
export interface JobHandler {
  readonly kind: string;
  /** Jobs that this process runs at the same time. */
  readonly concurrency: number;
  /** Runs until the job fails for good. */
  readonly maxAttempts: number;
  /** Runs a job, perhaps not for the first time. What it throws is a failed attempt. */
  run(job: LeasedJob, context: JobContext): Promise<JobResult>;
  /** Called before a job fails for good; what it throws keeps the job for another attempt. */
  failed?(job: LeasedJob, error: string): Promise<void>;
}

/** Thrown where a job is settled whose lease was lost. */
export class LeaseLostError extends Error {
  override readonly name = 'LeaseLostError';

  constructor() {
    super('another gateway has the lease of this job, or it was cancelled');
  }
}

export interface JobWorkerOptions {
  readonly queue: JobQueue;
  readonly clock: Clock;
  readonly events: EventSink;
  /** Names this process, and no other. */
  readonly owner: string;
  /** From 0 to 1. */
  readonly random: () => number;
  /** Called with the outcome of each run. */
  readonly onRun?: ((kind: string, outcome: JobOutcome) => void) | undefined;
  /** Awaited before each claim: no job runs before it has succeeded. */
  readonly prepare?: (() => void | Promise<void>) | undefined;
}

export const JOB_OUTCOMES = ['done', 'again', 'retried', 'failed', 'lost'] as const;
export type JobOutcome = (typeof JOB_OUTCOMES)[number];

/** A gateway that is killed loses its jobs to others after so long. */
const LEASE_MS = 10_000;
const RENEW_MS = 3_000;
const FIRST_PAUSE_MS = 1_000;
const LAST_PAUSE_MS = 5 * 60_000;

interface Slot {
  readonly handler: JobHandler;
  readonly running: Set<Promise<void>>;
  claiming: Promise<void> | undefined;
  again: boolean;
}

/**
 * Runs jobs of the queue: as many of each kind as its handler allows. A lease is extended while its job runs. When the
 * worker closes, jobs under way return to the queue.
 */
export class JobWorker {
  readonly #slots = new Map<string, Slot>();
  readonly #end = new AbortController();
  #isFailing = false;
  #isPaused = false;

  constructor(private readonly options: JobWorkerOptions) {
    options.queue.onWake((kind) => this.wake(kind));
  }

  get kinds(): readonly string[] {
    return [...this.#slots.keys()];
  }

  /** Adds a handler; before the first `wake`. */
  register(handler: JobHandler): void {
    this.#slots.set(handler.kind, { handler, running: new Set(), claiming: undefined, again: false });
  }

  /** Looks for jobs, in the background; to be called once a second, too. @param kind all kinds when absent */
  wake(kind?: string): void {
    if (this.#end.signal.aborted || this.#isPaused) return;
    for (const slot of this.#slots.values()) {
      if (kind !== undefined && slot.handler.kind !== kind) continue;
      slot.again = true;
      slot.claiming ??= this.#claim(slot).finally(() => {
        slot.claiming = undefined;
      });
    }
  }

  /** Starts no further job. */
  pause(): void {
    this.#isPaused = true;
  }

  /** Resolves when nothing runs. */
  async idle(): Promise<void> {
    const work = () =>
      [...this.#slots.values()].flatMap(({ claiming, running }) => [
        ...(claiming ? [claiming] : []),
        ...running,
      ]);
    for (let some = work(); some.length > 0; some = work()) await Promise.all(some);
  }

  /** Aborts the runs under way, whose jobs return to the queue, and ends. */
  async close(): Promise<void> {
    this.#end.abort(new Error('the gateway stops'));
    await this.idle();
  }

  /** Never rejects. */
  async #claim(slot: Slot): Promise<void> {
    const { queue, owner, prepare } = this.options;
    const { handler, running } = slot;
    while (slot.again && !this.#end.signal.aborted && !this.#isPaused) {
      slot.again = false;
      const limit = handler.concurrency - running.size;
      if (limit <= 0) return;
      try {
        await prepare?.();
        const jobs = await queue.claim({ kind: handler.kind, owner, limit, leaseMs: LEASE_MS });
        for (const job of jobs) this.#start(slot, job);
        this.#isFailing = false;
      } catch (error) {
        this.#failed(error);
      }
    }
  }

  #start(slot: Slot, job: LeasedJob): void {
    const running = this.#run(slot.handler, job)
      .catch((error: unknown) => this.#failed(error))
      .finally(() => {
        slot.running.delete(running);
        this.wake(slot.handler.kind);
      });
    slot.running.add(running);
  }

  async #run(handler: JobHandler, job: LeasedJob): Promise<void> {
    const { queue, clock } = this.options;
    if (job.attempt > handler.maxAttempts) {
      await this.#giveUp(handler, job, job.error ?? 'The process that ran it ended each time.');
      return;
    }
    const lost = new AbortController();
    const renewal = new AbortController();
    const renew = async () => {
      while (!renewal.signal.aborted) {
        await clock.sleep(RENEW_MS, renewal.signal);
        if (!(await queue.extend(job, LEASE_MS))) {
          lost.abort(new LeaseLostError());
          return;
        }
      }
    };
    renew().catch((error: unknown) => {
      // An unreachable database: the lease may be lost, which `finish` decides.
      if (!renewal.signal.aborted) this.#failed(error);
    });
    let isFinished = false;
    const context: JobContext = {
      signal: AbortSignal.any([lost.signal, this.#end.signal]),
      finish: async (transaction) => {
        if (!(await queue.finish(job, transaction))) throw new LeaseLostError();
        isFinished = true;
      },
    };
    try {
      const result = await handler.run(job, context);
      if (result) await this.#settle(handler, 'again', queue.retry(job, result.retryAt, null));
      else if (isFinished) this.options.onRun?.(handler.kind, 'done');
      else await this.#settle(handler, 'done', queue.finish(job));
    } catch (error) {
      if (lost.signal.aborted || error instanceof LeaseLostError) this.options.onRun?.(handler.kind, 'lost');
      else if (this.#end.signal.aborted) await queue.retry(job, clock.wallTime(), null);
      else await this.#retry(handler, job, error);
    } finally {
      renewal.abort();
    }
  }

  async #settle(handler: JobHandler, outcome: JobOutcome, settled: Promise<boolean>): Promise<void> {
    this.options.onRun?.(handler.kind, (await settled) ? outcome : 'lost');
  }

  async #retry(handler: JobHandler, job: LeasedJob, error: unknown): Promise<void> {
    const { queue, clock, random } = this.options;
    const reason = error instanceof Error ? error.message : String(error);
    if (job.attempt >= handler.maxAttempts) {
      await this.#giveUp(handler, job, reason);
      return;
    }
    const pause = Math.min(LAST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** Math.min(job.attempt - 1, 20));
    const dueAt = clock.wallTime() + Math.round(pause * (0.8 + 0.4 * random()));
    await this.#settle(handler, 'retried', queue.retry(job, dueAt, reason));
  }

  async #giveUp(handler: JobHandler, job: LeasedJob, reason: string): Promise<void> {
    const { queue, events } = this.options;
    await handler.failed?.(job, reason);
    await this.#settle(handler, 'failed', queue.fail(job, reason));
    events.emit('queued_job.failed', { kind: job.kind, job: job.id, tenant: job.tenant, error: reason });
  }

  /** Reported once for each run of failures. */
  #failed(error: unknown): void {
    if (!this.#isFailing) {
      const impact = 'queued jobs wait in the database';
      this.options.events.emit('job.failed', { job: 'run queued jobs', impact, error });
    }
    this.#isFailing = true;
  }
}
