import { ByteSlice } from '../core/byte-slice.ts';
import { TransportError, type UpstreamHeaders } from '../core/transport.ts';
import type { PooledConnection } from './connection-pool.ts';
import { ResponseParser, type ResponseSink } from './http1-parser.ts';
import { Outbox } from './outbox.ts';
import type { WriteBatch } from './write-batch.ts';

/** What a connection carries: one request out, and where its response goes. */
export interface CarriedExchange {
  /** The request, in order; strings are written as UTF-8. */
  readonly parts: readonly (string | Uint8Array)[];
  readonly paused: boolean;
  onHead(status: number, headers: UpstreamHeaders): void;
  onData(bytes: ByteSlice): void;
  /** Never throws. */
  onEnd(): void;
  /** Never throws. `error` is a TransportError, or what a handler threw. */
  onFailure(error: unknown): void;
  /** The server had closed this kept-alive connection before it saw the request: worth one fresh try. */
  onStaleConnection(): void;
}

export interface ConnectionOwner<C> {
  readonly batch: WriteBatch;
  onOpen(): void;
  /** The response is complete and the connection may carry another exchange. */
  onReusable(connection: C, keepAliveSeconds: number | undefined): void;
  onClose(connection: C): void;
}

/** Probes a silent upstream after this long, so that a vanished host does not hold an exchange for ever. */
const TCP_KEEP_ALIVE_MS = 30_000;

/**
 * One TCP connection, carrying one exchange at a time.
 *
 * Rests on these facts about the runtime's sockets, which the conformance suite would notice changing: every
 * `data` event has a fresh buffer; `write` returns the bytes taken, and -1 on a closed socket; a paused
 * socket reads nothing, and reports the peer's FIN after `resume` but its RST at once; `terminate` calls
 * `close` before it returns; `drain` also comes when there is nothing to write.
 */
export class Http1Connection implements PooledConnection, ResponseSink {
  readonly origin: string;
  readonly #owner: ConnectionOwner<Http1Connection>;
  readonly #parser = new ResponseParser(this);
  #socket: Bun.Socket<Http1Connection> | undefined;
  #exchange: CarriedExchange | undefined;
  readonly #outbox: Outbox;
  /** Has carried an exchange before the present one. */
  #reused = false;
  #gotBytes = false;
  #gotHead = false;
  /** Closed while the reader was paused: told when it resumes. */
  #pendingClose: { readonly error: Error | undefined } | undefined;

  constructor(origin: string, owner: ConnectionOwner<Http1Connection>) {
    this.origin = origin;
    this.#owner = owner;
    // Later, since this may run inside `send`.
    this.#outbox = new Outbox(
      owner.batch,
      () => undefined,
      () => queueMicrotask(() => this.closed(undefined)),
    );
  }

  /** Starts an exchange, now or as soon as the connection opens. Failures are never reported synchronously. */
  carry(exchange: CarriedExchange): void {
    this.#exchange = exchange;
    this.#gotBytes = false;
    this.#gotHead = false;
    this.#parser.reset();
    if (exchange.paused) this.pause();
    if (this.#socket !== undefined) {
      this.#reused = true;
      this.#send(exchange);
    }
  }

  pause(): void {
    this.#parser.pause();
    this.#socket?.pause();
  }

  /** What was held is delivered before anything newer, and not from inside this call. */
  resume(): void {
    const exchange = this.#exchange;
    queueMicrotask(() => {
      if (exchange !== undefined && this.#exchange === exchange && !exchange.paused) this.#continue(exchange);
    });
  }

  /** Drops the exchange and resets the connection, so that the upstream notices at once. */
  destroy(): void {
    this.#exchange = undefined;
    this.#outbox.close();
    this.#pendingClose = undefined;
    this.#parser.stop();
    this.#socket?.terminate();
  }

  closeIdle(): void {
    this.#socket?.end();
  }

  /** The attempt to connect failed, or took too long. */
  failToConnect(error: TransportError): void {
    const exchange = this.#exchange;
    this.#exchange = undefined;
    exchange?.onFailure(error);
  }

  // Socket events.

  opened(socket: Bun.Socket<Http1Connection>): void {
    this.#socket = socket;
    this.#outbox.open(socket);
    this.#owner.onOpen();
    const exchange = this.#exchange;
    if (exchange === undefined) {
      socket.terminate();
      return;
    }
    socket.setKeepAlive(true, TCP_KEEP_ALIVE_MS);
    if (exchange.paused) socket.pause();
    this.#send(exchange);
  }

  received(bytes: Uint8Array): void {
    if (this.#exchange === undefined) {
      // Nothing was asked for: whatever it is would be taken for the next response.
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
    this.#outbox.drained();
  }

  /** @param error why, or undefined for an orderly end. */
  closed(error: Error | undefined): void {
    if (this.#socket === undefined) return;
    this.#socket = undefined;
    this.#outbox.close();
    this.#owner.onClose(this);
    if (this.#exchange === undefined) return;
    if (this.#parser.paused) this.#pendingClose = { error };
    else this.#settleClose(error);
  }

  /** The response cannot be read on: bad framing, or a handler that threw. */
  failed(error: unknown): void {
    const exchange = this.#exchange;
    this.destroy();
    exchange?.onFailure(error);
  }

  // Parser events.

  onHead(status: number, headers: UpstreamHeaders): void {
    this.#gotHead = true;
    this.#exchange?.onHead(status, headers);
  }

  onData(bytes: ByteSlice): void {
    this.#exchange?.onData(bytes);
  }

  onEnd(connectionReusable: boolean): void {
    const exchange = this.#exchange;
    this.#exchange = undefined;
    if (this.#socket !== undefined) {
      // A response that came before the whole request was sent leaves the rest of it in the way.
      if (connectionReusable && this.#outbox.empty) {
        // Before the handler, so that a request it sends from `onEnd` finds this connection.
        this.#owner.onReusable(this, this.#parser.keepAliveSeconds);
      } else {
        this.#outbox.close();
        this.#socket.end();
      }
    }
    exchange?.onEnd();
  }

  #continue(exchange: CarriedExchange): void {
    // Before the parser, which may end the message and have the connection pooled.
    this.#socket?.resume();
    try {
      this.#parser.resume();
    } catch (error) {
      this.failed(error);
      return;
    }
    if (this.#exchange !== exchange || this.#parser.paused) return;
    const close = this.#pendingClose;
    if (close === undefined) return;
    this.#pendingClose = undefined;
    this.#settleClose(close.error);
  }

  #settleClose(error: Error | undefined): void {
    // Reports the end of a body that lasts until close.
    if (error === undefined && this.#parser.finish()) return;
    const exchange = this.#exchange;
    this.#exchange = undefined;
    if (exchange === undefined) return;
    if (this.#reused && !this.#gotBytes) {
      exchange.onStaleConnection();
      return;
    }
    const cause = error === undefined ? undefined : { cause: error };
    exchange.onFailure(
      this.#gotHead
        ? new TransportError('closed_mid_body', 'the upstream closed the connection within a response', cause)
        : new TransportError(
            'closed_before_response',
            'the upstream closed the connection unanswered',
            cause,
          ),
    );
  }

  #send({ parts }: CarriedExchange): void {
    for (const part of parts) this.#outbox.write(typeof part === 'string' ? part : ByteSlice.of(part));
  }
}
