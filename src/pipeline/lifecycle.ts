import { GatewayError } from '../core/errors.ts';
import { SlotList, type Slotted } from '../core/slot-list.ts';
import type { RequestContext } from './request-context.ts';

/** The states of the process, in their order. */
export type LifecycleState = 'starting' | 'ready' | 'draining' | 'stopped';

/** A request that this process relays to another one. */
export interface RelayedRequest extends Slotted {
  abort(error: GatewayError): void;
}

/** Which requests are being handled, and whether new ones may come. */
export class Lifecycle {
  #state: LifecycleState = 'starting';
  readonly #active = new SlotList<RequestContext>();
  readonly #relayed = new SlotList<RelayedRequest>();
  #onIdle: (() => void) | undefined;

  get state(): LifecycleState {
    return this.#state;
  }

  get active(): number {
    return this.#active.size;
  }

  /** How many requests are relayed to other regions. */
  get relayed(): number {
    return this.#relayed.size;
  }

  /** The requests that are being handled. */
  requests(): readonly RequestContext[] {
    return this.#active.snapshot();
  }

  ready(): void {
    if (this.#state === 'starting') this.#state = 'ready';
  }

  /** @throws GatewayError `shutting_down` once draining has begun */
  assertAccepting(): void {
    if (this.#state === 'starting' || this.#state === 'ready') return;
    throw new GatewayError('shutting_down', 'This gateway is shutting down; send the request again.', {
      headers: { connection: 'close' },
    });
  }

  begin(context: RequestContext): void {
    this.#active.add(context);
  }

  end(context: RequestContext): void {
    this.#active.remove(context);
    if (this.#isIdle) this.#onIdle?.();
  }

  beginRelayed(request: RelayedRequest): void {
    this.#relayed.add(request);
  }

  endRelayed(request: RelayedRequest): void {
    this.#relayed.remove(request);
    if (this.#isIdle) this.#onIdle?.();
  }

  get #isIdle(): boolean {
    return this.#active.size === 0 && this.#relayed.size === 0;
  }

  /** Takes no new requests from now on; resolves when those in flight have ended. */
  drain(): Promise<void> {
    this.#state = 'draining';
    return new Promise((resolve) => {
      if (this.#isIdle) resolve();
      else this.#onIdle = resolve;
    });
  }

  /** Ends every request in flight with an error that its client can read. */
  abortAll(): void {
    for (const context of [...this.#active.snapshot(), ...this.#relayed.snapshot()]) {
      context.abort(
        new GatewayError('shutting_down', 'The gateway shut down before the answer was complete.'),
      );
    }
  }

  stopped(): void {
    this.#state = 'stopped';
  }
}
