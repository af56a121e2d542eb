import { connect, type Socket } from 'node:net';
import {
  FLAG,
  FRAME,
  type Frame,
  FrameReader,
  frame,
  headerFrames,
  PREFACE,
  settingsFrame,
} from '../../src/grpc/http2/frames.ts';
import { HpackDecoder } from '../../src/grpc/http2/hpack-decoder.ts';
import { encodeHeaders } from '../../src/grpc/http2/hpack-encoder.ts';
import { Waiters } from './waiters.ts';

/** A client of HTTP/2 that sends any frames, and keeps what it receives. */

export interface ReceivedHeaders {
  readonly stream: number;
  readonly fields: Readonly<Record<string, string>>;
}

type Headers = readonly (readonly [name: string, value: string])[];

export class RawHttp2 {
  readonly frames: Frame[] = [];
  readonly headers: ReceivedHeaders[] = [];
  isClosed = false;
  readonly #waiters = new Waiters();
  readonly #reader = new FrameReader();
  readonly #decoder = new HpackDecoder();

  private constructor(private readonly socket: Socket) {
    socket.on('data', (bytes: Buffer) => {
      this.#reader.push(bytes, (received) => {
        this.#received(received);
        return true;
      });
      this.#waiters.changed();
    });
    // The close that follows says so.
    socket.on('error', () => undefined);
    socket.on('close', () => {
      this.isClosed = true;
      this.#waiters.changed();
    });
  }

  /** @param hello sends the preface and settings */
  static async open(port: number, hello = true): Promise<RawHttp2> {
    const socket = connect(port, '127.0.0.1');
    await new Promise<void>((resolve) => socket.once('connect', () => resolve()));
    const client = new RawHttp2(socket);
    if (hello) client.send(PREFACE, settingsFrame([]));
    return client;
  }

  /** Sends a text that is not HTTP/2. @returns what the server sent until it closed */
  static async openText(port: number, text: string): Promise<string> {
    const socket = connect(port, '127.0.0.1');
    const parts: Buffer[] = [];
    socket.on('data', (bytes: Buffer) => parts.push(bytes));
    socket.write(text);
    await new Promise<void>((resolve) => socket.once('close', () => resolve()));
    return Buffer.concat(parts).toString();
  }

  send(...parts: readonly Uint8Array[]): void {
    if (!this.socket.destroyed) this.socket.write(Buffer.concat(parts));
  }

  /** The frames of a call without its data. */
  static call(stream: number, path: string, more: Headers = [], endStream = false): Uint8Array {
    const headers: Headers = [
      [':method', 'POST'],
      [':scheme', 'http'],
      [':path', path],
      [':authority', 'localhost'],
      ['content-type', 'application/grpc'],
      ['te', 'trailers'],
      ...more,
    ];
    return RawHttp2.request(stream, headers, endStream);
  }

  static request(stream: number, headers: Headers, endStream = true): Uint8Array {
    return Buffer.concat(headerFrames(stream, encodeHeaders(headers), endStream));
  }

  static data(stream: number, bytes: Uint8Array, endStream = false): Uint8Array {
    return frame(FRAME.DATA, endStream ? FLAG.END_STREAM : 0, stream, bytes);
  }

  /** Resolves with the first value that is not undefined. */
  async until<T>(find: () => T | undefined): Promise<T> {
    let found: T | undefined;
    await this.#waiters.until('frames', () => {
      found = find();
      return found !== undefined;
    });
    if (found === undefined) throw new Error('nothing was found');
    return found;
  }

  /** The error code and reason of the connection's end. */
  goAway(): Promise<{ readonly code: number; readonly reason: string }> {
    return this.until(() => {
      const found = this.frames.find(({ type }) => type === FRAME.GOAWAY);
      if (!found) return undefined;
      const payload = Buffer.from(found.payload);
      return { code: payload.readUInt32BE(4), reason: payload.subarray(8).toString() };
    });
  }

  /** The error code with which a stream was reset. */
  resetOf(stream: number): Promise<number> {
    return this.until(() => {
      const found = this.frames.find((one) => one.type === FRAME.RST_STREAM && one.stream === stream);
      return found && Buffer.from(found.payload).readUInt32BE(0);
    });
  }

  /** The last headers of a stream: its status. */
  statusOf(stream: number): Promise<ReceivedHeaders['fields']> {
    return this.until(
      () =>
        this.headers.findLast(
          (one) => one.stream === stream && (one.fields['grpc-status'] ?? one.fields[':status']) !== '200',
        )?.fields,
    );
  }

  closed(): Promise<true> {
    return this.until(() => (this.isClosed ? true : undefined));
  }

  close(): void {
    this.socket.destroy();
  }

  #received(received: Frame): void {
    this.frames.push({ ...received, payload: received.payload.slice() });
    if (received.type !== FRAME.HEADERS) return;
    const fields = Object.fromEntries(this.#decoder.decode(received.payload, 100_000) ?? []);
    this.headers.push({ stream: received.stream, fields });
  }
}
