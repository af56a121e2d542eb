import { BodyError, type HeaderReader, type HttpRequest } from '../core/http.ts';
import { BodyParts } from './body-parts.ts';
import type { RequestHead } from './request-head.ts';

/** What a request needs of its connection. */
export interface RequestCarrier {
  readonly remoteAddress: string;
  /** Whether it uses TLS. */
  readonly secure: boolean;
  /** Stops reading: more of the body has arrived than is kept before the handler reads it. */
  pauseBody(): void;
  /** The handler reads the body now. */
  resumeBody(request: ServerRequest): void;
}

/** Bytes of a body that are kept before the handler reads it. */
const MAX_UNREAD = 64 * 1024;

const NO_BYTES = new Uint8Array(0);

/** One request. It is handled when its head has arrived; its body may arrive meanwhile. */
export class ServerRequest implements HttpRequest {
  readonly head: RequestHead;
  /** It has arrived to its end. */
  complete = false;
  readonly #carrier: RequestCarrier;
  /** The rest of its body is not read. */
  #dropped = false;
  #parts: BodyParts | undefined;
  #length = 0;
  #limit: number | undefined;
  #waiting: PromiseWithResolvers<Uint8Array> | undefined;
  #gone = false;
  #onDisconnect: (() => void)[] | undefined;
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
    if (this.#gone) listener();
    else if (this.#onDisconnect) this.#onDisconnect.push(listener);
    else this.#onDisconnect = [listener];
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
    if (this.#dropped) return;
    this.#parts ??= new BodyParts();
    this.#parts.add(bytes);
    this.#length += bytes.length;
    if (this.#limit === undefined) {
      if (this.#length > MAX_UNREAD) this.#carrier.pauseBody();
    } else if (this.#length > this.#limit) {
      this.#drop();
      this.#waiting?.reject(new BodyError('too_large'));
    }
  }

  completed(): void {
    this.complete = true;
    if (!this.#dropped) this.#waiting?.resolve(this.#take());
  }

  /** The connection is closed, or the rest of the body is malformed. */
  lost(): void {
    if (this.#gone) return;
    this.#gone = true;
    if (!this.complete && !this.#dropped) this.#waiting?.reject(new BodyError('ended_early'));
    try {
      for (const listener of this.#onDisconnect ?? []) listener();
    } finally {
      this.#abort?.abort();
    }
  }

  /** Its response is sent: the rest of its body is not read. */
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
    this.#dropped = true;
    this.#parts = undefined;
  }
}
