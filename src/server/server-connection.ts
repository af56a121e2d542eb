import type { HttpRequest, HttpResponse } from '../core/http.ts';
import type { Slotted } from '../core/slot-list.ts';
import { TransportError } from '../core/transport.ts';
import { HeadTooLargeError } from '../platform/http1-headers.ts';
import {
  DEFAULT_PARSER_LIMITS,
  type Framing,
  MessageParser,
  type MessageSink,
} from '../platform/http1-message.ts';
import type { ServerSocket, SocketEvents } from '../platform/socket-listener.ts';
import { SocketWriter } from '../platform/socket-writer.ts';
import type { WriteBatch } from '../platform/write-batch.ts';
import { BadRequestError, checkRequestStart, readRequestHead } from './request-head.ts';
import { isStream, type ResponseOwner, ResponseSender } from './response-sender.ts';
import { type RequestCarrier, ServerRequest } from './server-request.ts';

/** What connections need of their server. */
export interface ConnectionServer {
  readonly handle: (request: HttpRequest) => HttpResponse | Promise<HttpResponse>;
  /** The response to a malformed request, after which the connection is closed. */
  readonly rejectMalformed: (status: number, message: string) => HttpResponse;
  readonly onError: (error: unknown) => void;
  /** The value of the `date` header. */
  readonly date: string;
  readonly stopping: boolean;
  /** Whether connections use TLS. */
  readonly secure: boolean;
  readonly batch: WriteBatch;
  opened(connection: ServerConnection): void;
  closed(connection: ServerConnection): void;
  requestBegan(): void;
  requestEnded(): void;
}

/** Bytes of pipelined requests that wait for the current response; beyond this, reading pauses. */
const MAX_AHEAD = 64 * 1024;
/** Bytes of an unread body that are received after a response, so that the client can read the response. */
const MAX_DROPPED = 64 * 1024 * 1024;
/** Detects clients that are gone without closing. Milliseconds. */
const TCP_KEEP_ALIVE_MS = 30_000;
const FAILED = 'The gateway failed to handle this request.';
const CONTINUE = 'HTTP/1.1 100 Continue\r\n\r\n';
const NO_BYTES = new Uint8Array(0);

/** Seconds, counted in whole ticks of the server's clock. */
const HANDSHAKE_TIMEOUT = 10;
const HEAD_TIMEOUT = 30;
const IDLE_TIMEOUT = 120;
const DROPPING_TIMEOUT = 30;

/**
 * One client's connection. It handles requests one after the other, in the order of arrival (RFC 9112). The facts about
 * the runtime's sockets that this depends on are listed in `http1-connection.ts`.
 */
