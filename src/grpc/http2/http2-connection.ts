import { copyBytes } from '../../core/bytes.ts';
import type { ServerSocket, SocketEvents } from '../../platform/socket-listener.ts';
import { SocketWriter, type Traffic } from '../../platform/socket-writer.ts';
import type { WriteBatch } from '../../platform/write-batch.ts';
import type { ByteLedger } from '../../server/byte-ledger.ts';
import { ConnectionMemory } from '../../server/connection-memory.ts';
import type { Client, TableEntry } from '../../server/connection-table.ts';
import { ConnectionTimeouts } from '../../server/connection-timeouts.ts';
import type { ServerLimitName } from '../../server/server-limits.ts';
import type { GrpcLimits } from '../grpc-limits.ts';
import { ClientBudget } from './client-budget.ts';
import { ConnectionClock } from './connection-clock.ts';
import { EndedStreams } from './ended-streams.ts';
import { checkFrame, readSettings } from './frame-checks.ts';
import {
  ConnectionError,
  content,
  DEFAULT_WINDOW,
  ERROR,
  FLAG,
  FRAME,
  type Frame,
  FrameReader,
  frame,
  goAwayFrame,
  MAX_WINDOW,
  numberAt,
  numberFrame,
  SETTING,
  settingsFrame,
} from './frames.ts';
import { HeaderBlocks, type HeaderList, MAX_HEADER_LIST } from './header-blocks.ts';
import { HpackError } from './hpack-decoder.ts';
import { Http2Stream, type StreamCarrier, type StreamHandler } from './http2-stream.ts';
import { NOT_HTTP2, PrefaceReader } from './preface.ts';
import { readRequestHead, trailerProblem } from './request-headers.ts';
import { SendScheduler } from './send-scheduler.ts';

/** What connections need of their server. */
export interface Http2ConnectionServer {
  /** Begins to handle a request. Must not throw. */
  readonly accept: (stream: Http2Stream, memory: ConnectionMemory) => StreamHandler;
  readonly onError: (error: unknown) => void;
  readonly secure: boolean;
  readonly batch: WriteBatch;
  readonly limits: () => GrpcLimits;
  readonly ledger: ByteLedger;
  readonly bytes: Traffic;
  readonly onLimit: (limit: ServerLimitName) => void;
  opened(connection: Http2Connection): void;
  closed(connection: Http2Connection): void;
  streamBegan(): void;
  streamEnded(): void;
}

/** Bytes that a connection may send ahead for all of its streams. */
const CONNECTION_WINDOW = 1024 * 1024;
/** Detects clients that are gone without closing. Milliseconds. */
const TCP_KEEP_ALIVE_MS = 30_000;
/** From here on the client of a stream has stalled, and does not merely read in bursts. */
const STALLED_SECONDS = 5;
/** One client's connection with all of its streams (RFC 9113). */
export class Http2Connection implements SocketEvents, StreamCarrier, TableEntry {
  slot = -1;
  readonly memory: ConnectionMemory;
  readonly #server: Http2ConnectionServer;
  readonly #reader = new FrameReader();
  readonly #blocks = new HeaderBlocks();
  readonly #writer: SocketWriter;
  readonly #output = new ConnectionTimeouts();
  readonly #clock = new ConnectionClock();
  readonly #budget: ClientBudget;
  readonly #streams = new Map<number, Http2Stream>();
  readonly #scheduler: SendScheduler;
  #socket: ServerSocket | undefined;
  #address: string | undefined;
  #handshaking: boolean;
  readonly #preface = new PrefaceReader();
  #lastStream = 0;
  readonly #endedEarly = new EndedStreams();
  #receiveWindow = DEFAULT_WINDOW;
  #received = 0;
  /** New streams are refused. */
  #isLeaving = false;
  /** Nothing that arrives counts any more. */
  #isEnding = false;
  #account: string | undefined;

