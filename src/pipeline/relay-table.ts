import { SKIPPED } from '../cache/cache-store.ts';
import type { RelayClaim, RelayedCall, RelayHead, StreamRelay } from '../cache/stream-relay.ts';
import type { Clock } from '../core/clock.ts';
import { RelayReader } from './relay-reader.ts';
import { SharedCall, type SharedCallOptions } from './shared-call.ts';

/** The gateway that was to make the call does not: another one has to. */
export class RelayAbandonedError extends Error {
  override readonly name = 'RelayAbandonedError';
}

/** A call that another gateway makes. */
export interface RelayedFlight {
  readonly shared: SharedCall;
  /** Known from the response on. */
  readonly relayed: { head: RelayHead | undefined };
}

/** The calls of other gateways that requests of this one join. */
export class RelayTable {
  /** Claims that are being made, by name: requests of this gateway make one together. */
  readonly #claims = new Map<string, Promise<RelayClaim | undefined>>();

  readonly #taken = new WeakSet<RelayClaim>();

  constructor(
    private readonly relay: StreamRelay,
    private readonly clock: Clock,
    private readonly deadlines: SharedCallOptions['deadlines'],
  ) {}

  /** @returns who makes the call of a name; undefined where the store does not tell. The same claim for requests that wait together. */
  claim(name: string, tenant: string): Promise<RelayClaim | undefined> {
    const known = this.#claims.get(name);
    if (known) return known;
    const claiming = this.relay
      .claim(name, tenant)
      .then((claim) => (claim === SKIPPED ? undefined : claim))
      .finally(() => this.#claims.delete(name));
    this.#claims.set(name, claiming);
    return claiming;
  }

  /** @returns the call of a claim that this gateway makes, for the one request that makes it */
  take(claim: RelayClaim): RelayedCall {
    this.#taken.add(claim);
    return claim.call;
  }

  /** The call is not made with this claim. */
  drop(claim: RelayClaim | undefined): void {
    if (claim?.isMine && !this.#taken.has(claim)) this.relay.release(claim.call);
  }

  /** Begins to read a call of another gateway. */
  read(
    call: RelayedCall,
    { bufferBytes, onClosed }: Pick<SharedCallOptions, 'bufferBytes' | 'onClosed'>,
  ): RelayedFlight {
    const relayed: RelayedFlight['relayed'] = { head: undefined };
    const reader = new RelayReader({
      ...{ relay: this.relay, call, clock: this.clock },
      onResponse: (response, head) => {
        relayed.head = head;
        shared.respond(response);
      },
      onAbandoned: () => shared.fail(new RelayAbandonedError()),
    });
    const owner = { deadlineAt: Number.POSITIVE_INFINITY, cancel: () => reader.stop() };
    const shared = new SharedCall({ owner, bufferBytes, deadlines: this.deadlines, onClosed });
    void reader.run();
    return { shared, relayed };
  }
}
