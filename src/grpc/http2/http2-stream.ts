import { DEFAULT_WINDOW, ERROR, FRAME, headerFrames, MAX_WINDOW, numberFrame } from './frames.ts';
import { encodeHeaders } from './hpack-encoder.ts';
import type { RequestHead } from './request-headers.ts';

type Headers = Iterable<readonly [name: string, value: string]>;

/** Receives what happens to one stream. None of its functions may throw. */
export interface StreamHandler {
  /** @param bytes belong to the handler, which gives them back with `grant` when it has read them */
  received(bytes: Uint8Array): void;
  /** The client sends no more. */
  ended(): void;
  /** The client takes more, after `write` returned false. */
  drained(): void;
  /** The stream is closed before its response was complete. Called once. */
  lost(): void;
  /** A second has passed. */
  tick(): void;
}

/** What a stream needs of its connection. */
export interface StreamCarrier {
  readonly remoteAddress: string;
  readonly secure: boolean;
  /** The socket takes no more at present. */
  readonly blocked: boolean;
  send(bytes: Uint8Array): void;
  /** The stream has data, and maybe a window for it. */
  flush(stream: Http2Stream): void;
  /** The bytes have changed that wait because the client takes no more. */
  backlogChanged(change: number): void;
  /** Counts what waits with other responses of an account. */
  chargeTo(account: string): void;
  finished(stream: Http2Stream): void;
}

/** Bytes that a client may send ahead once a handler reads the stream. */
const READING_WINDOW = 1024 * 1024;

/** One request and its response, on a connection with others. */
export class Http2Stream {
  /** Bytes that the client may still send. */
  receiveWindow = DEFAULT_WINDOW;
  /** Bytes that the client still takes. */
  sendWindow: number;
  /** The client sends no more. */
  isRemoteClosed = false;
  /** No more of the stream is sent. */
  isClosed = false;
  /** Bytes of data that the client has taken, for the clock of slow clients. */
  sentBytes = 0;
  /** Bytes of data that have arrived. */
  #receivedBytes = 0;
  #handler: StreamHandler | undefined;
  #granted = 0;
  #isReading = false;
  #hasHeaders = false;
  #pending: Uint8Array[] = [];
  #pendingBytes = 0;
  #needsDrain = false;
  #trailers: Headers | undefined;

  constructor(
    readonly id: number,
    readonly head: RequestHead,
    private readonly carrier: StreamCarrier,
    sendWindow: number,
  ) {
    this.sendWindow = sendWindow;
  }

  get remoteAddress(): string {
    return this.carrier.remoteAddress;
  }

  get secure(): boolean {
    return this.carrier.secure;
  }

  /** Headers have been sent. */
  get hasHeaders(): boolean {
    return this.#hasHeaders;
  }

  /** Bytes that wait for the client. */
  get pendingBytes(): number {
    return this.#pendingBytes;
  }

