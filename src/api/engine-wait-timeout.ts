import type { Clock } from '../core/clock.ts';
import type { RoutingTrace } from '../dispatch/request.ts';

/** Milliseconds without a head while an engine loads: until then, a failure still has its own HTTP status. */
const HEAD_DELAY_MS = 3_000;

/** Waits for a response, but not for long when an engine has to be loaded first. */
export class EngineWaitTimeout {
  readonly #slow = Promise.withResolvers<undefined>();
  readonly #done = new AbortController();

  constructor(routing: RoutingTrace, clock: Clock) {
    routing.onSlowStart = () => {
      routing.onSlowStart = undefined;
      clock.sleep(HEAD_DELAY_MS, this.#done.signal).then(
        () => this.#slow.resolve(undefined),
        // The response came first.
        () => undefined,
      );
    };
  }

  /** @returns undefined when the response takes long */
  async race<T>(response: Promise<T>): Promise<T | undefined> {
    try {
      return await Promise.race([response, this.#slow.promise]);
    } finally {
      this.#done.abort();
    }
  }
}
