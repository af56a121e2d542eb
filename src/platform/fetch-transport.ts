import {
  type Transport,
  TransportError,
  type TransportFailure,
  type UpstreamCall,
  type UpstreamHandler,
  type UpstreamHeaders,
  type UpstreamMethod,
  type UpstreamRequest,
} from '../core/transport.ts';
import { assertSendable } from './http1-headers.ts';

/** The options that a fetch function gets; both the global `fetch` and an in-process handler accept them. */
export interface FetchInit {
  readonly method: UpstreamMethod;
  readonly headers: Record<string, string>;
  readonly body?: string | Uint8Array<ArrayBuffer>;
  readonly redirect: 'manual';
  readonly signal: AbortSignal;
}

export type FetchLike = (url: string, init: FetchInit) => Response | Promise<Response>;

export interface FetchTransportOptions {
  /** Receives errors that handlers throw, against their contract. A process warning by default. */
  readonly onHandlerError?: (error: unknown) => void;
}

/**
 * Sends calls over a fetch-like function. Headers are sent unchanged: with
 * `accept-encoding: identity` nothing is compressed, without it the runtime's fetch asks for compression and
 * decodes it. The fetch function manages connections and the time to connect: `connect_timeout` is
 * never reported here. While a call is paused none of its handler's methods is called, and the body is
 * not read.
 */
export function createFetchTransport(fetchLike: FetchLike, options: FetchTransportOptions = {}): Transport {
  const onHandlerError = options.onHandlerError ?? warnOfHandlerError;
  return {
    send(request, handler) {
      const upstreamCall = new FetchCall(handler, onHandlerError);
      upstreamCall.start(fetchLike, request);
      return upstreamCall;
    },
    close() {
      // A fetch function manages its own connection pool and offers no way to close it.
    },
  };
}

type BodyReader = ReadableStreamDefaultReader<Uint8Array>;

/** Codings that the runtime decodes, whatever the request asked for. It keeps the header that names them. */
const DECODED = /^(?:x-)?(?:gzip|deflate|br|zstd)$/i;

function decodedHeaders(headers: Headers): UpstreamHeaders {
  const encoding = headers.get('content-encoding');
  if (encoding === null || !DECODED.test(encoding.trim())) return headers;
  return {
    get: (name) => (name === 'content-encoding' ? null : headers.get(name)),
    keys: () => headers.keys(),
  };
}

class FetchCall implements UpstreamCall {
  readonly #handler: UpstreamHandler;
  readonly #onHandlerError: (error: unknown) => void;
  readonly #controller = new AbortController();
  #reader: BodyReader | undefined;
  #gotHead = false;
  #paused = false;
  #finished = false;
  /** The callback of an event during a pause, to be called after it. */
  #held: (() => void) | undefined;

  constructor(handler: UpstreamHandler, onHandlerError: (error: unknown) => void) {
    this.#handler = handler;
    this.#onHandlerError = onHandlerError;
  }

  start(fetchLike: FetchLike, request: UpstreamRequest): void {
    // Async, so that a synchronous throw is a rejection and every failure comes after `send` has returned.
    const respond = async () => {
      for (const name in request.headers) assertSendable(name, request.headers[name] ?? '');
      return await fetchLike(request.url, {
        method: request.method,
        headers: { ...request.headers },
        ...(request.body === undefined ? {} : { body: ownBuffer(request.body) }),
        redirect: 'manual',
        signal: this.#controller.signal,
      });
    };
    respond().then(
      (response) => this.#whenRunning(() => this.#onResponse(response)),
      (error: unknown) => this.#whenRunning(() => this.#fail(error)),
    );
  }

  pause(): void {
    this.#paused = true;
  }

