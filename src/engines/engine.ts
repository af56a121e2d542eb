import type { Clock } from '../core/clock.ts';
import type { RunningProcess, Spawn } from '../platform/child-process.ts';
import type { EngineObserver, EngineSpec } from './types.ts';

export interface EngineWorld {
  readonly clock: Clock;
  readonly spawn: Spawn;
  /** Whether an engine answers its health check. Never rejects. */
  readonly isHealthy: (spec: EngineSpec) => Promise<boolean>;
  /** Whether somebody listens on a port already. */
  readonly isPortInUse: (port: number) => Promise<boolean>;
  readonly observer: EngineObserver;
}

export interface EngineListener {
  /** It has become ready, or its process has ended. */
  changed(): void;
  /** It has failed; its state is still what it was before. */
  failed(): void;
}

const PROBE_EVERY_MS = 100;
/** Checks of a ready engine: how often, and how many may fail in a row. */
const CHECK_EVERY_MS = 10_000;
const CHECKS = 3;
const FIRST_PAUSE_MS = 1_000;
const LONGEST_PAUSE_MS = 60_000;
/** After so long without a failure, the pauses begin anew. */
const STABLE_MS = 60_000;
const OUTPUT_LINES = 40;

/** One engine's process: started, watched, and stopped. Who decides when is the pool. */
export class Engine {
  state: 'stopped' | 'starting' | 'ready' | 'stopping' = 'stopped';
  loads = 0;
  failures = 0;
  lastFailure: string | undefined;
  startedAt = 0;
  readyAt = 0;
  lastUsedAt = 0;
  /** Not to be started again before; after a failure. */
  pausedUntil = 0;
  readonly output: string[] = [];
  #process: RunningProcess | undefined;
  /** Which start this is: news of an earlier process are none. */
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

  get loaded(): boolean {
    return this.state !== 'stopped';
  }

  start(): void {
    const { clock, isPortInUse } = this.world;
    this.state = 'starting';
    this.startedAt = clock.now();
    this.output.length = 0;
    const run = ++this.#run;
    isPortInUse(this.spec.port).then(
      (taken) => {
        if (this.#run !== run || this.state !== 'starting') return;
        // Whoever answers there would be taken for the engine.
        if (taken) this.#failed(`port ${this.spec.port} is used by another program`);
        else this.#spawn(run);
      },
      (error: unknown) => this.#failed(String(error)),
    );
  }

  #spawn(run: number): void {
    const { spawn, observer } = this.world;
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
            observer.engineOutput(id, line);
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
    const { clock, isHealthy } = this.world;
    const current = () => this.#run === run && this.state === 'starting';
    while (current()) {
      const well = await isHealthy(this.spec);
      if (!current()) return;
      const now = clock.now();
      if (well) {
        this.state = 'ready';
        this.loads += 1;
        this.readyAt = now;
        this.lastUsedAt = now;
        this.#checkedAt = now;
        this.#checksFailed = 0;
        this.world.observer.engineLoaded(this.spec.id, now - this.startedAt);
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

  /** Looks whether it is still well, if that is due. */
  async check(): Promise<void> {
    const { clock, isHealthy } = this.world;
    const run = this.#run;
    if (this.state !== 'ready' || clock.now() - this.#checkedAt < CHECK_EVERY_MS) return;
    this.#checkedAt = clock.now();
    const well = await isHealthy(this.spec);
    if (this.#run !== run || this.state !== 'ready') return;
    this.#checksFailed = well ? 0 : this.#checksFailed + 1;
    if (this.#checksFailed >= CHECKS) this.#failed('stopped answering its health checks');
  }

  /** Resolves when its process has ended. */
  stop(why: string): Promise<void> {
    if (this.state === 'stopped') return Promise.resolve();
    if (this.#stopped) return this.#stopped.promise;
    this.world.observer.engineStopped(this.spec.id, why);
    return this.#end();
  }

  #end(): Promise<void> {
    const { clock } = this.world;
    this.#stopped ??= Promise.withResolvers<void>();
    const { promise } = this.#stopped;
    this.state = 'stopping';
    const child = this.#process;
    if (!child) {
      this.#over();
      return promise;
    }
    child.signal('SIGTERM');
    const patience = new AbortController();
    clock.sleep(this.spec.stopTimeoutMs, patience.signal).then(
      () => child.signal('SIGKILL'),
      () => undefined,
    );
    void promise.then(() => patience.abort());
    return promise;
  }

  /** The process has ended, asked or not. */
  #ended(reason: string): void {
    if (this.state === 'stopping') {
      this.#over();
      return;
    }
    this.#process = undefined;
    this.#failed(reason);
  }

  #failed(reason: string): void {
    const { clock, observer } = this.world;
    const now = clock.now();
    if (this.state === 'ready' && now - this.readyAt >= STABLE_MS) this.#failuresInRow = 0;
    this.pausedUntil = now + Math.min(FIRST_PAUSE_MS * 2 ** this.#failuresInRow, LONGEST_PAUSE_MS);
    this.#failuresInRow += 1;
    this.failures += 1;
    this.lastFailure = reason;
    observer.engineFailed(this.spec.id, reason, this.output);
    this.listener.failed();
    void this.#end();
  }

  #over(): void {
    this.state = 'stopped';
    this.#process = undefined;
    this.#run += 1;
    this.#stopped?.resolve();
    this.#stopped = undefined;
    this.listener.changed();
  }
}
