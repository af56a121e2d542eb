import type { Clock } from '../../core/clock.ts';
import type { Logger } from '../../observability/log.ts';
import { MetricPages } from '../../observability/merge-pages.ts';
import type { MetricsFormat } from '../../observability/openmetrics.ts';
import type { StartWorkerProcess } from '../../platform/worker-process.ts';
import type { RelayedRequest, RelayedResponse } from './protocol.ts';
import { SocketGroup } from './socket-group.ts';
import { Worker, type WorkerHost } from './worker.ts';

export interface WorkerPoolOptions {
  readonly count: number;
  /** Program and arguments of a worker; asked at the start and at each reload, because an update changes them. */
  readonly command: () => readonly string[];
  /** Of a worker with a number. */
  readonly env: (number: number) => Readonly<Record<string, string | undefined>>;
  readonly start: StartWorkerProcess;
  readonly host: WorkerHost;
  readonly clock: Clock;
  readonly logger: Logger;
  /** How long a worker may take for its requests in flight. Milliseconds. */
  readonly drainMs: () => number;
  /** Called when a worker has ended without having been asked to. */
  readonly onKilled: (boot: string | undefined) => void;
}

/** What operators see of the workers. */
export interface WorkerStatus {
  readonly configured: number;
  readonly ready: number;
  /** Unexpected ends since the start. */
  readonly restarts: number;
  /** Whether writes of one of them to the local disk fail. */
  readonly writesFail: boolean;
}

/** One that ran for so long was not stopped by its own start. Milliseconds. */
const STABLE_MS = 60_000;
const FIRST_PAUSE_MS = 250;
const MAX_PAUSE_MS = 30_000;
/** How long a worker may take to start. */
const START_MS = 60_000;
/** Connections that are being established with a socket that gets no new ones. Milliseconds. */
const HANDSHAKE_MS = 1_000;
/** How long a page of metrics waits for a worker. */
const METRICS_MS = 2_000;
/** How long a request waits for the memory of a worker. */
const HANDLE_MS = 5_000;
/** Pages in a row that a worker does not deliver before it counts as hung; one is wanted every few seconds. */
const MAX_MISSED = 6;
/** How long a change waits for a worker to read it, which does so soon in any case. */
const REFRESH_MS = 2_000;
/** Past the time for requests in flight, for the last writes. */
const END_MS = 10_000;

interface Slot {
  readonly number: number;
  worker: Worker | undefined;
  failures: number;
  /** Ends a pause before a restart. */
  waking: AbortController | undefined;
}

/** Starts the workers, replaces those that end, and asks all of them what concerns the whole gateway. */
export class WorkerPool {
  readonly #slots: readonly Slot[];
  readonly #group = new SocketGroup<Worker>();
  /** Workers that take no new connections, and their requests in flight. */
  readonly #leaving = new Set<Worker>();
  readonly #pages = new MetricPages();
  #restarts = 0;
  #isStopping = false;
  #reloading: Promise<boolean> | undefined;
  #watching = false;
  #command: readonly string[];