export class ServerConnection implements SocketEvents, MessageSink, RequestCarrier, ResponseOwner, Slotted {
  slot = -1;
  readonly #server: ConnectionServer;
  readonly #parser: MessageParser = new MessageParser(this, {
    skipBlankLines: true,
    checkStart: checkRequestStart,
  });
  readonly #writer: SocketWriter;
  readonly #sender: ResponseSender;
  #socket: ServerSocket | undefined;
  #address: string | undefined;
  /** The request that is arriving or being handled. */
  #request: ServerRequest | undefined;
  /** Its head arrived in the current read, and it is not handled yet. */
  #fresh = false;
  /** The request has no response yet, or an incomplete one. */
  #responding = false;
  /** The server counts the request as pending. */
  #counted = false;
  /** `100 Continue` was sent: the announced body is coming. */
  #continued = false;
  #paused = false;
  /** Bytes of the next requests. */
  #ahead: Uint8Array = NO_BYTES;
  /** The current response is the last of this connection. */
  #last = false;
  /** The last response is sent; what still arrives is dropped, so that the client can read the response. */
  #lingering = false;
  #droppedBytes = 0;
  #droppingSeconds = 0;
  /** Since bytes were received, or taken by the client. */
  #idleSeconds = 0;
  /** Since a head began to arrive. */
  #headSeconds = 0;
  /** TLS is not established yet. */
  #handshaking: boolean;

  constructor(server: ConnectionServer) {
    this.#server = server;
    this.#handshaking = server.secure;
    this.#writer = new SocketWriter(server.batch, this.#drained);
    this.#sender = new ResponseSender(this.#writer, this, server.onError);
  }

  get secure(): boolean {
    return this.#server.secure;
  }

  get remoteAddress(): string {
    this.#address ??= this.#socket?.remoteAddress;
    return this.#address ?? 'unknown';
  }

  // Socket events.

  opened(socket: ServerSocket): void {
    this.#socket = socket;
    this.#writer.open(socket);
    socket.setKeepAlive(true, TCP_KEEP_ALIVE_MS);
    this.#server.opened(this);
  }

  secured(): void {
    this.#handshaking = false;
  }

  received(bytes: Uint8Array): void {
    this.#idleSeconds = 0;
    if (this.#lingering) this.#drop(bytes.length);
    else if (this.#request?.complete) this.#hold(bytes);
    else this.#read(bytes);
  }

  drained(): void {
    if (this.#writer.drained()) this.#idleSeconds = 0;
  }

  /** The client has taken all that was written. */
  readonly #drained = () => {
    this.#sender.drained();
    this.#advance();
  };

  closed(): void {
    if (!this.#socket) return;
    // Kept for listeners of the disconnect.
    this.#address = this.remoteAddress;
    this.#socket = undefined;
    this.#writer.close();
    this.#ahead = NO_BYTES;
    this.#parser.stop();
    this.#server.closed(this);
    const request = this.#request;
    this.#request = undefined;
    if (this.#responding) this.#lose(request);
    this.#sender.cancel();
    this.#uncount();
  }

  /** Closes an idle connection. A busy one closes after its response. */
  retire(): void {
    if (!this.#request && !this.#parser.inHead && this.#writer.empty) this.#socket?.end();
  }

  terminate(): void {
    this.#socket?.terminate();
  }

  /** Called once a second. */
  tick(): void {
    this.#idleSeconds += 1;
    if (this.#handshaking) {
      if (this.#idleSeconds >= HANDSHAKE_TIMEOUT) this.terminate();
      return;
    }
    const request = this.#request;
    if (this.#lingering || (request && !this.#responding && !request.complete)) {
      this.#droppingSeconds += 1;
      if (this.#droppingSeconds >= DROPPING_TIMEOUT) this.terminate();
    } else if (!request && this.#parser.inHead) {
      this.#headSeconds += 1;
      if (this.#headSeconds >= HEAD_TIMEOUT)
        this.#rejectMalformed(408, 'The head of the request did not arrive in time.');
    } else if (this.#idleSeconds >= IDLE_TIMEOUT && !(this.#responding && request?.complete)) {
      // A response that is being made, or read slowly, has its own time limits in the pipeline.
      this.terminate();
    }
  }

  // Events of the parser.

  onHead(text: string): Framing {
    const head = readRequestHead(text, DEFAULT_PARSER_LIMITS.maxHeaders);
    this.#request = new ServerRequest(head, this);
    this.#fresh = true;
    this.#responding = true;
    this.#counted = true;
    this.#headSeconds = 0;
    this.#server.requestBegan();
    return head.framing;
  }

  onData(bytes: Uint8Array): void {
    const request = this.#request;
    if (!request) return;
    request.received(bytes);
    if (!this.#responding) this.#drop(bytes.length);
  }

  onEnd(rest: Uint8Array): void {
    this.#request?.completed();
    this.#pause(false);
    if (rest.length > 0) this.#hold(rest);
    if (!this.#responding) this.#advance();
  }

  // Events of the response that is being sent.

  streamEnded(): void {
    if (this.#request) this.#responseEnded(this.#request);
  }

  streamFailed(): void {
    this.terminate();
  }

  // The carrier of a request.

  pauseBody(): void {
    this.#pause(true);
  }

  resumeBody({ head }: ServerRequest): void {
    if (head.expectsContinue) {
      this.#continued = true;
      this.#writer.write(CONTINUE);
    }
    this.#pause(false);
  }

  #pause(paused: boolean): void {
    if (this.#paused === paused) return;
    this.#paused = paused;
    if (paused) this.#socket?.pause();
    else this.#socket?.resume();
  }

  #drop(bytes: number): void {
    this.#droppedBytes += bytes;
    if (this.#droppedBytes > MAX_DROPPED) this.terminate();
  }

  /** A listener that throws must not keep the connection from ending. */
  #lose(request: ServerRequest | undefined): void {
    try {
      request?.lost();
    } catch (error) {
      this.#server.onError(error);
    }
  }

  #uncount(): void {
    if (!this.#counted) return;
    this.#counted = false;
    this.#server.requestEnded();
  }

  #read(bytes: Uint8Array): void {
    try {
      this.#parser.push(bytes);
    } catch (error) {
      this.#malformed(error);
      return;
    }
    if (!this.#fresh) return;
    this.#fresh = false;
    const request = this.#request;
    if (request) this.#handle(request);
  }

  #handle(request: ServerRequest): void {
    try {
      const response = this.#server.handle(request);
      if (response instanceof Promise) {
        response.then(
          (made) => this.#respond(request, made),
          (error: unknown) => this.#failed(request, error),
        );
      } else this.#respond(request, response);
    } catch (error) {
      this.#failed(request, error);
    }
  }

  #failed(request: ServerRequest, error: unknown): void {
    this.#server.onError(error);
    this.#respond(request, this.#server.rejectMalformed(500, FAILED));
  }

  /** Keeps pipelined requests until the current one has its response. */
  #hold(bytes: Uint8Array): void {
    this.#ahead = this.#ahead.length === 0 ? bytes : Buffer.concat([this.#ahead, bytes]);
    if (this.#ahead.length > MAX_AHEAD) this.#pause(true);
  }

  #malformed(error: unknown): void {
    if (error instanceof BadRequestError) this.#rejectMalformed(error.status, error.message);
    else if (error instanceof HeadTooLargeError) {
      this.#rejectMalformed(
        431,
        `The head of the request is larger than ${DEFAULT_PARSER_LIMITS.maxHeadBytes} bytes.`,
      );
    } else if (error instanceof TransportError) {
      this.#rejectMalformed(400, `The request is not well-formed HTTP: ${error.message}.`);
    } else {
      this.#server.onError(error);
      this.terminate();
    }
  }

  /** Sends an error and closes. While a response is being sent, it can only close. */
  #rejectMalformed(status: number, message: string): void {
    const request = this.#request;
    if (!this.#writer.empty || this.#sender.streaming || (request && !this.#responding)) {
      this.terminate();
      return;
    }
    this.#request = undefined;
    this.#fresh = false;
    this.#responding = false;
    this.#parser.stop();
    this.#lose(request);
    this.#last = true;
    this.#lingering = true;
    this.#send(this.#server.rejectMalformed(status, message), { http10: false, headOnly: false });
    this.#advance();
  }

  #respond(request: ServerRequest, response: HttpResponse): void {
    if (this.#request !== request || !this.#socket) {
      this.#sender.discard(response);
      return;
    }
    const { keepAlive, http10 } = request.head;
    const closes = response.headers.get('connection') === 'close';
    // A body that has not arrived yet is not waited for. A stream to HTTP/1.0 ends with the connection.
    this.#last =
      closes ||
      !keepAlive ||
      this.#server.stopping ||
      !request.complete ||
      (http10 && isStream(response.body));
    try {
      this.#send(response, { http10, headOnly: request.method === 'HEAD' });
    } catch (error) {
      // Nothing is written yet: a header cannot be sent.
      this.#server.onError(error);
      this.#sender.discard(response);
      this.#send(this.#server.rejectMalformed(500, FAILED), { http10, headOnly: false });
    }
    if (!this.#sender.streaming && this.#responding) this.#responseEnded(request);
  }

  #send(response: HttpResponse, { http10, headOnly }: { http10: boolean; headOnly: boolean }): void {
    const { date, secure } = this.#server;
    this.#sender.send(response, { http10, headOnly, keepAlive: !this.#last, date, secure });
  }

  #responseEnded(request: ServerRequest): void {
    this.#responding = false;
    request.responseEnded();
    this.#advance();
  }

  /** After a response is sent and its request received: closes, or begins the next request. */
  #advance(): void {
    const socket = this.#socket;
    if (this.#responding || !this.#writer.empty || !socket) return;
    this.#uncount();
    const request = this.#request;
    if (request && !request.complete && (this.#continued || !request.head.expectsContinue)) {
      // Closing now would reset the connection, and the client could lose the response.
      this.#pause(false);
      return;
    }
    if (this.#last) {
      this.#request = undefined;
      if (this.#lingering) socket.shutdown();
      else socket.end();
      return;
    }
    if (!request) return;
    this.#request = undefined;
    this.#continued = false;
    this.#droppedBytes = 0;
    this.#droppingSeconds = 0;
    this.#parser.reset();
    const ahead = this.#ahead;
    if (ahead.length > 0) {
      this.#ahead = NO_BYTES;
      this.#pause(false);
      // Not recursive: a client may have sent thousands at once.
      queueMicrotask(() => {
        if (this.#socket) this.received(ahead);
      });
    } else if (this.#server.stopping) socket.end();
  }
}
