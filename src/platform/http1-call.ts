import {
  TransportError,
  type UpstreamCall,
  type UpstreamHandler,
  type UpstreamHeaders,
} from '../core/transport.ts';
import type { AssignedCall, Http1Connection } from './http1-connection.ts';
import type { RequestTarget } from './http1-request.ts';

const NO_PARTS: readonly (string | Uint8Array)[] = [];

/** What a call needs of its client. */
export interface CallOwner {
  /** Sends the call on a new connection, or queues it for one. */
  startAnew(upstreamCall: Http1Call): void;
  /** Called once, when the call has ended. */
  finished(): void;
  /** A handler broke its contract. */
  handlerThrew(error: unknown): void;
}

/** One call: between its handler and the connection that carries it. */
export class Http1Call implements UpstreamCall, AssignedCall {
  connection: Http1Connection | undefined;
  /** Removes the call from the queue and clears its timer, while it waits for a connection. */
  stopWaiting: (() => void) | undefined;
  readonly target: RequestTarget | undefined;
  #parts: readonly (string | Uint8Array)[];
  readonly #client: CallOwner;
  readonly #handler: UpstreamHandler;
  #paused = false;
  #finished = false;
  readonly isIdempotent: boolean;
  #sentAgain = false;

  constructor(
    client: CallOwner,
    target: RequestTarget | undefined,
    parts: readonly (string | Uint8Array)[],
    isIdempotent: boolean,
    handler: UpstreamHandler,
  ) {
    this.#client = client;
    this.target = target;
    this.#parts = parts;
    this.isIdempotent = isIdempotent;
    this.#handler = handler;
  }

  get parts(): readonly (string | Uint8Array)[] {
    return this.#parts;
  }

  get paused(): boolean {
    return this.#paused;
  }

  pause(): void {
    if (this.#paused) return;
    this.#paused = true;
    this.connection?.pause();
  }

  resume(): void {
    if (!this.#paused) return;
    this.#paused = false;
    this.connection?.resume();
  }

  abort(): void {
    const { connection } = this;
    if (!this.#finish()) return;
    connection?.destroy();
  }

  onHead(status: number, headers: UpstreamHeaders): void {
    // The request is not sent again from here on: a large body need not stay in memory during a long response.
    this.#parts = NO_PARTS;
    this.#handler.onHead(status, headers);
  }

  onData(bytes: Uint8Array): void {
    this.#handler.onData(bytes);
  }

  onEnd(): void {
    if (!this.#finish()) return;
    try {
      this.#handler.onEnd();
    } catch (error) {
      this.#client.handlerThrew(error);
    }
  }

  onFailure(error: unknown): void {
    if (!this.#finish()) return;
    if (error instanceof TransportError) {
      this.#fail(error);
      return;
    }
    // The handler still learns that its call has ended, so that it can release its resources.
    const ended = new TransportError('closed_mid_body', 'a response handler threw', { cause: error });
    this.#client.handlerThrew(error);
    this.#fail(ended);
  }

  onUnsent(): void {
    if (!this.#finished) this.#client.startAnew(this);
  }

  onUnanswered(): void {
    if (this.#finished) return;
    if (this.#sentAgain) {
      this.onFailure(
        new TransportError('closed_before_response', 'the upstream closed two kept connections unanswered'),
      );
      return;
    }
    this.#sentAgain = true;
    this.#client.startAnew(this);
  }

  /** @returns false when the call had already ended. */
  #finish(): boolean {
    if (this.#finished) return false;
    this.#finished = true;
    this.#parts = NO_PARTS;
    this.stopWaiting?.();
    this.connection = undefined;
    this.#client.finished();
    return true;
  }

  #fail(error: TransportError): void {
    try {
      this.#handler.onError(error);
    } catch (thrown) {
      this.#client.handlerThrew(thrown);
    }
  }
}
