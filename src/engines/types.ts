/** An inference engine that is loaded on demand. Times are milliseconds. */
export interface EngineSpec {
  /** The id of its provider. */
  readonly id: string;
  /** `{port}` is replaced with the port that the engine has to listen on. */
  readonly command: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly cwd: string | undefined;
  readonly port: number;
  /** Health check path: a status below 500 means ready. Relative paths are below `/v1/`. */
  readonly healthPath: string;
  readonly startTimeoutMs: number;
  readonly stopTimeoutMs: number;
  /** Load it at start, and never unload it for idleness. */
  readonly preload: boolean;
}

/** Settings of all engines. */
export interface EnginePoolSettings {
  /** Largest number of loaded engines. */
  readonly maxLoaded: number;
  /** Idle time after which an engine is unloaded; Infinity for never. */
  readonly idleMs: number;
  /** Time for which an engine in use keeps its slot while another one is queued. */
  readonly swapAfterMs: number;
  /** Interval of health checks of ready engines, and the consecutive failures after which an engine is replaced. */
  readonly healthEveryMs: number;
  readonly healthFailures: number;
}

/** `waiting`: a load is requested, and waits for a free slot or for the end of a backoff. */
export type EngineState = 'stopped' | 'waiting' | 'starting' | 'ready' | 'stopping';
