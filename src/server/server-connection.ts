import { releaseBytes } from '../core/bytes.ts';
import { BodyError, type HttpRequest, type HttpResponse } from '../core/http.ts';
import {
  DEFAULT_PARSER_LIMITS,
  type Framing,
  MessageParser,
  type MessageSink,
  type ParserLimits,
} from '../platform/http1-message.ts';
import type { ServerSocket, SocketEvents } from '../platform/socket-listener.ts';
import { SocketWriter, type Traffic } from '../platform/socket-writer.ts';
import type { WriteBatch } from '../platform/write-batch.ts';
import type { ByteLedger } from './byte-ledger.ts';
import { ConnectionMemory } from './connection-memory.ts';
import type { Client, TableEntry } from './connection-table.ts';
import {
  type ClientTimeout,
  type ConnectionPhase,
  ConnectionTimeouts,
  timeoutMessage,
} from './connection-timeouts.ts';
import { PipelinedInput } from './pipelined-input.ts';
import { checkRequestStart, readRequestHead, rejectionOf } from './request-head.ts';
import { isStream, type ResponseOwner, ResponseSender } from './response-sender.ts';
import type { ServerLimitName, ServerLimits } from './server-limits.ts';
import { type RequestCarrier, ServerRequest } from './server-request.ts';

/** What connections need of their server. */
export interface ConnectionServer {
  readonly handle: (request: HttpRequest) => HttpResponse | Promise<HttpResponse>;
  /** The response to a malformed request, after which the connection is closed. */
  readonly rejectMalformed: (status: number, message: string) => HttpResponse;
  readonly onError: (error: unknown) => void;
  /** The value of the `date` header. */
  readonly date: string;
  /** Each connection ends with its next response. */
  readonly leaving: boolean;
  /** Idle connections are closed. */
  readonly stopping: boolean;
  /** Whether connections use TLS. */
  readonly secure: boolean;
  readonly batch: WriteBatch;
  readonly limits: () => ServerLimits;
  readonly ledger: ByteLedger;
  /** Counts the bytes of all connections. */
  readonly bytes: Traffic;
  /** A limit has ended a connection or a request. */
  readonly onLimit: (limit: ServerLimitName) => void;
  opened(connection: ServerConnection): void;
  closed(connection: ServerConnection): void;
  requestBegan(): void;
  requestEnded(): void;
}

/** Bytes of an unread body that are received after a response, so that the client can read the response. */
const MAX_DROPPED = 64 * 1024 * 1024;
/** From here on the client of a stream has stalled, and does not merely read in bursts. */
const STALLED_SECONDS = 5;
/** Detects clients that are gone without closing. Milliseconds. */
const TCP_KEEP_ALIVE_MS = 30_000;
const FAILED = 'The gateway failed to handle this request.';
const CONTINUE = 'HTTP/1.1 100 Continue\r\n\r\n';

/** Tiny chunks cost the server more than the client: framing beyond this and the size of the body is rejected. Bytes. */
const PARSER_LIMITS: ParserLimits = { ...DEFAULT_PARSER_LIMITS, maxFramingBytes: 96 * 1024 };

/**
 * One client's connection. It handles requests one after the other, in the order of arrival (RFC 9112). The facts about
 * the runtime's sockets that this depends on are listed in `http1-connection.ts`.
 */
