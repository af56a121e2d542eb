import { decodeLossyUtf8 } from '../core/bytes.ts';
import { TransportError, type UpstreamHeaders } from '../core/transport.ts';
import type { PooledConnection } from './connection-pool.ts';
import { DEFAULT_PARSER_LIMITS, type ParserLimits } from './http1-message.ts';
import { ResponseParser, type ResponseSink } from './http1-parser.ts';
import type { RequestTarget } from './http1-request.ts';
import { SocketWriter, type WritableSocket } from './socket-writer.ts';
import type { WriteBatch } from './write-batch.ts';

/** One call as its connection sees it: a request to send, and the receiver of its response. */
export interface AssignedCall {
  /** The request, in order; strings are written as UTF-8. */
  readonly parts: readonly (string | Uint8Array)[];
  readonly paused: boolean;
  /** The request has no effect at the upstream, so that sending it twice is harmless (RFC 9110, section 9.2.2). */
  readonly isIdempotent: boolean;
  onHead(status: number, headers: UpstreamHeaders): void;
  onData(bytes: Uint8Array): void;
  /** Never throws. */
  onEnd(): void;
  /** Never throws. `error` is a TransportError, or what a handler threw. */
  onFailure(error: unknown): void;
  /** The kept-alive connection could not be used, and no byte of the request was sent: it can go to another one. */
  onUnsent(): void;
  /** The kept-alive connection closed without a response to an idempotent request, which the server may have read. */
  onUnanswered(): void;
}

export interface ConnectionOwner<C> {
  readonly batch: WriteBatch;
  onOpen(): void;
  /** The response is complete and the connection can be used for another call. */
  onReusable(connection: C, keepAliveSeconds: number | undefined): void;
  /** Whether nothing has followed the responses of this origin so far. */
  isTrusted(origin: string): boolean;
  /** Nothing followed a response for a while. */
  onQuiet(connection: C): void;
  /** The upstream sent bytes that belong to no request. */
  onLateBytes(connection: C): void;
  onClose(connection: C): void;
}

/** Probes a silent upstream after this time, so that a host that is gone does not hold a call forever. */
const TCP_KEEP_ALIVE_MS = 30_000;
/**
 * Milliseconds until the next request, where bytes may follow a response: after a status without a body, and for an upstream
 * that has not shown yet that nothing follows.
 */
export const SETTLE_MS = 30;

/** Chunks of a stream have more data than framing, unless the upstream wants to cost the gateway CPU time. */
const LIMITS: ParserLimits = { ...DEFAULT_PARSER_LIMITS, maxFramingBytes: 1024 * 1024 };

const IDLE_TIMEOUT = /^HTTP\/1\.[01] 408 /;

/** Whether this is the response with which some proxies announce that they close an idle connection. */
function isIdleTimeout(bytes: Uint8Array): boolean {
  return IDLE_TIMEOUT.test(decodeLossyUtf8(bytes.subarray(0, 16)));
}

/** @returns what the runtime found wrong with a certificate or handshake, with its code */
function describeTlsError(error: Error): string {
  const code = 'code' in error && typeof error.code === 'string' ? ` (${error.code})` : '';
  return `${error.message}${code}`;
}

/**
 * One TCP connection, with one call at a time.
 *
 * Depends on these facts about the runtime's sockets, which the conformance suite covers: every
 * `data` event has a fresh buffer; `write` returns the bytes taken, and -1 on a closed socket; a paused
 * socket reads nothing, and reports the peer's FIN after `resume` but its RST at once; `terminate` calls
 * `close` before it returns; `drain` also comes when there is nothing to write.
 */
export class Http1Connection implements PooledConnection, ResponseSink, WritableSocket {
  readonly origin: string;
  /** Its owner no longer counts it as open. */
  released = false;
  /** Called once, when requests can be sent, or when the connection closes before. */
  onConnected: () => void = () => undefined;
  readonly #host: string;
  /** Requests can be sent: after the TLS handshake, where there is one. */
  #isReady: boolean;
  readonly #owner: ConnectionOwner<Http1Connection>;
  readonly #parser = new ResponseParser(this, LIMITS);
  #socket: Bun.Socket<Http1Connection> | undefined;
  #upstreamCall: AssignedCall | undefined;
  readonly #writer: SocketWriter;
  /** The connection had a call before the current one. */
  #reused = false;
  /** The kernel took a byte of the current request: the upstream may have read it. */
  #sent = false;
  #gotBytes = false;
  #gotHead = false;
  /** The turn of the event loop in which the last response ended. */
  #endedInTurn = -1;
  /** Runs while the connection settles after a response. */
  #settling: ReturnType<typeof setTimeout> | undefined;
  /** Closed while the reader was paused: reported when it resumes. */
  #pendingClose: { readonly error: Error | undefined } | undefined;

