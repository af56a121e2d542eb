/**
 * The contract for calls to upstreams. Push-based, because a promise and a stream object per chunk cost more than all other
 * work on the chunk (docs/decisions/0002).
 */

/** Methods of requests to upstreams. */
export type UpstreamMethod = 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';

/** One HTTP request to an upstream. Header names are lower-case. */
export interface UpstreamRequest {
  readonly method: UpstreamMethod;
  /** Absolute `http:` or `https:` URL. */
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: string | Uint8Array;
}

/** Response headers by lower-case name; repeated headers are joined with ", ". */
export interface UpstreamHeaders {
  get(name: string): string | null;
  /** All names; absent where they cannot be listed. */
  keys?(): Iterable<string>;
}

/**
 * Receives one response: `onHead` once, `onData` any number of times, then exactly one of `onEnd` and `onError`. `onError`
 * can be called at any time; nothing is called after `onEnd`, `onError` or `UpstreamCall.abort()`. Handlers must not throw.
 */
export interface UpstreamHandler {
  /** Redirects are not followed; informational (1xx) responses are not reported. */
  onHead(status: number, headers: UpstreamHeaders): void;
  /** @param bytes belong to the receiver; the transport never writes to them again */
  onData(bytes: Uint8Array): void;
  /** The response is complete: all of its declared length, or its last chunk, has arrived. */
  onEnd(): void;
  onError(error: TransportError): void;
}

/** A call in progress. */
export interface UpstreamCall {
  /** Stops reading, which causes backpressure upstream. */
  pause(): void;
  resume(): void;
  /** Closes the connection at once. Idempotent; no handler method is called afterwards. */
  abort(): void;
}

/** Sends requests to upstreams. */
export interface Transport {
  /** Starts a call. Never throws: `onError` receives failures, always after `send` has returned. */
  send(request: UpstreamRequest, handler: UpstreamHandler): UpstreamCall;
  /** Closes idle connections. Calls in progress finish. */
  close(): void;
}

/** How a call failed without a complete response. */
export type TransportFailure =
  /** Name resolution failed, connection refused, unreachable, TLS handshake failed: nothing was sent. */
  | 'connect'
  /** Could not connect within the connect timeout: nothing was sent. */
  | 'connect_timeout'
  /** Closed before the first byte of the response. */
  | 'closed_before_response'
  /** Closed after the head but before the end of the body. */
  | 'closed_mid_body'
  /** The response is not valid HTTP/1.1. */
  | 'protocol';

/** A call that failed without a complete response. */
export class TransportError extends Error {
  constructor(
    readonly failure: TransportFailure,
    message: string,
    options?: { cause?: unknown },
  ) {
    super(message, options);
    this.name = 'TransportError';
  }
}
