import type { DeadlineMonitor, Watched } from '../dispatch/deadlines.ts';
import type { RequestContext } from '../pipeline/request-context.ts';

/** Milliseconds without a head while an engine loads: until then, a failure still has its own HTTP status. */
const LOADING_HEAD_MS = 3_000;
/** Milliseconds after which a body that is still arriving is looked at again. */
const ARRIVING_MS = 1_000;

/** Why the head of a stream is sent before its response begins. */
export type EarlyHead = 'loading' | 'silent';

/** Waits for the response to a stream, but not for long when an engine must be loaded first, or when the operator says so. */
export class HeadWait implements Watched {
  slot = -1;
  expiresAt: number;
  #reason: EarlyHead = 'silent';
  readonly #early = Promise.withResolvers<EarlyHead>();

  /**
   * @param now monotonic milliseconds
   * @param headAfterMs after the request's start; Infinity to wait for the response
   */
  constructor(
    private readonly request: RequestContext,
    private readonly deadlines: DeadlineMonitor,
    now: () => number,
    headAfterMs: number,
  ) {
    const { routing, timing } = request;
    this.expiresAt = timing.startedAt + headAfterMs;
    routing.onSlowStart = () => {
      routing.onSlowStart = undefined;
      const loadingAt = now() + LOADING_HEAD_MS;
      if (loadingAt > this.expiresAt) return;
      this.#reason = 'loading';
      this.expiresAt = loadingAt;
    };
    deadlines.watch(this);
  }

  expire(now: number): void {
    const { controls } = this.request;
    if (controls.stream) this.#early.resolve(this.#reason);
    else if (controls.model === undefined) {
      this.expiresAt = now + ARRIVING_MS;
      this.deadlines.watch(this);
    }
  }

  /** @returns the response, or why the head must be sent before it */
  async race<T extends object>(response: Promise<T>): Promise<T | EarlyHead> {
    try {
      return await Promise.race([response, this.#early.promise]);
    } finally {
      this.deadlines.unwatch(this);
    }
  }
}
