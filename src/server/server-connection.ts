import type { HttpRequest, HttpResponse } from '../core/http.ts';
import { cancelBody, PushStream, type StreamSink } from '../core/push-stream.ts';
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
import { CHUNK_END, chunkSize, isBodiless, LAST_CHUNK, responseHead } from './response-head.ts';
import { type RequestCarrier, ServerRequest } from './server-request.ts';

/** What connections need of their server. */
export interface ConnectionServer {
  readonly handle: (request: HttpRequest) => HttpResponse | Promise<HttpResponse>;
  /** The response to a malformed request; the connection is closed after it. */
  readonly rejectMalformed: (status: number, message: string) => HttpResponse;
  readonly onError: (error: unknown) => void;
  /** For the `date` header. */
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

/** Requests that come while one is being answered wait; beyond this the client is made to wait. Bytes. */
const MAX_AHEAD = 64 * 1024;
/** After a response, this much of an unread body is read and dropped, so that the response is not lost. Bytes. */
const MAX_DROPPED = 64 * 1024 * 1024;
/** Notices clients that vanished without a word. Milliseconds. */
const TCP_KEEP_ALIVE_MS = 30_000;
const CONTINUE = 'HTTP/1.1 100 Continue\r\n\r\n';
const NOTHING = new Uint8Array(0);

/** Seconds, counted in whole ticks of the server's clock. */
const HEAD_TIMEOUT = 30;
const HANDSHAKE_TIMEOUT = 10;
const IDLE_TIMEOUT = 120;
const DROPPING_TIMEOUT = 30;

/**
 * One client's connection: requests come in one after the other, and are answered in that order (RFC 9112). The facts
 * about the runtime's sockets that this rests on are listed in `http1-connection.ts`.
 */
export class ServerConnection implements SocketEvents, MessageSink, RequestCarrier, Slotted, StreamSink {
  slot = -1;
  readonly #server: ConnectionServer;
  readonly #parser: MessageParser = new MessageParser(this, {
    skipBlankLines: true,
    checkStart: checkRequestStart,
  });
  #socket: ServerSocket | undefined;
  #address: string | undefined;
  /** The request that is arriving, or being answered. */
  #request: ServerRequest | undefined;
  /** Its head arrived in this read, and has not been dispatched yet. */
  #fresh = false;
  /** The request waits for its answer, or for the end of it. */
  #responding = false;
  /** The server counts the request as pending. */
  #counted = false;
  /** `100 Continue` was sent. */
  #continued = false;
  #paused = false;
  /** Bytes of the next requests. */
  #ahead: Uint8Array = NOTHING;
  readonly #writer: SocketWriter;
  /** Where the answer comes from that is being sent. */
  #reader: ReadableStreamDefaultReader<Uint8Array> | undefined;
  #pushed: PushStream | undefined;
  #chunked = false;
  /** The source of the response waits until all is sent. */
  #needsDrain = false;
  #onDrained: (() => void) | undefined;
  /** The answer under way is the last of this connection. */
  #last = false;
  /** All is said; what still comes is read and thrown away, so that the answer arrives. */
  #lingering = false;
  /** Bytes that were thrown away, and ticks since that began. */
  #dropped = 0;
  #droppingSeconds = 0;
  /** Ticks since anything was received or taken by the client. */
  #idleSeconds = 0;
  /** Ticks since a head began to arrive. */
  #headSeconds = 0;
  /** TLS is not established yet. */
  #handshaking: boolean;

  constructor(server: ConnectionServer) {
    this.#server = server;
    this.#handshaking = server.secure;
    this.#writer = new SocketWriter(server.batch, this.#sent);
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

  /** All that was written is sent. */
  readonly #sent = () => {
    const waiting = this.#onDrained;
    this.#onDrained = undefined;
    waiting?.();
    if (this.#needsDrain) {
      this.#needsDrain = false;
      this.#pushed?.ready();
    }
    this.#continueReading();
  };

  closed(): void {
    if (!this.#socket) return;
    // Listeners for the end still read the address.
    this.#address = this.remoteAddress;
    this.#socket = undefined;
    this.#writer.close();
    this.#ahead = NOTHING;
    this.#parser.stop();
    this.#server.closed(this);
    const request = this.#request;
    this.#request = undefined;
    if (this.#responding) request?.lost();
    this.#pushed?.cancel();
    this.#pushed = undefined;
    void this.#reader?.cancel().catch(this.#server.onError);
    this.#onDrained?.();
    this.#uncount();
  }

  /** Closes it when it has nothing to do, or else after the answer that is under way. */
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
      // An answer that is being made, or read slowly, may take as long as those in charge of it allow.
      this.terminate();
    }
  }

  // Events of the message that is arriving.

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
    if (!this.#responding) this.#continueReading();
  }

  // What a stream is sent to.

  write(bytes: Uint8Array): boolean {
    this.#writeBody(bytes);
    const room = !this.#writer.blocked;
    if (!room) this.#needsDrain = true;
    return room;
  }

  end(): void {
    this.#pushed = undefined;
    if (this.#chunked) this.#writer.write(LAST_CHUNK);
    if (this.#request) this.#responseEnded(this.#request);
  }

  // What a request needs.

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
    this.#dropped += bytes;
    if (this.#dropped > MAX_DROPPED) this.terminate();
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
      const reply = this.#server.handle(request);
      if (reply instanceof Promise) {
        reply.then(
          (made) => this.#respond(request, made),
          (error: unknown) => this.#failed(request, error),
        );
      } else this.#respond(request, reply);
    } catch (error) {
      this.#failed(request, error);
    }
  }

  #failed(request: ServerRequest, error: unknown): void {
    this.#server.onError(error);
    this.#respond(request, this.#server.rejectMalformed(500, 'The gateway failed to handle this request.'));
  }

  /** The client's next requests, kept until this one is answered. */
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

  /** Responds to a malformed request, and closes. A response in progress can only be cut off. */
  #rejectMalformed(status: number, message: string): void {
    const request = this.#request;
    if (!this.#writer.empty || this.#reader || this.#pushed || (request && !this.#responding)) {
      this.terminate();
      return;
    }
    this.#request = undefined;
    this.#fresh = false;
    this.#responding = false;
    this.#parser.stop();
    request?.lost();
    this.#last = true;
    this.#lingering = true;
    this.#send(this.#server.rejectMalformed(status, message), { http10: false, headOnly: false });
    this.#continueReading();
  }

  #respond(request: ServerRequest, reply: HttpResponse): void {
    if (this.#request !== request || !this.#socket) {
      // The client has gone.
      this.#discard(reply);
      return;
    }
    const { keepAlive, http10 } = request.head;
    // A body that is not all there is not waited for.
    const asked = reply.headers.get('connection') === 'close';
    this.#last = asked || !keepAlive || this.#server.stopping || !request.complete;
    try {
      this.#send(reply, { http10, headOnly: request.method === 'HEAD' });
    } catch (error) {
      // Found before a byte was sent: a header that can't be.
      this.#server.onError(error);
      this.#discard(reply);
      this.#send(this.#server.rejectMalformed(500, 'The gateway failed to handle this request.'), {
        http10,
        headOnly: false,
      });
    }
    if (!this.#reader && !this.#pushed && this.#responding) this.#responseEnded(request);
  }

  #send(reply: HttpResponse, { http10, headOnly }: { http10: boolean; headOnly: boolean }): void {
    const { body, status } = reply;
    const { date, secure } = this.#server;
    if (body instanceof ReadableStream || body instanceof PushStream) {
      if (http10) this.#last = true;
      const head = responseHead(reply, { length: undefined, http10, keepAlive: !this.#last, date, secure });
      this.#writer.write(head);
      this.#chunked = !http10;
      if (headOnly) this.#discard(reply);
      else if (body instanceof PushStream) {
        this.#pushed = body;
        body.pipe(this);
      } else void this.#stream(body.getReader());
      return;
    }
    const length = body === null ? 0 : typeof body === 'string' ? Buffer.byteLength(body) : body.length;
    const head = responseHead(reply, { length, http10, keepAlive: !this.#last, date, secure });
    this.#writer.write(head);
    if (body !== null && !headOnly && !isBodiless(status)) {
      this.#writer.write(body);
    }
  }

  async #stream(reader: ReadableStreamDefaultReader<Uint8Array>): Promise<void> {
    const request = this.#request;
    this.#reader = reader;
    try {
      for (;;) {
        const { done, value } = await reader.read();
        if (this.#request !== request || !this.#socket) return;
        if (done) break;
        this.#writeBody(value);
        if (this.#writer.blocked) {
          await new Promise<void>((resolve) => {
            this.#onDrained = resolve;
          });
        }
      }
      if (this.#chunked) this.#writer.write(LAST_CHUNK);
    } catch (error) {
      // Cut off without its end, so that the client does not take it for complete. The body has failed, so there is nothing to cancel.
      this.#reader = undefined;
      this.#server.onError(error);
      this.terminate();
    } finally {
      this.#reader = undefined;
    }
    if (request && this.#request === request) this.#responseEnded(request);
  }

  #responseEnded(request: ServerRequest): void {
    this.#responding = false;
    request.responseEnded();
    this.#continueReading();
  }

  /** After an answer: closes, or comes to the next request, as soon as all is sent and received. */
  #continueReading(): void {
    const socket = this.#socket;
    if (this.#responding || !this.#writer.empty || !socket) return;
    this.#uncount();
    const request = this.#request;
    if (request && !request.complete && (this.#continued || !request.head.expectsContinue)) {
      // What is still on its way would have the system throw the answer away with the connection.
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
    this.#dropped = 0;
    this.#droppingSeconds = 0;
    this.#parser.reset();
    const ahead = this.#ahead;
    if (ahead.length > 0) {
      this.#ahead = NOTHING;
      this.#pause(false);
      // Not from inside this call: a client may have sent thousands at once.
      queueMicrotask(() => {
        if (this.#socket) this.received(ahead);
      });
    } else if (this.#server.stopping) socket.end();
  }

  #writeBody(bytes: Uint8Array): void {
    // A chunk without bytes would be the end of it.
    if (bytes.length === 0) return;
    if (this.#chunked) this.#writer.write(chunkSize(bytes.length));
    this.#writer.write(bytes);
    if (this.#chunked) this.#writer.write(CHUNK_END);
  }

  /** Cancels the body of a response that has no client. */
  #discard({ body }: HttpResponse): void {
    if (body instanceof PushStream || body instanceof ReadableStream) {
      void cancelBody(body).catch(this.#server.onError);
    }
  }
}