export class ServerConnection
  implements SocketEvents, MessageSink, RequestCarrier, ResponseOwner, TableEntry
{
  slot = -1;
  readonly memory: ConnectionMemory;
  readonly #server: ConnectionServer;
  readonly #parser: MessageParser = new MessageParser(this, {
    limits: PARSER_LIMITS,
    skipBlankLines: true,
    checkStart: checkRequestStart,
  });
  readonly #timeouts = new ConnectionTimeouts();
  readonly #writer: SocketWriter;
  readonly #sender: ResponseSender;
  #socket: ServerSocket | undefined;
  #address: string | undefined;
  /** The request that is arriving or being handled. */
  #request: ServerRequest | undefined;
  /** Parts of the current read are kept, not copies. */
  #readKept = false;
  /** Its head arrived in the current read, and it is not handled yet. */
  #fresh = false;
  /** The request has no response yet, or an incomplete one. */
  #responding = false;
  /** The server counts the request as pending. */
  #counted = false;
  /** `100 Continue` was sent: the announced body is coming. */
  #continued = false;
  #paused = false;
  /** The next requests. */
  readonly #ahead = new PipelinedInput((bytes) => {
    this.#countInput();
    this.#pause(false);
    this.received(bytes);
  });
  /** The current response is the last of this connection. */
  #last = false;
  /** The last response is sent; what still arrives is dropped, so that the client can read the response. */
  #lingering = false;
  #droppedBytes = 0;
  /** Requests so far. */
  #requests = 0;
  /** TLS is not established yet. */
  #handshaking: boolean;

  constructor(server: ConnectionServer, client: Client) {
    this.#server = server;
    this.memory = new ConnectionMemory(client, this, server.ledger, server.onLimit);
    this.#handshaking = server.secure;
    this.#writer = new SocketWriter(
      server.batch,
      this.#drained,
      undefined,
      this.memory.backlogChanged,
      server.bytes,
    );
    this.#sender = new ResponseSender(this.#writer, this, server.onError);
  }

  get client(): Client {
    return this.memory.client;
  }

  get account(): string | undefined {
    return this.#request?.account;
  }

  get stalledSeconds(): number {
    return this.#timeouts.stalledSeconds;
  }

  get idleSeconds(): number | undefined {
    const phase = this.#phase;
    return phase === 'idle' || phase === 'unused' || phase === 'handshake'
      ? this.#timeouts.seconds
      : undefined;
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
    this.#timeouts.received(bytes.length);
    this.#server.bytes.receivedBytes += bytes.length;
    if (this.#lingering) {
      this.#drop(bytes.length);
      releaseBytes(bytes);
    } else if (this.#request?.complete || this.#ahead.scheduled) {
      this.#hold(bytes);
      releaseBytes(bytes);
    } else this.#read(bytes);
  }

  drained(): void {
    this.#writer.drained();
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
    this.memory.streamStalled(false);
    this.#ahead.release();
    this.#parser.stop();
    this.#countInput();
    this.#server.closed(this);
    const request = this.#request;
    this.#request = undefined;
    if (this.#responding) this.#lose(request);
    this.#sender.cancel();
    this.#uncount();
  }

  /** Closes an idle connection. A busy one closes after its response. */
  retire(): void {
    const isIdle = !this.#request && !this.#parser.inHead && !this.#ahead.scheduled;
    if (isIdle && this.#writer.empty) this.#socket?.end();
  }

  evict(): void {
    this.#server.closed(this);
    this.#socket?.end();
  }

  terminate(): void {
    this.#socket?.terminate();
  }

  /** Called once a second. */
  tick(): void {
    const limits = this.#server.limits();
    const isSlow = this.#timeouts.tickOutput(this.#writer, limits);
    this.memory.streamStalled(this.#sender.streaming && this.stalledSeconds >= STALLED_SECONDS);
    if (isSlow) {
      this.#server.onLimit('write_idle');
      this.terminate();
      return;
    }
    const limit = this.#timeouts.tick(this.#phase, this.#requests, limits);
    if (limit !== undefined) this.#expired(limit, limits);
  }

  get #phase(): ConnectionPhase {
    if (this.#handshaking) return 'handshake';
    if (!this.#writer.empty || this.#ahead.scheduled) return 'busy';
    if (this.#lingering) return 'drop';
    const request = this.#request;
    if (!request) {
      if (this.#parser.inHead) return 'head';
      return this.#requests === 0 ? 'unused' : 'idle';
    }
    if (request.complete) return 'busy';
    if (!this.#responding) return 'drop';
    const waitsForContinue = request.head.expectsContinue && !this.#continued;
    return request.arriving && !this.#paused && !waitsForContinue && !this.#sender.streaming
      ? 'body'
      : 'busy';
  }

  #expired(limit: ClientTimeout | 'close', limits: ServerLimits): void {
    if (limit === 'close') {
      this.terminate();
      return;
    }
    this.#server.onLimit(limit);
    const message = timeoutMessage(limit, limits);
    // A handler that waits for the body responds, in its own format.
    if (!this.#request?.fail(new BodyError('timed_out', message))) this.#rejectMalformed(408, message);
  }

  // Events of the parser.

  onHead(text: string): Framing {
    const head = readRequestHead(text, PARSER_LIMITS.maxHeaders);
    this.#request = new ServerRequest(head, this);
    this.#fresh = true;
    this.#responding = true;
    this.#counted = true;
    this.#requests += 1;
    this.#server.requestBegan();
    return head.framing;
  }

  onData(bytes: Uint8Array, from: number, to: number): void {
    const request = this.#request;
    if (!request) return;
    if (request.received(bytes, from, to, !this.#ahead.delivering)) this.#readKept = true;
    if (!this.#responding) this.#drop(to - from);
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
    if (head.expectsContinue && !this.#continued) {
      this.#continued = true;
      this.#writer.write(CONTINUE);
    }
    this.#pause(false);
  }

  /** @returns whether what is kept of an incomplete head and of the next requests may be kept */
  #countInput(): boolean {
    return this.memory.keepInput(this.#parser.partialBytes + this.#ahead.bytes);
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
    this.#readKept = false;
    try {
      this.#parser.push(bytes);
    } catch (error) {
      this.#malformed(error);
      return;
    } finally {
      if (!this.#readKept && !this.#ahead.delivering) releaseBytes(bytes);
    }
    if (!this.#countInput()) {
      this.#outOfMemory();
      return;
    }
    const request = this.#request;
    request?.countBody();
    if (!this.#fresh) return;
    this.#fresh = false;
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
    if (this.#ahead.add(bytes)) this.#pause(true);
    if (!this.#countInput()) this.#outOfMemory();
  }

  #outOfMemory(): void {
    this.#rejectMalformed(503, new BodyError('no_memory').message);
  }

  #malformed(error: unknown): void {
    const rejection = rejectionOf(error, PARSER_LIMITS.maxHeadBytes);
    if (rejection) {
      this.#rejectMalformed(rejection.status, rejection.message, rejection.atOnce);
      return;
    }
    this.#server.onError(error);
    this.terminate();
  }

  /**
   * Sends an error and closes. While a response is being sent, it can only close.
   * @param atOnce without waiting for the client to read the response and to close its side
   */
  #rejectMalformed(status: number, message: string, atOnce = false): void {
    const request = this.#request;
    if (!this.#writer.empty || this.#sender.streaming) {
      this.terminate();
      return;
    }
    const isAnswered = request !== undefined && !this.#responding;
    this.#request = undefined;
    this.#fresh = false;
    this.#responding = false;
    this.#parser.stop();
    this.#ahead.release();
    this.#countInput();
    this.#lose(request);
    this.#last = true;
    this.#lingering = !atOnce;
    this.#pause(false);
    // The rest of a body after its response: there is nothing more to say, and the client may still read the response.
    if (!isAnswered) {
      this.#send(this.#server.rejectMalformed(status, message), { http10: false, headOnly: false });
    }
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
      this.#server.leaving ||
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
    this.#parser.reset();
    if (!this.#ahead.deliver() && this.#server.stopping) socket.end();
  }
}
