import { TransportError, type UpstreamHeaders } from '../core/transport.ts';
import type { PooledConnection } from './connection-pool.ts';
import { ResponseParser, type ResponseSink } from './http1-parser.ts';
import { SocketWriter } from './socket-writer.ts';
import type { WriteBatch } from './write-batch.ts';

/** One call as its connection sees it: a request to send, and the receiver of its response. */
export interface AssignedCall {
  /** The request, in order; strings are written as UTF-8. */
  readonly parts: readonly (string | Uint8Array)[];
  readonly paused: boolean;
  onHead(status: number, headers: UpstreamHeaders): void;
  onData(bytes: Uint8Array): void;
  /** Never throws. */
  onEnd(): void;
  /** Never throws. `error` is a TransportError, or what a handler threw. */
  onFailure(error: unknown): void;
  /** The server closed this kept-alive connection before it read the request: the call may be sent once more. */
  onStaleConnection(): void;
}

export interface ConnectionOwner<C> {
  readonly batch: WriteBatch;
  onOpen(): void;
  /** The response is complete and the connection can be used for another call. */
  onReusable(connection: C, keepAliveSeconds: number | undefined): void;
  onClose(connection: C): void;
}

/** Probes a silent upstream after this time, so that a host that is gone does not hold a call forever. */
const TCP_KEEP_ALIVE_MS = 30_000;

/**
 * One TCP connection, with one call at a time.
 *
 * Depends on these facts about the runtime's sockets, which the conformance suite covers: every
 * `data` event has a fresh buffer; `write` returns the bytes taken, and -1 on a closed socket; a paused
 * socket reads nothing, and reports the peer's FIN after `resume` but its RST at once; `terminate` calls
 * `close` before it returns; `drain` also comes when there is nothing to write.
 */
export class Http1Connection implements PooledConnection, ResponseSink {
  readonly origin: string;
  /** Its owner no longer counts it as open. */
  released = false;
  readonly #owner: ConnectionOwner<Http1Connection>;
  readonly #parser = new ResponseParser(this);
  #socket: Bun.Socket<Http1Connection> | undefined;
  #upstreamCall: AssignedCall | undefined;
  readonly #writer: SocketWriter;
  /** The connection had a call before the current one. */
  #reused = false;
  #gotBytes = false;
  #gotHead = false;
  /** Closed while the reader was paused: reported when it resumes. */
  #pendingClose: { readonly error: Error | undefined } | undefined;

  constructor(origin: string, owner: ConnectionOwner<Http1Connection>) {
    this.origin = origin;
    this.#owner = owner;
    // Deferred, because this may run inside `send`.
    this.#writer = new SocketWriter(
      owner.batch,
      () => undefined,
      () => queueMicrotask(() => this.closed(undefined)),
    );
  }

  /** Starts a call, now or when the connection opens. Failures are never reported synchronously. */
  carry(upstreamCall: AssignedCall): void {
    this.#upstreamCall = upstreamCall;
    this.#gotBytes = false;
    this.#gotHead = false;
    this.#parser.reset();
    if (upstreamCall.paused) this.pause();
    if (this.#socket !== undefined) {
      this.#reused = true;
      this.#send(upstreamCall);
    }
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
    this.#upstreamCall = undefined;
    upstreamCall?.onFailure(error);
  }

  // Socket events.

  opened(socket: Bun.Socket<Http1Connection>): void {
    this.#socket = socket;
    this.#writer.open(socket);
    this.#owner.onOpen();
    const upstreamCall = this.#upstreamCall;
    if (upstreamCall === undefined) {
      socket.terminate();
      return;
    }
    socket.setKeepAlive(true, TCP_KEEP_ALIVE_MS);
    if (upstreamCall.paused) socket.pause();
    this.#send(upstreamCall);
  }

  received(bytes: Uint8Array): void {
    if (this.#upstreamCall === undefined) {
      // No call is open: these bytes would become part of the next response.
      this.destroy();
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
    this.#writer.close();
    this.#owner.onClose(this);
    if (this.#upstreamCall === undefined) return;
    if (this.#parser.paused) this.#pendingClose = { error };
    else this.#settleClose(error);
  }

  /** The rest of the response is not readable: invalid framing, or a handler that threw. */
  failed(error: unknown): void {
    const upstreamCall = this.#upstreamCall;
    this.destroy();
    upstreamCall?.onFailure(error);
  }

  // Parser events.

  onHead(status: number, headers: UpstreamHeaders): void {
    this.#gotHead = true;
    this.#upstreamCall?.onHead(status, headers);
  }

  onData(bytes: Uint8Array): void {
    this.#upstreamCall?.onData(bytes);
  }

  onEnd(connectionReusable: boolean): void {
    const upstreamCall = this.#upstreamCall;
    this.#upstreamCall = undefined;
    if (this.#socket !== undefined) {
      // After an early response, the unsent rest of the request would precede the next one.
      if (connectionReusable && this.#writer.empty) {
        // Before the handler, so that a request it sends from `onEnd` finds this connection.
        this.#owner.onReusable(this, this.#parser.keepAliveSeconds);
      } else {
        this.#writer.close();
        this.#socket.end();
      }
    }
    upstreamCall?.onEnd();
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
    if (this.#reused && !this.#gotBytes) {
      upstreamCall.onStaleConnection();
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

  #send({ parts }: AssignedCall): void {
    for (const part of parts) this.#writer.write(part);
  }
}
