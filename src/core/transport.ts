/**
 * How one upstream HTTP exchange is carried. Push-based, because a promise and a stream object per chunk
 * cost more than everything else that the gateway does with it (docs/decisions/0002).
 */

/** One HTTP request to an upstream. Header names are lower-case. */
export interface UpstreamRequest {
  readonly method: 'GET' | 'POST';
  /** Absolute `http:` or `https:` URL. */
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: string | Uint8Array;
}

/** Response headers by lower-case name; repeated headers are joined with ", ". */
export interface UpstreamHeaders {
  get(name: string): string | null;
}

/**
 * Receives one exchange: `onHead` once, `onData` any number of times, then exactly one of `onEnd` and
 * `onError`. `onError` may come at any time; nothing follows `onEnd`, `onError` or `UpstreamCall.abort()`.
 * Handlers must not throw.
 */
export interface UpstreamHandler {
  /** Redirects are not followed; informational (1xx) responses are not reported. */
  onHead(status: number, headers: UpstreamHeaders): void;
  /** The bytes belong to the receiver and are never reused. */
  onData(bytes: Uint8Array): void;
  /** The message is complete: all of its declared length, or its last chunk, has arrived. */
  onEnd(): void;
  onError(error: TransportError): void;
}

/** A running upstream call, for the side that receives its response. */
export interface UpstreamCall {
  /** Stops reading, so that the upstream feels back-pressure. */
  pause(): void;
  resume(): void;
  /** Closes the connection at once. Idempotent; no handler method is called afterwards. */
  abort(): void;
}

/** Carries calls to upstreams. */
export interface Transport {
  /** Starts an exchange. Never throws: failures arrive by `onError`, always after `send` has returned. */
  send(request: UpstreamRequest, handler: UpstreamHandler): UpstreamCall;
  /** Closes idle connections. Exchanges in flight finish. */
  close(): void;
}

/** The stage at which a call failed, which decides whether it can be repeated. */
export type TransportFailure =
  /** Name resolution failed, connection refused, unreachable, TLS handshake failed: nothing was sent. */
  | 'connect'
  /** Could not connect within the connect timeout: nothing was sent. */
  | 'connect_timeout'
  /** Closed before the first byte of the response. */
  | 'closed_before_response'
  /** Closed after the head but before the end of the body. */
  | 'closed_mid_body'
  /** What arrived is not HTTP/1.1, or breaks its framing. */
  | 'protocol';

/** A call that got no complete response. Its message names the cause and holds no credential. */
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
