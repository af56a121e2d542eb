import { ProgressClock } from '../../server/progress-clock.ts';
import type { ServerLimitName } from '../../server/server-limits.ts';
import type { GrpcLimits } from '../grpc-limits.ts';
import type { Http2Stream } from './http2-stream.ts';

/** What a connection is doing at a tick. */
export interface ConnectionState {
  readonly isHandshaking: boolean;
  readonly hasPreface: boolean;
  /** A frame or header block has begun to arrive. */
  readonly partial: boolean;
  readonly streams: number;
  /** Streams whose output waits for their client. */
  readonly stalled: readonly Http2Stream[];
}

/** What is due at a tick: a limit that the client exceeds, or a step of the connection's life. */
export type Due = ServerLimitName | 'ping' | 'retire' | 'last' | 'close';

/** Seconds, counted in whole ticks of the server's clock. */
const HANDSHAKE_TIMEOUT = 10;
/** Without a byte from a client that has streams, it is asked whether it is still there. */
const PING_AFTER = 60;
const PING_TIMEOUT = 20;
/** For the last bytes of a connection that is closed. */
const END_TIMEOUT = 5;

/** The time limits of one connection, in seconds of the server's tick: no timer, and no work for each frame. */
export class ConnectionClock {
  readonly #slow = new Map<Http2Stream, { readonly clock: ProgressClock; sent: number }>();
  #age = 0;
  #silent = 0;
  #idle = 0;
  #partial = 0;
  #leaving = -1;
  #ending = -1;
  #behind = 0;

  /** Seconds without a stream. */
  get idleSeconds(): number {
    return this.#idle;
  }

  /** Seconds that the client of the slowest stream is behind. */
  get stalledSeconds(): number {
    return this.#behind;
  }

  /** The client has had time to see that new streams belong on another connection. */
  get isLast(): boolean {
    return this.#leaving > 0;
  }

  received(): void {
    this.#silent = 0;
  }

  /** The last stream has ended. */
  idle(): void {
    this.#idle = 0;
  }

  leave(): void {
    this.#leaving = 0;
  }

  end(): void {
    this.#ending = 0;
  }

  /** A second has passed. @returns what is due */
  tick(state: ConnectionState, limits: GrpcLimits): Due | undefined {
    this.#age += 1;
    this.#silent += 1;
    this.#idle = state.streams === 0 ? this.#idle + 1 : 0;
    this.#partial = state.partial ? this.#partial + 1 : 0;
    if (this.#ending >= 0) {
      this.#ending += 1;
      return this.#ending >= END_TIMEOUT ? 'close' : undefined;
    }
    if (state.isHandshaking) return this.#age >= HANDSHAKE_TIMEOUT ? 'close' : undefined;
    const headTimeout = limits.headTimeoutMs / 1000;
    if (!state.hasPreface) return this.#age >= headTimeout ? 'close' : undefined;
    if (this.#partial >= headTimeout) return 'head_timeout';
    if (this.#isSlow(state.stalled, limits)) return 'write_idle';
    return this.#life(state, limits);
  }

  #life({ streams }: ConnectionState, { grpcIdleMs, grpcMaxAgeMs }: GrpcLimits): Due | undefined {
    if (this.#leaving >= 0) {
      this.#leaving += 1;
      if (this.#leaving === 1) return 'last';
    } else if (streams === 0 && this.#idle * 1000 >= grpcIdleMs) return 'retire';
    else if (grpcMaxAgeMs !== null && this.#age * 1000 >= grpcMaxAgeMs) return 'retire';
    if (streams === 0) return undefined;
    if (this.#silent >= PING_AFTER + PING_TIMEOUT) return 'close';
    return this.#silent === PING_AFTER ? 'ping' : undefined;
  }

  /** Whether a client takes less than it must of one of its streams. */
  #isSlow(stalled: readonly Http2Stream[], { minRate, writeIdleMs }: GrpcLimits): boolean {
    for (const stream of this.#slow.keys()) if (!stalled.includes(stream)) this.#slow.delete(stream);
    this.#behind = 0;
    for (const stream of stalled) {
      const known = this.#slow.get(stream) ?? { clock: new ProgressClock(), sent: stream.sentBytes };
      this.#slow.set(stream, known);
      known.clock.moved(stream.sentBytes - known.sent);
      known.sent = stream.sentBytes;
      this.#behind = Math.max(this.#behind, known.clock.tick(minRate));
    }
    return this.#behind * 1000 >= writeIdleMs;
  }
}
