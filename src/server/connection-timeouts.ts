import { ProgressClock } from './progress-clock.ts';
import type { ServerLimits } from './server-limits.ts';

/** What a connection waits for. */
export type ConnectionPhase =
  /** TLS is not established. */
  | 'handshake'
  /** A head has begun to arrive. */
  | 'head'
  /** A body has begun to arrive, and is read. */
  | 'body'
  /** The last response is sent; what still arrives is dropped. */
  | 'drop'
  /** There is no request, and there has been none. */
  | 'unused'
  /** There is no request. */
  | 'idle'
  /** The gateway's own work, which has its time limits in the pipeline. */
  | 'busy';

/** The limit that a request exceeds. */
export type ClientTimeout = 'head_timeout' | 'body_timeout' | 'min_rate';

/** The message for a client that exceeds a limit. */
export function timeoutMessage(limit: ClientTimeout, { bodyTimeoutMs, minRate }: ServerLimits): string {
  switch (limit) {
    case 'head_timeout':
      return 'The head of the request did not arrive in time (limits.head_timeout).';
    case 'body_timeout':
      return `The request body did not arrive within ${Math.ceil(bodyTimeoutMs / 1000)} s (limits.body_timeout).`;
    case 'min_rate':
      return `The request body arrived too slowly: at least ${minRate} bytes per second are expected (limits.min_rate).`;
  }
}

/** The writing side of a connection. */
export interface OutputProgress {
  /** Bytes wait because the system takes no more. */
  readonly blocked: boolean;
  /** Bytes that the system has taken so far. */
  readonly sentBytes: number;
  /** Writes what waits. */
  drained(): void;
}

/** Seconds, counted in whole ticks of the server's clock. */
const HANDSHAKE_TIMEOUT = 10;
const IDLE_TIMEOUT = 120;
const DROPPING_TIMEOUT = 30;
/** How far behind `min_rate` the sender of a body may be: a pause of this length is allowed at any time. */
const MAX_SECONDS_BEHIND = 20;

/** The time limits of one connection, in seconds of the server's tick: no timer, and no work for each request. */
export class ConnectionTimeouts {
  readonly #input = new ProgressClock();
  readonly #output = new ProgressClock();
  #phase: ConnectionPhase | undefined;
  /** The number of requests at the last tick: the same phase of another request starts again. */
  #requests = 0;
  #blocked = false;
  /** Bytes that the system had taken at the last tick. */
  #sentBytes = 0;

  /** Seconds that the connection was in its phase at the last tick. */
  get seconds(): number {
    return this.#input.seconds;
  }

  /** Seconds that the client is behind in taking what waits for it. */
  get stalledSeconds(): number {
    return this.#blocked ? this.#output.behind : 0;
  }

  received(bytes: number): void {
    this.#input.moved(bytes);
  }

  /**
   * A second has passed.
   * @param requests how many requests the connection has had
   * @returns the limit that its client exceeds, or `close` where no limit of the configuration is concerned
   */
  tick(
    phase: ConnectionPhase,
    requests: number,
    { headTimeoutMs, bodyTimeoutMs, minRate }: ServerLimits,
  ): ClientTimeout | 'close' | undefined {
    if (phase !== this.#phase || requests !== this.#requests) this.#input.restart();
    this.#phase = phase;
    this.#requests = requests;
    const behind = this.#input.tick(minRate);
    const { seconds } = this.#input;
    switch (phase) {
      case 'handshake':
        return seconds >= HANDSHAKE_TIMEOUT ? 'close' : undefined;
      case 'head':
        return seconds * 1000 >= headTimeoutMs ? 'head_timeout' : undefined;
      case 'body':
        if (seconds * 1000 >= bodyTimeoutMs) return 'body_timeout';
        return minRate !== null && behind >= MAX_SECONDS_BEHIND ? 'min_rate' : undefined;
      case 'drop':
        return seconds >= DROPPING_TIMEOUT ? 'close' : undefined;
      case 'unused':
        return seconds * 1000 >= Math.min(headTimeoutMs, IDLE_TIMEOUT * 1000) ? 'close' : undefined;
      case 'idle':
        return seconds >= IDLE_TIMEOUT ? 'close' : undefined;
      case 'busy':
        return undefined;
    }
  }

  /**
   * A second has passed. Writes again what waits: the system reports room only once a third of its buffer is free, which a
   * client that reads slowly may not reach in minutes.
   * @returns whether the client takes its response too slowly
   */
  tickOutput(writer: OutputProgress, { writeIdleMs, minRate }: ServerLimits): boolean {
    if (writer.blocked) writer.drained();
    const taken = writer.sentBytes - this.#sentBytes;
    this.#sentBytes = writer.sentBytes;
    if (!writer.blocked) {
      this.#blocked = false;
      return false;
    }
    if (!this.#blocked) this.#output.restart();
    this.#blocked = true;
    this.#output.moved(taken);
    return this.#output.tick(minRate) * 1000 >= writeIdleMs;
  }
}