  constructor(target: RequestTarget, owner: ConnectionOwner<Http1Connection>) {
    this.origin = target.origin;
    this.#host = target.host;
    this.#isReady = target.tls === undefined;
    this.#owner = owner;
    // Deferred, because this may run inside `send`.
    this.#writer = new SocketWriter(
      owner.batch,
      () => undefined,
      () => queueMicrotask(() => this.#writeFailed()),
    );
  }

  /** Starts a call, now or when the connection opens. Failures are never reported synchronously. */
  carry(upstreamCall: AssignedCall): void {
    this.#upstreamCall = upstreamCall;
    this.#sent = false;
    this.#gotBytes = false;
    this.#gotHead = false;
    this.#parser.reset();
    // The socket is not paused before the request is sent: it would not show what comes before.
    if (upstreamCall.paused) this.#parser.pause();
    if (this.#socket !== undefined) {
      this.#reused = true;
      this.#sendWhenQuiet(upstreamCall);
    }
  }

  /**
   * Sends a request on a reused connection after the event loop has read what came behind the last response: in the next
   * turn, where that response ended in this one.
   */
  #sendWhenQuiet(upstreamCall: AssignedCall): void {
    if (this.#settling !== undefined) return;
    if (this.#owner.batch.turn !== this.#endedInTurn) {
      this.#send(upstreamCall);
      return;
    }
    setImmediate(() => {
      if (this.#upstreamCall === upstreamCall) this.#send(upstreamCall);
    });
  }

  pause(): void {
    this.#parser.pause();
    this.#socket?.pause();
  }

  /** Delivers held bytes before newer ones, and not from inside this call. */
  resume(): void {
    const upstreamCall = this.#upstreamCall;
    queueMicrotask(() => {
      if (upstreamCall !== undefined && this.#upstreamCall === upstreamCall && !upstreamCall.paused)
        this.#continue(upstreamCall);
    });
  }

  /** Drops the call and resets the connection, so that the upstream notices at once. */
  destroy(): void {
    this.#upstreamCall = undefined;
    clearTimeout(this.#settling);
    this.#writer.close();
    this.#pendingClose = undefined;
    this.#parser.stop();
    this.#socket?.terminate();
  }

  closeIdle(): void {
    this.#socket?.end();
  }

  /** The attempt to connect failed, or took too long. */
  failToConnect(error: TransportError): void {
    const upstreamCall = this.#upstreamCall;
    this.destroy();
    upstreamCall?.onFailure(error);
  }

  // Socket events.

  opened(socket: Bun.Socket<Http1Connection>): void {
    this.#socket = socket;
    this.#writer.open(this);
    this.#owner.onOpen();
    const upstreamCall = this.#upstreamCall;
    if (upstreamCall === undefined) {
      socket.terminate();
      return;
    }
    socket.setKeepAlive(true, TCP_KEEP_ALIVE_MS);
    if (!this.#isReady) return;
    this.onConnected();
    this.#send(upstreamCall);
  }

  /** The TLS handshake ended. The runtime closes a connection whose certificate it rejects. */
  secured(success: boolean, error: Error | null): void {
    if (this.#isReady) return;
    const upstreamCall = this.#upstreamCall;
    if (!success) {
      const reason = error === null ? 'the TLS handshake failed' : describeTlsError(error);
      this.failToConnect(
        new TransportError('connect', `cannot connect to ${this.#host}: ${reason}`, { cause: error }),
      );
      return;
    }
    this.#isReady = true;
    this.onConnected();
    if (upstreamCall !== undefined) this.#send(upstreamCall);
  }

  received(bytes: Uint8Array): void {
    if (this.#upstreamCall === undefined || (this.#reused && !this.#sent)) {
      // Bytes that came before the request would become part of its response.
      if (!isIdleTimeout(bytes)) this.#owner.onLateBytes(this);
      this.#moveCall();
      return;
    }
    this.#gotBytes = true;
    try {
      this.#parser.push(bytes);
    } catch (error) {
      this.failed(error);
    }
  }

  drained(): void {
    this.#writer.drained();
  }

  /** @param error why, or undefined for an orderly end. */
  closed(error: Error | undefined): void {
    if (this.#socket === undefined) return;
    this.#socket = undefined;
    clearTimeout(this.#settling);
    this.#writer.close();
    this.#owner.onClose(this);
    this.onConnected();
    if (this.#upstreamCall === undefined) return;
    if (!this.#isReady) {
      const message = `cannot connect to ${this.#host}: the connection closed within the TLS handshake`;
      this.failToConnect(new TransportError('connect', message, { cause: error }));
    } else if (this.#reused && !this.#sent) this.#moveCall();
    else if (this.#parser.paused) this.#pendingClose = { error };
    else this.#settleClose(error);
  }

  /** The runtime reports a broken connection: damaged TLS, for example. */
  socketFailed(cause: Error): void {
    const failure = !this.#isReady ? 'connect' : this.#gotHead ? 'closed_mid_body' : 'closed_before_response';
    this.failed(
      new TransportError(failure, `the connection to ${this.#host} broke: ${cause.message}`, { cause }),
    );
  }

  /** The rest of the response is not readable: invalid framing, or a handler that threw. */
  failed(error: unknown): void {
    const upstreamCall = this.#upstreamCall;
    this.destroy();
    upstreamCall?.onFailure(error);
  }

  // The writer's side.

  /** @returns bytes that the kernel took; -1 when the connection is closed, or not fit for the next request */
  write(data: Uint8Array, from: number, length: number): number {
    const socket = this.#socket;
    if (socket === undefined) return -1;
    const written = socket.write(data, from, length);
    if (written > 0) this.#sent = true;
    return written;
  }

  #writeFailed(): void {
    if (this.#reused && !this.#sent) this.#moveCall();
    else this.closed(undefined);
  }

  // Parser events.

  onHead(status: number, headers: UpstreamHeaders): void {
    this.#gotHead = true;
    this.#upstreamCall?.onHead(status, headers);
  }

  onData(bytes: Uint8Array): void {
    this.#upstreamCall?.onData(bytes);
  }

  onEnd(reusable: boolean, excessBytes: boolean): void {
    const upstreamCall = this.#upstreamCall;
    this.#upstreamCall = undefined;
    if (excessBytes) this.#owner.onLateBytes(this);
    if (this.#socket !== undefined) {
      // After an early response, the unsent rest of the request would precede the next one.
      if (reusable && this.#writer.empty && !this.#parser.announcesBody) {
        this.#endedInTurn = this.#owner.batch.markTurn();
        if (this.#parser.isBodiless || !this.#owner.isTrusted(this.origin)) this.#settle();
        // Before the handler, so that a request it sends from `onEnd` finds this connection.
        this.#owner.onReusable(this, this.#parser.keepAliveSeconds);
      } else {
        this.#writer.close();
        this.#socket.end();
      }
    }
    upstreamCall?.onEnd();
  }

  /** Delays the next request: what follows a response follows soon. */
  #settle(): void {
    this.#settling = setTimeout(() => {
      this.#settling = undefined;
      this.#owner.onQuiet(this);
      if (this.#upstreamCall !== undefined) this.#send(this.#upstreamCall);
    }, SETTLE_MS);
  }

  /** Closes the connection. Its call, of which no byte was sent, goes to another one. */
  #moveCall(): void {
    const upstreamCall = this.#upstreamCall;
    this.destroy();
    upstreamCall?.onUnsent();
  }

  #continue(upstreamCall: AssignedCall): void {
    // Before the parser, which may end the message and have the connection pooled.
    this.#socket?.resume();
    try {
      this.#parser.resume();
    } catch (error) {
      this.failed(error);
      return;
    }
    if (this.#upstreamCall !== upstreamCall || this.#parser.paused) return;
    const close = this.#pendingClose;
    if (close === undefined) return;
    this.#pendingClose = undefined;
    this.#settleClose(close.error);
  }

  #settleClose(error: Error | undefined): void {
    // Reports the end of a body that lasts until close.
    if (error === undefined && this.#parser.finish()) return;
    const upstreamCall = this.#upstreamCall;
    this.#upstreamCall = undefined;
    if (upstreamCall === undefined) return;
    if (this.#reused && !this.#gotBytes && upstreamCall.isIdempotent) {
      upstreamCall.onUnanswered();
      return;
    }
    const cause = error === undefined ? undefined : { cause: error };
    upstreamCall.onFailure(
      this.#gotHead
        ? new TransportError('closed_mid_body', 'the upstream closed the connection within a response', cause)
        : new TransportError(
            'closed_before_response',
            'the upstream closed the connection unanswered',
            cause,
          ),
    );
  }

  #send({ parts, paused }: AssignedCall): void {
    for (const part of parts) this.#writer.write(part);
    if (paused) this.#socket?.pause();
  }
}