  /** The data is not as long as `content-length` says. */
  get hasWrongLength(): boolean {
    const length = this.head.headers.get('content-length');
    return length !== null && length !== String(this.#receivedBytes);
  }

  /** It waits for a window or the end of its data. */
  get hasOutput(): boolean {
    return this.#pendingBytes > 0 || this.#trailers !== undefined;
  }

  handledBy(handler: StreamHandler): void {
    this.#handler = handler;
  }

  // The side of the handler.

  /** The client may send more than the first bytes: the handler reads them. */
  startReading(): void {
    if (this.#isReading || this.isClosed) return;
    this.#isReading = true;
    this.grant(READING_WINDOW - DEFAULT_WINDOW);
  }

  /** @param account the tenant, or another holder, whose responses are counted together */
  chargeTo(account: string): void {
    this.carrier.chargeTo(account);
  }

  /** @param bytes that the client may send in addition */
  grant(bytes: number): void {
    if (this.isClosed || this.isRemoteClosed) return;
    this.#granted += bytes;
    if (this.#granted < DEFAULT_WINDOW / 4) return;
    this.receiveWindow += this.#granted;
    this.carrier.send(numberFrame(FRAME.WINDOW_UPDATE, this.id, this.#granted));
    this.#granted = 0;
  }

  /** @param headers names in lower case; values of printable ASCII */
  sendHeaders(headers: Headers): void {
    if (this.isClosed || this.#hasHeaders) return;
    this.#sendHeaders(headers, false);
  }

  /** @param bytes not changed afterwards @returns false when the caller should wait for `drained` */
  write(bytes: Uint8Array): boolean {
    if (this.isClosed || this.#trailers) return true;
    this.#pending.push(bytes);
    this.#pendingBytes += bytes.length;
    this.carrier.backlogChanged(bytes.length);
    this.carrier.flush(this);
    const hasRoom = this.#pendingBytes === 0 && !this.carrier.blocked;
    if (!hasRoom) this.#needsDrain = true;
    return hasRoom;
  }

  /** Ends the response, after what was written. */
  end(trailers: Headers): void {
    if (this.isClosed || this.#trailers) return;
    this.#trailers = trailers;
    this.carrier.flush(this);
  }

  /** Ends the stream at once. */
  reset(code: number): void {
    if (this.isClosed) return;
    this.carrier.send(numberFrame(FRAME.RST_STREAM, this.id, code));
    this.#close();
  }

  // The side of the connection.

  received(bytes: Uint8Array): void {
    this.#receivedBytes += bytes.length;
    this.#handler?.received(bytes);
  }

  remoteEnded(): void {
    if (this.isRemoteClosed) return;
    this.isRemoteClosed = true;
    this.#handler?.ended();
  }

  /** The client or the connection ended it. */
  lost(): void {
    if (!this.isClosed) this.#close();
  }

  tick(): void {
    this.#handler?.tick();
  }

  /** @returns false where the window becomes too large */
  widen(bytes: number): boolean {
    this.sendWindow += bytes;
    return this.sendWindow <= MAX_WINDOW;
  }

  /** Takes data of at most `max` bytes to be sent. */
  take(max: number): Uint8Array {
    const [first = new Uint8Array(0)] = this.#pending;
    const part = first.length <= max ? first : first.subarray(0, max);
    if (part.length === first.length) this.#pending.shift();
    else this.#pending[0] = first.subarray(max);
    this.#pendingBytes -= part.length;
    this.sendWindow -= part.length;
    this.sentBytes += part.length;
    this.carrier.backlogChanged(-part.length);
    return part;
  }

  /** Ends the response where all of it is sent. */
  finishOutput(): void {
    if (this.isClosed || this.#pendingBytes > 0 || !this.#trailers) return;
    this.#sendHeaders(this.#trailers, true);
    // The response is complete without the rest of the request (RFC 9113, section 8.1).
    if (!this.isRemoteClosed) {
      this.carrier.send(numberFrame(FRAME.RST_STREAM, this.id, ERROR.NO_ERROR));
    }
    this.isClosed = true;
    this.carrier.finished(this);
  }

  /** All data is sent, and the socket takes more. */
  drained(): void {
    if (!this.#needsDrain || this.#pendingBytes > 0) return;
    this.#needsDrain = false;
    this.#handler?.drained();
  }

  #sendHeaders(headers: Headers, endStream: boolean): void {
    this.#hasHeaders = true;
    for (const bytes of headerFrames(this.id, encodeHeaders(headers), endStream)) this.carrier.send(bytes);
  }

  #close(): void {
    this.isClosed = true;
    if (this.#pendingBytes > 0) this.carrier.backlogChanged(-this.#pendingBytes);
    this.#pending = [];
    this.#pendingBytes = 0;
    this.#trailers = undefined;
    this.carrier.finished(this);
    this.#handler?.lost();
  }
}
