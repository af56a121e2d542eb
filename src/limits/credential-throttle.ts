import type { Clock } from '../core/clock.ts';
import { type ErrorCode, GatewayError } from '../core/errors.ts';
import type { EventPayload } from '../events/catalogue.ts';
import type { EventSink } from '../events/event-bus.ts';
import { ClientTable } from './client-table.ts';

/** Wrong credentials that an address may send at once. */
const BURST = 60;
/** Wrong credentials that each second without one adds to the rest of the burst. */
const PER_SECOND = 1;
/** What a credential counts that is the same as the one before: it tells a guesser nothing. */
const REPEATED = 0.25;
/** Wrong credentials beyond the burst that are still told from correct ones. */
const TOLERATED = 200;

interface Failures {
  /** What is left of the burst. Below 0, failures get 429; at `-TOLERATED`, nothing is checked. */
  left: number;
  updatedAt: number;
  /** Fingerprint of the last credential that was wrong. */
  last: string | undefined;
  /** The events have named this client since its burst was complete. */
  reported: boolean;
}

export type CredentialKind = EventPayload<'auth.failed'>['credential'];

/** One check of a credential that a client presents. */
export interface CredentialCheck {
  /** The client's key (`core/client-identity.ts`). */
  readonly client: string;
  readonly kind: CredentialKind;
  /** Digest that tells credentials apart. One that is sent again counts less. */
  readonly fingerprint?: string;
  /** Errors that mean that the credential is wrong; `invalid_api_key` when absent. */
  readonly wrong?: readonly ErrorCode[];
}

const INVALID: readonly ErrorCode[] = ['invalid_api_key'];

/**
 * Slows down clients that guess keys, tokens, sessions, passwords or invitations, in this gateway's memory.
 *
 * An address has a burst of wrong credentials, refilled over time; further ones get 429. Correct ones still work, because
 * many people may share an address, up to {@link TOLERATED} more failures. From then on nothing of the address is checked,
 * except for what this gateway already knows to be correct. A program that repeats one wrong key never gets that far.
 */
export class CredentialThrottle {
  readonly #failures: ClientTable<Failures>;

  constructor(
    private readonly clock: Clock,
    private readonly events: EventSink,
  ) {
    this.#failures = new ClientTable<Failures>({
      create: () => ({ left: BURST, updatedAt: clock.now(), last: undefined, reported: false }),
      used: (state) => {
        const left = leftAt(state, this.clock.now());
        return left < 1 ? undefined : 1 - left / BURST;
      },
    });
  }

  /** Clients whose failures are counted. */
  get size(): number {
    return this.#failures.size;
  }

  /** @throws GatewayError `rate_limit_exceeded` for a client whose credentials are not checked */
  assertOpen(client: string, kind: CredentialKind): void {
    const state = this.#failures.find(client);
    if (!state || leftAt(state, this.clock.now()) > -TOLERATED) return;
    this.events.emit('auth.failed', { credential: kind, throttled: true });
    throw tooMany(1 / PER_SECOND);
  }

  /**
   * Checks a credential.
   * @param check throws one of the errors of `wrong` for a wrong credential
   * @throws GatewayError `rate_limit_exceeded`, or what `check` throws
   */
  run<Result>(credential: CredentialCheck, check: () => Result): Result {
    this.assertOpen(credential.client, credential.kind);
    try {
      return check();
    } catch (error) {
      if (!isWrong(credential, error)) throw error;
      const { state } = this.#take(credential);
      throw this.#failed(credential, state, error);
    }
  }

  /** The same for a check that waits. Checks that run at the same time count as failures until they have succeeded. */
  async runAsync<Result>(credential: CredentialCheck, check: () => Promise<Result>): Promise<Result> {
    this.assertOpen(credential.client, credential.kind);
    const { state, taken } = this.#take(credential);
    try {
      const result = await check();
      this.#refund(credential.client, state, taken);
      return result;
    } catch (error) {
      if (isWrong(credential, error)) throw this.#failed(credential, state, error);
      this.#refund(credential.client, state, taken);
      throw error;
    }
  }

  /** Counts a failure. @returns what it took, which is less than 1 at the end of the scale */
  #take({ client, fingerprint }: CredentialCheck): { readonly state: Failures; readonly taken: number } {
    const state = this.#failures.of(client);
    const now = this.clock.now();
    const left = leftAt(state, now);
    if (left === BURST) state.reported = false;
    // A program that repeats an expired key must not lock out all others of its address.
    const repeated = fingerprint !== undefined && fingerprint === state.last;
    const lowest = Math.min(left, repeated ? -1 : -TOLERATED);
    state.left = Math.max(lowest, left - (repeated ? REPEATED : 1));
    state.updatedAt = now;
    state.last = fingerprint;
    return { state, taken: left - state.left };
  }

  #refund(client: string, state: Failures, taken: number): void {
    state.left = Math.min(BURST, leftAt(state, this.clock.now()) + taken);
    state.updatedAt = this.clock.now();
    if (state.left === BURST && this.#failures.find(client) === state) this.#failures.delete(client);
  }

  /** @returns the error for the client: 429 where its burst is used up */
  #failed({ client, kind }: CredentialCheck, state: Failures, error: GatewayError): GatewayError {
    const throttled = state.left < 0;
    this.events.emit('auth.failed', { credential: kind, throttled });
    if (!throttled) return error;
    if (!state.reported) this.events.emit('auth.throttled', { address: client, credential: kind });
    state.reported = true;
    return error.code === 'rate_limit_exceeded' ? error : tooMany((1 - state.left) / PER_SECOND);
  }
}

function isWrong({ wrong = INVALID }: CredentialCheck, error: unknown): error is GatewayError {
  return error instanceof GatewayError && wrong.includes(error.code);
}

function leftAt({ left, updatedAt }: Failures, now: number): number {
  return Math.min(BURST, left + ((now - updatedAt) / 1000) * PER_SECOND);
}

function tooMany(wait: number): GatewayError {
  const seconds = Math.ceil(wait);
  return new GatewayError(
    'rate_limit_exceeded',
    `Too many wrong credentials from this address. Try again in ${seconds} s.`,
    { retryAfterSeconds: seconds },
  );
}