  resume(): void {
    if (!this.#paused) return;
    this.#paused = false;
    queueMicrotask(() => {
      const held = this.#held;
      if (this.#paused || held === undefined) return;
      this.#held = undefined;
      this.#whenRunning(held);
    });
  }

  abort(): void {
    if (!this.#finish()) return;
    const held = this.#held;
    this.#held = undefined;
    this.#discard();
    // A response that arrived during a pause still has a body to cancel; the handler is not called any more.
    held?.();
  }

  /** Runs a step that may call the handler: not while paused, and with nothing thrown into the runtime. */
  #whenRunning(step: () => void): void {
    if (this.#paused && !this.#finished) {
      this.#held = step;
      return;
    }
    try {
      step();
    } catch (error) {
      this.#handlerThrew(error);
    }
  }

  #onResponse(response: Response): void {
    if (this.#finished) {
      // A fetch function that ignores its signal.
      response.body?.cancel().catch(ignoreAfterEnd);
      return;
    }
    this.#gotHead = true;
    this.#reader = response.body?.getReader();
    this.#handler.onHead(response.status, decodedHeaders(response.headers));
    this.#readNext();
  }

  /** Reads again only after the last chunk was forwarded, and not while paused: that is the backpressure. */
  #readNext(): void {
    if (this.#finished) return;
    if (this.#paused) {
      this.#held = () => this.#readNext();
      return;
    }
    const reader = this.#reader;
    if (reader === undefined) {
      this.#end();
      return;
    }
    reader.read().then(
      ({ value, done }) => this.#whenRunning(() => (done ? this.#end() : this.#onChunk(value))),
      (error: unknown) => this.#whenRunning(() => this.#fail(error)),
    );
  }

  #onChunk(bytes: Uint8Array): void {
    if (this.#finished) return;
    if (bytes.byteLength > 0) this.#handler.onData(bytes);
    this.#readNext();
  }

  #end(): void {
    if (this.#finish()) this.#handler.onEnd();
  }

  #fail(error: unknown): void {
    if (!this.#finish()) return;
    this.#handler.onError(error instanceof TransportError ? error : toTransportError(error, this.#gotHead));
  }

  #handlerThrew(error: unknown): void {
    this.#onHandlerError(error);
    if (!this.#finish()) return;
    this.#discard();
    try {
      // The handler still learns that its call has ended, so that it can release its resources.
      this.#handler.onError(
        new TransportError('closed_mid_body', 'a response handler threw', { cause: error }),
      );
    } catch (second) {
      this.#onHandlerError(second);
    }
  }

  /** @returns false when the call had already ended. */
  #finish(): boolean {
    if (this.#finished) return false;
    this.#finished = true;
    return true;
  }

  #discard(): void {
    this.#controller.abort();
    // An in-process handler's stream may not be tied to the signal.
    this.#reader?.cancel().catch(ignoreAfterEnd);
  }
}

/** The call is already reported as ended; a failure to cancel its body changes nothing. */
function ignoreAfterEnd(): undefined {
  return undefined;
}

function warnOfHandlerError(error: unknown): void {
  process.emitWarning(error instanceof Error ? error : String(error));
}

/** The types of fetch reject views of shared memory, so such a view is copied. */
export function ownBuffer(body: string | Uint8Array): string | Uint8Array<ArrayBuffer> {
  if (typeof body === 'string') return body;
  const { buffer } = body;
  return buffer instanceof ArrayBuffer
    ? new Uint8Array(buffer, body.byteOffset, body.byteLength)
    : new Uint8Array(body);
}

/** Error codes of the runtime's fetch or of the system where no request was sent. */
const CONNECT_CODES =
  /^(?:ECONNREFUSED|ConnectionRefused|FailedToOpenSocket|ENOTFOUND|EAI_\w+|DNS\w*|EHOSTUNREACH|ENETUNREACH|EADDRNOTAVAIL|EMFILE|EPROTO|ERR_INVALID_URL|ERR_INVALID_ARG_VALUE)$/;
const CERTIFICATE_CODES =
  /CERT|^UNABLE_TO_|^ERR_TLS_|^ERR_SSL|^HOSTNAME_MISMATCH$|^INVALID_(?:CA|PURPOSE)$|^CRL_|^PATH_LENGTH_EXCEEDED$/;
const PROTOCOL_CODES =
  /^(?:Malformed_HTTP_Response|InvalidHTTPResponse|InvalidContentLength|\w*(?:Zlib|Brotli|Zstd)\w*|HTTP2\w*|ResponseHeadersTooLarge|UnsupportedTransferEncoding\w*)$/;

/** The most specific known failure; otherwise the weaker claim that the connection closed. */
function toTransportError(error: unknown, gotHead: boolean): TransportError {
  const code = codeOf(error);
  const message = error instanceof Error ? error.message : String(error);
  return new TransportError(failureOf(code, gotHead), message, { cause: error });
}

function failureOf(code: string, gotHead: boolean): TransportFailure {
  if (PROTOCOL_CODES.test(code)) return 'protocol';
  if (gotHead) return 'closed_mid_body';
  return CONNECT_CODES.test(code) || CERTIFICATE_CODES.test(code) ? 'connect' : 'closed_before_response';
}

function codeOf(error: unknown): string {
  if (typeof error !== 'object' || error === null || !('code' in error)) return '';
  return typeof error.code === 'string' ? error.code : '';
}
