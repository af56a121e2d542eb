import { BodyError, type HeaderReader, type HttpRequest } from '../core/http.ts';
import { BodyParts } from './body-parts.ts';
import type { RequestHead } from './request-head.ts';

/** What a request needs of its connection. */
export interface RequestCarrier {
  readonly remoteAddress: string;
  /** Whether it uses TLS. */
  readonly secure: boolean;
  /** More of the body than is kept unasked has come: stop reading, until it is wanted. */
  pauseBody(): void;
  /** The body is wanted now. */
  resumeBody(request: ServerRequest): void;
}

/** Bytes of a body that are kept before anybody has asked for it. */
const KEPT_UNASKED = 64 * 1024;

const NO_BYTES = new Uint8Array(0);

/** One request, as its head came; its body arrives while it is handled already. */
export class ServerRequest implements HttpRequest {
  readonly head: RequestHead;
  /** It has arrived to its end. */
  complete = false;
  /** The rest of the body is dropped. */
  dropped = false;
  readonly #carrier: RequestCarrier;
  #parts: BodyParts | undefined;
  #length = 0;
  #limit: number | undefined;
  #waiting: PromiseWithResolvers<Uint8Array> | undefined;
  #gone = false;
  #onDisconnect: (() => void) | undefined;
  #abort: AbortController | undefined;

  constructor(head: RequestHead, carrier: RequestCarrier) {
    this.head = head;
    this.#carrier = carrier;
  }

  get method(): string {
    return this.head.method;
  }

  get target(): string {
    return this.head.target;
  }

  get url(): string {
    const { host, target } = this.head;
    return `${this.#carrier.secure ? 'https' : 'http'}://${host === '' ? 'localhost' : host}${target === '*' ? '/' : target}`;
  }

  get headers(): HeaderReader {
    return this.head.headers;
  }

  get remoteAddress(): string {
    return this.#carrier.remoteAddress;
  }

  get signal(): AbortSignal {
    if (!this.#abort) {
      this.#abort = new AbortController();
      if (this.#gone) this.#abort.abort();
    }
    return this.#abort.signal;
  }

  onDisconnect(listener: () => void): void {
    this.#onDisconnect = listener;
    if (this.#gone) listener();
  }

  readBody(limit: number): Uint8Array | Promise<Uint8Array> {
    if (this.head.framing > limit || this.#length > limit) {
      this.#drop();
      throw new BodyError('too_large');
    }
    if (this.complete) return this.#take();
    if (this.#gone) throw new BodyError('ended_early');
    this.#limit = limit;
    this.#waiting = Promise.withResolvers();
    this.#carrier.resumeBody(this);
    return this.#waiting.promise;
  }

  // Events of the connection.

  received(bytes: Uint8Array): void {
    if (this.dropped) return;
    this.#parts ??= new BodyParts();
    this.#parts.add(bytes);
    this.#length += bytes.length;
    if (this.#limit === undefined) {
      if (this.#length > KEPT_UNASKED) this.#carrier.pauseBody();
    } else if (this.#length > this.#limit) {
      this.#drop();
      this.#waiting?.reject(new BodyError('too_large'));
    }
  }

  completed(): void {
    this.complete = true;
    if (!this.dropped) this.#waiting?.resolve(this.#take());
  }

  /** The connection is gone, or what comes on it is no request any more. */
  lost(): void {
    if (this.#gone) return;
    this.#gone = true;
    if (!this.complete && !this.dropped) this.#waiting?.reject(new BodyError('ended_early'));
    this.#onDisconnect?.();
    this.#abort?.abort();
  }

  /** It is answered: whatever of its body is still to come is of no use. */
  responseEnded(): void {
    this.#onDisconnect = undefined;
    if (!this.complete) this.#drop();
  }

  #take(): Uint8Array {
    const bytes = this.#parts?.take() ?? NO_BYTES;
    this.#parts = undefined;
    return bytes;
  }

  #drop(): void {
    this.dropped = true;
    this.#parts = undefined;
  }
}