  constructor(server: Http2ConnectionServer, client: Client) {
    this.#server = server;
    this.#handshaking = server.secure;
    this.#budget = new ClientBudget(server.limits().grpcFrames);
    this.#scheduler = new SendScheduler(this, this.#budget);
    this.memory = new ConnectionMemory(client, this, server.ledger, server.onLimit);
    this.#writer = new SocketWriter(
      server.batch,
      this.#drained,
      undefined,
      this.memory.backlogChanged,
      server.bytes,
    );
  }

  get client(): Client {
    return this.memory.client;
  }

  /** Of the last request: nearly always, one connection belongs to one tenant. */
  get account(): string | undefined {
    return this.#account;
  }

  get stalledSeconds(): number {
    return Math.max(this.#output.stalledSeconds, this.#clock.stalledSeconds);
  }

  get idleSeconds(): number | undefined {
    return this.#streams.size === 0 ? this.#clock.idleSeconds : undefined;
  }

  get secure(): boolean {
    return this.#server.secure;
  }

  get remoteAddress(): string {
    this.#address ??= this.#socket?.remoteAddress;
    return this.#address ?? 'unknown';
  }

  get blocked(): boolean {
    return this.#writer.blocked;
  }

  // Socket events.

  opened(socket: ServerSocket): void {
    this.#socket = socket;
    this.#writer.open(socket);
    socket.setKeepAlive(true, TCP_KEEP_ALIVE_MS);
    this.#server.opened(this);
    if (!this.#handshaking) this.#begin();
  }

  secured(): void {
    this.#handshaking = false;
    this.#begin();
  }

  received(bytes: Uint8Array): void {
    this.#server.bytes.receivedBytes += bytes.length;
    if (this.#isEnding) return;
    this.#clock.received();
    try {
      const rest = this.#preface.read(bytes);
      if (rest === null) {
        this.send(NOT_HTTP2);
        this.#end();
      } else if (rest) this.#reader.push(rest, (next) => this.#frame(next));
    } catch (error) {
      this.#failed(error);
    }
  }

  drained(): void {
    this.#writer.drained();
  }

  closed(): void {
    if (!this.#socket) return;
    // Kept for listeners of the disconnect.
    this.#address = this.remoteAddress;
    this.#socket = undefined;
    this.#isEnding = true;
    this.#writer.close();
    this.memory.streamStalled(false);
    this.#server.closed(this);
    for (const stream of [...this.#streams.values()]) this.#lose(stream);
  }

  /** Asks the client to open another connection; this one ends when its streams have. */
  retire(): void {
    if (this.#isLeaving || this.#isEnding || !this.#preface.isComplete) {
      if (!this.#preface.isComplete) this.#end();
      return;
    }
    this.#isLeaving = true;
    // Streams that the client has begun meanwhile are served (RFC 9113, section 6.8).
    this.send(goAwayFrame(MAX_WINDOW, ERROR.NO_ERROR));
    this.#clock.leave();
  }

  evict(): void {
    this.#server.closed(this);
    this.send(goAwayFrame(this.#lastStream, ERROR.NO_ERROR));
    this.#end();
  }

  terminate(): void {
    this.#isEnding = true;
    this.#socket?.terminate();
  }

  /** Called once a second. */
  tick(): void {
    const limits = this.#server.limits();
    this.#budget.tick();
    if (this.#output.tickOutput(this.#writer, limits)) {
      this.#server.onLimit('write_idle');
      this.terminate();
      return;
    }
    for (const stream of [...this.#streams.values()]) stream.tick();
    const due = this.#clock.tick(
      {
        isHandshaking: this.#handshaking,
        hasPreface: this.#preface.isComplete,
        partial: this.#reader.partialBytes > 0 || this.#blocks.isOpen,
        streams: this.#streams.size,
        stalled: this.#scheduler.waiting,
      },
      limits,
    );
    this.memory.streamStalled(this.stalledSeconds >= STALLED_SECONDS);
    if (due === 'ping') this.send(frame(FRAME.PING, 0, 0, new Uint8Array(8)));
    else if (due === 'retire') this.retire();
    else if (due === 'last') this.#lastGoAway();
    else if (due === 'close') this.terminate();
    else if (due !== undefined) {
      this.#server.onLimit(due);
      this.#goAway(ERROR.ENHANCE_YOUR_CALM, `limits.${due}`);
    }
  }

  // The carrier of streams.

  send(bytes: Uint8Array): void {
    this.#writer.write(bytes);
  }

  flush(stream: Http2Stream): void {
    this.#scheduler.flush(stream);
  }

  backlogChanged(change: number): void {
    this.memory.backlogChanged(change);
  }

  finished(stream: Http2Stream): void {
    this.#scheduler.remove(stream);
    if (!this.#streams.delete(stream.id)) return;
    if (!stream.isRemoteClosed) this.#endedEarly.add(stream.id);
    this.#server.streamEnded();
    if (this.#streams.size === 0) {
      this.#clock.idle();
      if (this.#isLeaving) this.#lastGoAway();
    }
  }

  /** Counts what waits on this connection with other responses of the account. */
  chargeTo(account: string): void {
    this.#account = account;
  }

  #begin(): void {
    this.send(
      settingsFrame([
        [SETTING.MAX_CONCURRENT_STREAMS, this.#server.limits().grpcStreams],
        [SETTING.MAX_HEADER_LIST_SIZE, MAX_HEADER_LIST],
      ]),
    );
    this.send(numberFrame(FRAME.WINDOW_UPDATE, 0, CONNECTION_WINDOW - DEFAULT_WINDOW));
    this.#receiveWindow = CONNECTION_WINDOW;
  }

  /** @returns whether to go on */
  #frame(next: Frame): boolean {
    if (this.#blocks.isOpen && next.type !== FRAME.CONTINUATION) {
      throw new ConnectionError(ERROR.PROTOCOL_ERROR, 'a header block is not continued');
    }
    if (!this.#budget.frame(next)) {
      this.#server.onLimit('grpc_frames');
      this.#goAway(ERROR.ENHANCE_YOUR_CALM, 'too_many_pings');
      return false;
    }
    checkFrame(next);
    switch (next.type) {
      case FRAME.DATA:
        this.#data(next);
        break;
      case FRAME.HEADERS:
        this.#headers(this.#blocks.headers(next));
        break;
      case FRAME.CONTINUATION:
        this.#headers(this.#blocks.continuation(next));
        break;
      case FRAME.RST_STREAM:
        this.#reset(next);
        break;
      case FRAME.SETTINGS:
        this.#settings(next);
        break;
      case FRAME.PING:
        this.#ping(next);
        break;
      case FRAME.WINDOW_UPDATE:
        this.#windowUpdate(next);
        break;
    }
    return !this.#isEnding;
  }

  #data(next: Frame): void {
    const length = next.payload.length;
    const bytes = content(next);
    const stream = this.#streamOf(next);
    this.#receiveWindow -= length;
    if (this.#receiveWindow < 0) {
      throw new ConnectionError(ERROR.FLOW_CONTROL_ERROR, 'the connection sends more than its window');
    }
    // What streams keep is limited by their windows and the memory for requests, not by this window.
    this.#received += length;
    if (this.#received >= CONNECTION_WINDOW / 4) {
      this.#receiveWindow += this.#received;
      this.send(numberFrame(FRAME.WINDOW_UPDATE, 0, this.#received));
      this.#received = 0;
    }
    if (!stream) {
      this.#assertEndedEarly(next.stream);
      return;
    }
    if (stream.isRemoteClosed) {
      stream.reset(ERROR.STREAM_CLOSED);
      return;
    }
    stream.receiveWindow -= length;
    if (stream.receiveWindow < 0) {
      stream.reset(ERROR.FLOW_CONTROL_ERROR);
      return;
    }
    stream.grant(length - bytes.length);
    // A copy: a part of one byte must not keep the whole read in memory.
    if (bytes.length > 0) stream.received(copyBytes(bytes));
    if (next.flags & FLAG.END_STREAM) this.#remoteEnded(stream);
  }

  #remoteEnded(stream: Http2Stream): void {
    if (stream.hasWrongLength) stream.reset(ERROR.PROTOCOL_ERROR);
    else stream.remoteEnded();
  }

  #assertEndedEarly(id: number): void {
    if (this.#endedEarly.has(id)) return;
    throw new ConnectionError(ERROR.STREAM_CLOSED, 'a frame belongs to a stream that has ended');
  }

  /** @returns undefined for a stream that has ended */
  #streamOf({ stream: id }: Frame): Http2Stream | undefined {
    const isIdle = id === 0 || id > this.#lastStream || id % 2 === 0;
    if (isIdle) throw new ConnectionError(ERROR.PROTOCOL_ERROR, 'a frame belongs to no stream');
    return this.#streams.get(id);
  }

  #headers(list: HeaderList | undefined): void {
    if (!list) return;
    const { stream: id, endStream, entries } = list;
    const open = this.#streams.get(id);
    if (open) {
      // Trailers, which gRPC clients do not send.
      if (!endStream || open.isRemoteClosed || !entries || trailerProblem(entries) !== undefined) {
        open.reset(ERROR.PROTOCOL_ERROR);
      } else this.#remoteEnded(open);
      return;
    }
    if (id <= this.#lastStream) {
      this.#assertEndedEarly(id);
      return;
    }
    this.#lastStream = id;
    const { grpcStreams } = this.#server.limits();
    if (this.#streams.size >= grpcStreams || this.#clock.isLast) {
      if (this.#streams.size >= grpcStreams) this.#server.onLimit('grpc_streams');
      this.#refuse(id, ERROR.REFUSED_STREAM);
      return;
    }
    const head = entries ? readRequestHead(entries) : undefined;
    if (typeof head === 'string') {
      this.#refuse(id, ERROR.PROTOCOL_ERROR);
      return;
    }
    this.#open(id, endStream, head);
  }

  #open(
    id: number,
    endStream: boolean,
    head: Exclude<ReturnType<typeof readRequestHead>, string> | undefined,
  ): void {
    if (!head) {
      // Its path is not known: a response without a gRPC status.
      this.#refuse(id, ERROR.ENHANCE_YOUR_CALM);
      return;
    }
    const stream = new Http2Stream(id, head, this, this.#scheduler.initialWindow);
    this.#streams.set(id, stream);
    this.#server.streamBegan();
    stream.handledBy(this.#server.accept(stream, this.memory));
    if (endStream) this.#remoteEnded(stream);
  }

  #reset(next: Frame): void {
    const stream = this.#streamOf(next);
    if (!stream) return;
    // It sends no more of it.
    stream.isRemoteClosed = true;
    this.#lose(stream);
  }

  /** Ends a stream that was never opened. */
  #refuse(id: number, code: number): void {
    if (!this.#budget.refusal()) {
      throw new ConnectionError(ERROR.ENHANCE_YOUR_CALM, 'too many streams that cannot be served');
    }
    this.#endedEarly.add(id);
    this.send(numberFrame(FRAME.RST_STREAM, id, code));
  }

  #lose(stream: Http2Stream): void {
    try {
      stream.lost();
    } catch (error) {
      // A listener that throws must not keep other streams from ending.
      this.#server.onError(error);
    }
  }

  #settings(next: Frame): void {
    if (next.flags & FLAG.ACK) return;
    for (const [setting, value] of readSettings(next.payload)) {
      if (setting !== SETTING.INITIAL_WINDOW_SIZE) continue;
      this.#scheduler.setInitialWindow(value, this.#streams.values());
    }
    this.send(frame(FRAME.SETTINGS, FLAG.ACK, 0));
    this.#scheduler.resume();
  }

  #ping(next: Frame): void {
    if (next.flags & FLAG.ACK) return;
    this.send(frame(FRAME.PING, FLAG.ACK, 0, copyBytes(next.payload)));
  }

  #windowUpdate(next: Frame): void {
    const bytes = numberAt(next.payload, 0) & MAX_WINDOW;
    if (next.stream === 0) {
      this.#scheduler.widen(bytes);
      return;
    }
    const stream = this.#streamOf(next);
    if (stream) this.#scheduler.widenStream(stream, bytes);
  }

  readonly #drained = () => {
    if (this.#isEnding) return;
    this.#scheduler.resume();
    for (const stream of [...this.#streams.values()]) if (!this.blocked) stream.drained();
  };

  #lastGoAway(): void {
    if (this.#isEnding) return;
    this.send(goAwayFrame(this.#lastStream, ERROR.NO_ERROR));
    if (this.#streams.size === 0) this.#end();
  }

  #failed(error: unknown): void {
    if (error instanceof ConnectionError) this.#goAway(error.code, error.message);
    else if (error instanceof HpackError) this.#goAway(ERROR.COMPRESSION_ERROR, error.message);
    else {
      this.#server.onError(error);
      this.#goAway(ERROR.INTERNAL_ERROR, 'the gateway failed');
    }
  }

  #goAway(code: number, reason: string): void {
    if (this.#isEnding) return;
    this.send(goAwayFrame(this.#lastStream, code, reason));
    this.#end();
    for (const stream of [...this.#streams.values()]) this.#lose(stream);
  }

  /** Closes once everything is sent. */
  #end(): void {
    this.#isEnding = true;
    this.#writer.flush();
    this.#socket?.end();
    this.#clock.end();
  }
}