  constructor(private readonly options: WorkerPoolOptions) {
    this.#command = options.command();
    this.#slots = Array.from({ length: options.count }, (_, index) => ({
      number: index + 1,
      worker: undefined,
      failures: 0,
      waking: undefined,
    }));
  }

  get status(): WorkerStatus {
    const ready = this.#ready();
    return {
      ...{ configured: this.options.count, ready: ready.length, restarts: this.#restarts },
      writesFail: ready.some(({ writesFail }) => writesFail),
    };
  }

  /** The process ids of the workers that are ready. */
  get pids(): readonly number[] {
    return this.#ready().map(({ pid }) => pid);
  }

  /** Starts all workers. @throws Error when one of them does not become ready */
  async start(): Promise<void> {
    await Promise.all(this.#slots.map((slot) => this.#launch(slot)));
  }

  /**
   * Replaces the workers one after the other, each by a new process that is ready before the old one takes no new connections.
   * Calls meanwhile share a run.
   * @returns false when a new worker did not become ready: the old ones stay then
   */
  reload(): Promise<boolean> {
    this.#reloading ??= this.#reload().finally(() => {
      this.#reloading = undefined;
    });
    return this.#reloading;
  }

  /** Ends all workers, once their requests in flight have ended. */
  async stop(): Promise<void> {
    this.#isStopping = true;
    for (const { waking } of this.#slots) waking?.abort();
    const all = this.#all();
    await Promise.all(
      all.map(async (worker) => {
        worker.channel.call('stop', undefined).catch(() => undefined);
        await this.#ended(worker, this.options.drainMs() + END_MS);
      }),
    );
  }

  /** @returns the merged page of all processes */
  async metrics(own: string, format: MetricsFormat): Promise<string> {
    const pages = await Promise.all(
      this.#all().map((worker) => this.#within(METRICS_MS, worker.metrics(format))),
    );
    const known = pages.filter((page) => page !== undefined);
    return this.#pages.merge(own, known);
  }

  /**
   * Keeps the values of all workers, for those that are killed, and kills those that do not respond; to be called every few
   * seconds.
   */
  async collect(): Promise<void> {
    await Promise.all(
      this.#all().map(async (worker) => {
        const page = await this.#within(METRICS_MS, worker.metrics('text'));
        worker.missed = page === undefined ? worker.missed + 1 : 0;
        if (worker.missed < MAX_MISSED || worker.hasEnded) return;
        this.options.logger.error(
          { worker: worker.number, process: worker.pid },
          'worker does not respond: killed',
        );
        worker.kill('SIGKILL');
      }),
    );
  }

  async inFlight(): Promise<number> {
    const counts = await Promise.all(
      this.#all().map((worker) => this.#within(METRICS_MS, worker.channel.call('inFlight', undefined))),
    );
    return counts.reduce<number>((sum, count) => sum + (count ?? 0), 0);
  }

  /** Lets all workers handle a request. @returns their responses; those of workers that end meanwhile are left out */
  async handle(request: RelayedRequest): Promise<readonly RelayedResponse[]> {
    const responses = await Promise.all(
      this.#all().map((worker) => this.#within(HANDLE_MS, worker.channel.call('handle', request))),
    );
    return responses.filter((response) => response !== undefined);
  }

  /** Lets all workers read what was changed in the databases. Never rejects. */
  async refresh(): Promise<void> {
    await Promise.all(
      this.#all().map((worker) => this.#within(REFRESH_MS, worker.channel.call('refresh', undefined))),
    );
  }

  /** Whether workers send completed requests to live streams. */
  watch(isWatched: boolean): void {
    if (this.#watching === isWatched) return;
    this.#watching = isWatched;
    for (const worker of this.#ready()) worker.channel.call('watch', isWatched).catch(() => undefined);
  }

  #ready(): readonly Worker[] {
    return this.#slots.flatMap(({ worker }) => (worker?.isReady ? [worker] : []));
  }

  /** All that have requests. */
  #all(): readonly Worker[] {
    return [...this.#ready(), ...this.#leaving];
  }

  /** Starts the worker of a slot. @throws Error when it ends before it is ready, or is not in time */
  async #launch(slot: Slot): Promise<Worker> {
    const worker = this.#create(slot.number);
    slot.worker = worker;
    await this.#becomesReady(worker);
    return worker;
  }

  #create(number: number): Worker {
    const { env, start, host, count } = this.options;
    const worker: Worker = new Worker({
      ...{ number, count, command: this.#command, env: env(number), start, host },
      now: () => this.options.clock.now(),
      onListening: () => this.#group.add(worker),
      onExit: (how) => this.#exited(worker, how),
    });
    return worker;
  }

  async #becomesReady(worker: Worker): Promise<void> {
    const timer = new AbortController();
    const late = this.options.clock.sleep(START_MS, timer.signal).then(
      () => {
        worker.kill('SIGKILL');
        throw new Error(`worker ${worker.number} is not ready after ${START_MS / 1000} s`);
      },
      () => undefined,
    );
    try {
      await Promise.race([worker.ready, late]);
    } finally {
      timer.abort();
    }
    if (this.#watching) worker.channel.call('watch', true).catch(() => undefined);
  }

  #exited(worker: Worker, how: string): void {
    this.#group.remove(worker);
    if (worker.lastPage !== undefined) this.#pages.add(worker.lastPage);
    const wasLeaving = this.#leaving.delete(worker);
    if (!worker.isExpectedToEnd) this.options.onKilled(worker.boot);
    const slot = this.#slots.find((one) => one.worker === worker);
    if (!slot) return;
    slot.worker = undefined;
    // One that was never ready has failed its launch, which reports it, unless that was a restart.
    if (this.#isStopping || wasLeaving || !worker.wasReady) return;
    this.#restarts += 1;
    slot.failures = worker.upMs >= STABLE_MS ? 0 : slot.failures;
    this.options.logger.error(
      { worker: worker.number, process: worker.pid, reason: how },
      'worker ended unexpectedly: its requests in flight are lost; starting another one',
    );
    void this.#relaunch(slot);
  }

  /** Starts a worker again until one is ready, with longer pauses after each failure. Never rejects. */
  async #relaunch(slot: Slot): Promise<void> {
    const { clock, logger } = this.options;
    for (;;) {
      if (slot.failures > 0) {
        const pause = Math.min(FIRST_PAUSE_MS * 2 ** (slot.failures - 1), MAX_PAUSE_MS);
        slot.waking = new AbortController();
        await clock.sleep(pause, slot.waking.signal).catch(() => undefined);
      }
      if (this.#isStopping || slot.worker) return;
      slot.failures += 1;
      try {
        await this.#launch(slot);
        return;
      } catch (error) {
        this.#restarts += 1;
        logger.error(
          { worker: slot.number, failures: slot.failures, err: error },
          'worker did not start; retrying',
        );
      }
    }
  }

  async #reload(): Promise<boolean> {
    const { logger, command } = this.options;
    const before = this.#command;
    this.#command = command();
    for (const slot of this.#slots) {
      if (this.#isStopping) return false;
      const old = slot.worker;
      const next = this.#create(slot.number);
      try {
        await this.#becomesReady(next);
      } catch (error) {
        this.#command = before;
        logger.error(
          { worker: slot.number, err: error },
          'reload stopped: the new worker did not start; the workers that run stay',
        );
        return false;
      }
      // The old one may have ended meanwhile, and its successor with it.
      const current = slot.worker;
      slot.worker = next;
      slot.failures = 0;
      for (const worker of new Set([old, current])) if (worker && worker !== next) await this.#leave(worker);
    }
    return true;
  }

  /** Takes a worker out of service without losing a connection. Resolves when it takes no new ones. */
  async #leave(worker: Worker): Promise<void> {
    if (worker.hasEnded) return;
    this.#leaving.add(worker);
    worker.isExpectedToEnd = true;
    const others = this.#group.others(worker);
    const steered = others.length > 0 && (await worker.channel.call('steer', others).catch(() => false));
    if (steered) await this.options.clock.sleep(HANDSHAKE_MS);
    await worker.channel.call('leave', undefined).catch(() => undefined);
    this.#group.remove(worker);
    const [any] = this.#ready();
    if (steered) await any?.channel.call('spread', undefined).catch(() => undefined);
    void this.#ended(worker, this.options.drainMs() + END_MS);
  }

  /** Resolves when a worker has ended, and kills it after a time. */
  async #ended(worker: Worker, withinMs: number): Promise<void> {
    worker.isExpectedToEnd = true;
    const timer = new AbortController();
    const late = this.options.clock.sleep(withinMs, timer.signal).then(
      () => {
        this.options.logger.error({ worker: worker.number }, 'worker did not end in time: killed');
        worker.kill('SIGKILL');
      },
      () => undefined,
    );
    await worker.ended;
    timer.abort();
    await late;
  }

  async #within<T>(ms: number, work: Promise<T>): Promise<T | undefined> {
    const timer = new AbortController();
    const late = this.options.clock.sleep(ms, timer.signal).catch(() => undefined);
    try {
      // A worker that ends has no value.
      return await Promise.race([work.catch(() => undefined), late.then(() => undefined)]);
    } finally {
      timer.abort();
    }
  }
}
