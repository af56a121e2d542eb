import { BodyError, type HeaderReader, type HttpRequest } from '../core/http.ts';
import { BodyParts } from './body-parts.ts';
import type { ConnectionMemory } from './connection-memory.ts';
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
  /** Counts the bytes of bodies. */
  readonly memory: ConnectionMemory;
}

/** Bytes of a body that are kept before the handler reads it. */
const MAX_UNREAD = 64 * 1024;

/** Bytes of a streamed body that are kept while its handler processes a part. */
const MAX_PART = 256 * 1024;

const NO_BYTES = new Uint8Array(0);

/** One request. It is handled when its head has arrived; its body may arrive meanwhile. */
export class ServerRequest implements HttpRequest {
  readonly head: RequestHead;
  /** It has arrived to its end. */
  complete = false;
  /** The tenant, or another holder, whose responses are counted together. */
  account: string | undefined;
  readonly #carrier: RequestCarrier;
  /** Why the rest of its body is not read. */
  #dropped: BodyError | undefined;
  #parts: BodyParts | undefined;
  #length = 0;
  /** Bytes that count as kept: until the end of the request, since its handler holds the body. */
  #kept = 0;
  /** Bytes of a streamed body that its handler has processed. */
  #processed = 0;
  #isStreamed = false;
  /** The longest body that the route takes. */
  #maxBody = Number.POSITIVE_INFINITY;
  #limit: number | undefined;
  #waiting: PromiseWithResolvers<Uint8Array> | undefined;
  #gone = false;
  /** Its response is sent. */
  #isAnswered = false;
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

  /** More of the body is expected, and kept. */
  get arriving(): boolean {
    return !this.complete && this.#dropped === undefined;
  }

  onDisconnect(listener: () => void): void {
    if (this.#gone) listener();
    else if (this.#onDisconnect) this.#onDisconnect.push(listener);
    else this.#onDisconnect = [listener];
  }

  limitBody(bytes: number): void {
    this.#maxBody = bytes;
    if (this.#length > bytes) this.#drop(BodyError.tooLarge(bytes));
  }

  chargeTo(account: string): void {
    this.account = account;
  }

  keepBytes(bytes: number): void {
    if (this.#gone || this.#isAnswered) throw new BodyError('ended_early');
    if (!this.#carrier.memory.keepBody(bytes, this.#kept + bytes, this.#limit === undefined)) {
      throw new BodyError('no_memory');
    }
    this.#kept += bytes;
  }

  readBody(wanted: number): Uint8Array | Promise<Uint8Array> {
    this.#ask(wanted);
    if (this.complete) return this.#take();
    return this.#nextBytes();
  }

  streamBody(wanted: number): AsyncIterable<Uint8Array> {
    this.#ask(wanted);
    this.#isStreamed = true;
    return this.#streamParts();
  }

  async *#streamParts(): AsyncGenerator<Uint8Array> {
    while (true) {
      if (this.#dropped) throw this.#dropped;
      if (this.#gone) throw new BodyError('ended_early');
      const bytes = this.#take();
      if (bytes.length > 0) {
        yield bytes;
        this.#release(Math.min(bytes.length, this.#kept));
        this.#processed += bytes.length;
      } else if (this.complete) return;
      else await this.#nextBytes();
    }
  }

  /** The handler asks for the body. @throws BodyError where it is too long already */
  #ask(wanted: number): void {
    const limit = Math.min(wanted, this.#maxBody);
    if (this.head.framing > limit || this.#length > limit) this.#drop(BodyError.tooLarge(limit));
    if (this.#dropped) throw this.#dropped;
    if (this.#limit === undefined) this.#carrier.memory.bodyAsked(this.#kept);
    this.#limit = limit;
  }

  #nextBytes(): Promise<Uint8Array> {
    if (this.#gone) throw new BodyError('ended_early');
    this.#waiting = Promise.withResolvers();
    this.#carrier.resumeBody(this);
    return this.#waiting.promise;
  }

  // Events of the connection.

  /**
   * The bytes of `read` from `from` up to `to` are of the body.
   * @param mayKeep whether `read` stays as it is after the call
   * @returns whether `read` is kept
   */
  received(read: Uint8Array, from: number, to: number, mayKeep: boolean): boolean {
    if (this.#dropped) return false;
    const bytes = to - from;
    this.#length += bytes;
    const limit = this.#limit ?? this.#maxBody;
    if (this.#length > limit) {
      this.fail(BodyError.tooLarge(limit));
      return false;
    }
    this.#parts ??= new BodyParts();
    return this.#parts.add(read, from, to, mayKeep);
  }

  /** Counts what has arrived of the body, once for each read of the socket: a read may have thousands of parts. */
  countBody(): void {
    const bytes = this.#length - this.#processed - this.#kept;
    if (bytes === 0 || this.#dropped) return;
    const unread = this.#limit === undefined;
    if (!this.#carrier.memory.keepBody(bytes, this.#kept + bytes, unread)) {
      this.fail(new BodyError('no_memory'));
      return;
    }
    this.#kept += bytes;
    if (unread ? this.#length > MAX_UNREAD : this.#isStreamed && this.#kept > MAX_PART) {
      this.#carrier.pauseBody();
    }
    if (this.#isStreamed) this.#waiting?.resolve(NO_BYTES);
  }

  completed(): void {
    // Before the handler has it.
    this.countBody();
    this.complete = true;
    if (!this.#dropped) this.#waiting?.resolve(this.#isStreamed ? NO_BYTES : this.#take());
  }

  /**
   * The rest of the body is not read.
   * @returns whether the handler waits for the body, and so responds
   */
  fail(error: BodyError): boolean {
    this.#drop(error);
    this.#carrier.pauseBody();
    this.#waiting?.reject(error);
    return this.#waiting !== undefined;
  }

  /** The connection is closed, or the rest of the body is malformed. */
  lost(): void {
    if (this.#gone) return;
    this.#gone = true;
    if (this.arriving) this.#waiting?.reject(new BodyError('ended_early'));
    this.#parts?.release();
    this.#release();
    try {
      for (const listener of this.#onDisconnect ?? []) listener();
    } finally {
      this.#abort?.abort();
    }
  }

  /** Its response is sent: the rest of its body is not read. */
  responseEnded(): void {
    this.#onDisconnect = undefined;
    this.#isAnswered = true;
    if (!this.complete) this.#drop(new BodyError('ended_early'));
    this.#release();
  }

  #take(): Uint8Array {
    const bytes = this.#parts?.take() ?? NO_BYTES;
    this.#parts = undefined;
    return bytes;
  }

  #drop(error: BodyError): void {
    if (this.complete && this.#limit !== undefined) return;
    this.#dropped ??= error;
    // Not released: the parser may be within the read that a part is of.
    this.#parts = undefined;
    this.#release();
  }

  #release(bytes = this.#kept): void {
    if (bytes === 0) return;
    this.#carrier.memory.releaseBody(bytes, this.#limit === undefined);
    this.#kept -= bytes;
  }
}
