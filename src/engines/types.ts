/** A serving engine that is started when it is needed. Times in milliseconds. */
export interface EngineSpec {
  /** The id of its provider. */
  readonly id: string;
  /** `{port}` in it stands for the port it is to listen on. */
  readonly command: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly cwd: string | undefined;
  readonly port: number;
  /** Path that is answered without a server error once it is ready; relative ones are below `/v1/`. */
  readonly healthPath: string;
  readonly startTimeoutMs: number;
  readonly stopTimeoutMs: number;
  /** Start it with the gateway, and keep it. */
  readonly preload: boolean;
}

export interface EnginePoolSettings {
  /** How many may be loaded at the same time. */
  readonly maxLoaded: number;
  /** How long one that nobody uses is kept; Infinity for ever. */
  readonly idleMs: number;
  /** How long one that is in use is kept when another is wanted in its place. */
  readonly swapAfterMs: number;
}

/** `waiting`: it is wanted, and waits for a place or for the time after a failure. */
export type EngineState = 'stopped' | 'waiting' | 'starting' | 'ready' | 'stopping';

/** Told of what happens to engines. */
export interface EngineObserver {
  engineLoaded(id: string, loadMs: number): void;
  engineFailed(id: string, reason: string, output: readonly string[]): void;
  engineStopped(id: string, why: string): void;
  engineOutput(id: string, line: string): void;
}
