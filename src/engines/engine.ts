import type { Clock } from '../core/clock.ts';
import type { EventSink } from '../events/event-bus.ts';
import type { RunningProcess, Spawn } from '../platform/child-process.ts';
import type { EnginePoolSettings, EngineSpec } from './types.ts';

/** What engines use of the rest of the process. */
export interface EngineWorld {
  readonly clock: Clock;
  readonly spawn: Spawn;
  /** Whether an engine passes its health check. Never rejects. */
  readonly isHealthy: (spec: EngineSpec) => Promise<boolean>;
  /** Whether another process listens on a port. */
  readonly isPortInUse: (port: number) => Promise<boolean>;
  readonly events: EventSink;
}

/** Called by an engine, for its pool. */
export interface EngineListener {
  /** The engine became ready, or its process ended. */
  changed(): void;
  /** The engine failed; `state` still has the value from before the failure. */
  failed(): void;
}

/** Interval of health checks while an engine starts. */
const PROBE_EVERY_MS = 100;
/** Time between SIGTERM and SIGKILL for an engine that does not respond: it rarely obeys the first one. */
const HUNG_STOP_MS = 2_000;
/** Backoff before a restart; it doubles with each consecutive failure. */
const FIRST_PAUSE_MS = 1_000;
const MAX_PAUSE_MS = 60_000;
/** An engine that ran this long starts again with the first backoff. */
const STABLE_MS = 60_000;
/** Lines of output that are kept. */
const OUTPUT_LINES = 40;

/** The process of one engine: starts, checks and stops it. The pool decides when. */
export class Engine {
  state: 'stopped' | 'starting' | 'ready' | 'stopping' = 'stopped';
  /** Successful starts. */
  loads = 0;
  failures = 0;
  lastFailure: string | undefined;
  /** Times are monotonic milliseconds. */
  startedAt = 0;
  readyAt = 0;
  lastUsedAt = 0;
  /** End of the backoff after a failure. */
  pausedUntil = 0;
  readonly output: string[] = [];
  #process: RunningProcess | undefined;
  /** Number of the current start; callbacks of earlier processes are ignored. */
  #run = 0;
  #failuresInRow = 0;
  #checkedAt = 0;
  #checksFailed = 0;
  #stopped: PromiseWithResolvers<void> | undefined;

  constructor(
    public spec: EngineSpec,
    private readonly world: EngineWorld,
    private readonly listener: EngineListener,
  ) {}

  get pid(): number | undefined {
    return this.#process?.pid;
  }

  /** Whether a process exists, in any state. */
  get loaded(): boolean {
    return this.state !== 'stopped';
  }

  /** Starts the process. The engine must be stopped. */
  start(): void {
    const { clock, isPortInUse } = this.world;
    this.state = 'starting';
    this.startedAt = clock.now();
    this.output.length = 0;
    const run = ++this.#run;
    isPortInUse(this.spec.port).then(
      (taken) => {
        if (this.#run !== run || this.state !== 'starting') return;
        // The health check would reach the other program.
        if (taken) this.#failed(`port ${this.spec.port} is used by another program`);
        else this.#spawn(run);
      },
      (error: unknown) => this.#failed(String(error)),
    );
  }

  #spawn(run: number): void {
    const { spawn, events } = this.world;
    const { id, command, env, cwd, port } = this.spec;
    const fill = (text: string) => text.replaceAll('{port}', String(port));
    try {
      this.#process = spawn(
        {
          command: command.map(fill),
          env: Object.fromEntries(Object.entries(env).map(([name, value]) => [name, fill(value)])),
          cwd,
        },
        {
          onLine: (line) => {
            this.output.push(line);
            if (this.output.length > OUTPUT_LINES) this.output.shift();
            events.emit('engine.output', { engine: id, line });
          },
          onExit: (reason) => {
            if (this.#run === run) this.#ended(reason);
          },
        },
      );
    } catch (error) {
      this.#failed(`could not be started: ${error instanceof Error ? error.message : String(error)}`);
      return;
    }
    void this.#untilReady(run);
  }

  async #untilReady(run: number): Promise<void> {
    const { clock, events, isHealthy } = this.world;
    const current = () => this.#run === run && this.state === 'starting';
    while (current()) {
      const healthy = await isHealthy(this.spec);
      if (!current()) return;
      const now = clock.now();
      if (healthy) {
        this.state = 'ready';
        this.loads += 1;
        this.readyAt = now;
        this.lastUsedAt = now;
        this.#checkedAt = now;
        this.#checksFailed = 0;
        const load_ms = Math.round(now - this.startedAt);
        events.emit('engine.loaded', { engine: this.spec.id, load_ms });
        this.listener.changed();
        return;
      }
      if (now - this.startedAt >= this.spec.startTimeoutMs) {
        this.#failed(`did not become healthy within ${this.spec.startTimeoutMs / 1_000} s`);
        return;
      }
      await clock.sleep(PROBE_EVERY_MS);
    }
  }

  /** Runs the health check of a ready engine, if one is due. */
  async check({
    healthEveryMs,
    healthFailures,
  }: Pick<EnginePoolSettings, 'healthEveryMs' | 'healthFailures'>): Promise<void> {
    const { clock, isHealthy } = this.world;
    const run = this.#run;
    if (this.state !== 'ready' || clock.now() - this.#checkedAt < healthEveryMs) return;
    this.#checkedAt = clock.now();
    const healthy = await isHealthy(this.spec);
    if (this.#run !== run || this.state !== 'ready') return;
    this.#checksFailed = healthy ? 0 : this.#checksFailed + 1;
    if (this.#checksFailed < healthFailures) return;
    this.#failed('stopped responding to health checks', Math.min(HUNG_STOP_MS, this.spec.stopTimeoutMs));
  }

  /**
   * Stops the process: SIGTERM, then SIGKILL after the stop timeout.
   * @returns a promise that resolves when the process has ended
   */
  stop(reason: string): Promise<void> {
    if (this.state === 'stopped') return Promise.resolve();
    if (this.#stopped) return this.#stopped.promise;
    this.world.events.emit('engine.stopping', { engine: this.spec.id, reason });
    return this.#end();
  }

  #end(stopTimeoutMs = this.spec.stopTimeoutMs): Promise<void> {
    const { clock } = this.world;
    this.#stopped ??= Promise.withResolvers<void>();
    const { promise } = this.#stopped;
    this.state = 'stopping';
    const child = this.#process;
    if (!child) {
      this.#stopCompleted();
      return promise;
    }
    child.signal('SIGTERM');
    const stopTimeout = new AbortController();
    clock.sleep(stopTimeoutMs, stopTimeout.signal).then(
      () => child.signal('SIGKILL'),
      () => undefined,
    );
    void promise.then(() => stopTimeout.abort());
    return promise;
  }

  /** The process has ended, on request or on its own. */
  #ended(reason: string): void {
    if (this.state === 'stopping') {
      this.#stopCompleted();
      return;
    }
    this.#process = undefined;
    this.#failed(reason);
  }

  #failed(reason: string, stopTimeoutMs?: number): void {
    const { clock, events } = this.world;
    const now = clock.now();
    if (this.state === 'ready' && now - this.readyAt >= STABLE_MS) this.#failuresInRow = 0;
    this.pausedUntil = now + Math.min(FIRST_PAUSE_MS * 2 ** this.#failuresInRow, MAX_PAUSE_MS);
    this.#failuresInRow += 1;
    this.failures += 1;
    this.lastFailure = reason;
    events.emit('engine.failed', { engine: this.spec.id, reason, output: [...this.output] });
    this.listener.failed();
    void this.#end(stopTimeoutMs);
  }

  #stopCompleted(): void {
    this.state = 'stopped';
    this.#process = undefined;
    this.#run += 1;
    this.#stopped?.resolve();
    this.#stopped = undefined;
    this.listener.changed();
  }
}
