import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { ByteReader } from './byte-reader.ts';
import { type Bytes, indexOfBytes, joinBytes, toBytes, toText } from './bytes.ts';
import {
  framingOf,
  type MessageHead,
  readBodyPieces,
  readHead,
  TruncatedMessageError,
} from './http-message.ts';
import { Waiters } from './waiters.ts';

/** A client that sends any bytes at all, for hostile and half-finished requests. */

export interface TimedBytes {
  /** Monotonic time of the test process, as of `performance.now()`. */
  readonly atMs: number;
  readonly bytes: Uint8Array;
}

export interface RawHead {
  readonly status: number;
  readonly reason: string;
  readonly headers: Headers;
  /** In the order and the letter case of the wire. */
  readonly rawHeaders: MessageHead['rawHeaders'];
  readonly atMs: number;
}

export interface RawResponse extends RawHead {
  /** Without the framing; as far as it arrived when the connection closed early. */
  readonly body: Uint8Array;
  /** The body as it was read, with the time of each read. */
  readonly pieces: readonly TimedBytes[];
  /** False when the connection closed before the framing said that the body was over. */
  readonly complete: boolean;
  readonly endedAtMs: number;
  text(): string;
  /** @throws when the body is not JSON */
  json(): unknown;
}

export interface RawClosed {
  readonly atMs: number;
  /** Which side ended the connection. */
  readonly by: 'server' | 'client';
  /** The socket's error code, if it did not end in order: `ECONNRESET`. */
  readonly error?: string;
}

export interface RawConnection {
  /** Writes the bytes as they are; resolves when the socket takes more. */
  send(...bytes: Bytes[]): Promise<void>;
  /** Everything received so far, framing and all. */
  received(): Uint8Array;
  /** Resolves when `text` has been received; rejects when the connection closes before that. */
  waitForText(text: string): Promise<void>;
  /**
   * Reads the next final response; informational ones (1xx) are skipped.
   * @param request `headOnly` for an answer to HEAD, which has no body whatever its headers say
   * @throws when the connection closes before its head is complete, or it is not HTTP
   */
  readResponse(request?: { readonly headOnly?: boolean }): Promise<RawResponse>;
  /** Stops and restarts reading, so that the server feels back-pressure. */
  pause(): void;
  resume(): void;
  /** Sends FIN and keeps reading. */
  halfClose(): void;
  /** Closes at once in both directions. */
  destroy(): void;
  /** Closes at once with a TCP reset. */
  reset(): void;
  /** How and when the connection ended. Resolves for every ending. */
  readonly closed: Promise<RawClosed>;
}

/** The bytes of a well-formed request with `host`, and `content-length` when there is a body. */
export function requestBytes(request: {
  readonly method?: string;
  readonly target?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: Bytes;
}): Uint8Array {
  const { method = 'GET', target = '/', headers = {}, body } = request;
  const names = new Set(Object.keys(headers).map((name) => name.toLowerCase()));
  const lines = [`${method} ${target} HTTP/1.1`];
  if (!names.has('host')) lines.push('host: 127.0.0.1');
  for (const [name, value] of Object.entries(headers)) lines.push(`${name}: ${value}`);
  if (body !== undefined && !names.has('content-length') && !names.has('transfer-encoding')) {
    lines.push(`content-length: ${toBytes(body).length}`);
  }
  return joinBytes([`${lines.join('\r\n')}\r\n\r\n`, body ?? '']);
}

async function readFinalHead(reader: ByteReader): Promise<RawHead> {
  for (;;) {
    const head = await readHead(reader);
    if (head === undefined) throw new TruncatedMessageError('connection closed before the response');
    const [version, code, reason] = head.start;
    if (!/^HTTP\/1\.[01]$/.test(version) || !/^[1-9]\d\d$/.test(code)) {
      throw new Error(`not a status line: ${head.start.join(' ').slice(0, 80)}`);
    }
    const status = Number(code);
    if (status >= 200 || status === 101) {
      return { status, reason, headers: head.headers, rawHeaders: head.rawHeaders, atMs: performance.now() };
    }
  }
}

async function readResponse(reader: ByteReader, headOnly: boolean): Promise<RawResponse> {
  const head = await readFinalHead(reader);
  const bodiless = headOnly || head.status === 101 || head.status === 204 || head.status === 304;
  const pieces: TimedBytes[] = [];
  let complete = true;
  try {
    const framing = bodiless ? ({ kind: 'none' } as const) : framingOf(head.headers, 'close');
    for await (const bytes of readBodyPieces(reader, framing))
      pieces.push({ atMs: performance.now(), bytes });
  } catch (error) {
    if (!(error instanceof TruncatedMessageError)) throw error;
    complete = false;
  }
  const body = joinBytes(pieces.map((piece) => piece.bytes));
  return {
    ...head,
    body,
    pieces,
    complete,
    endedAtMs: performance.now(),
    text: () => toText(body),
    json: (): unknown => JSON.parse(toText(body)),
  };
}

export interface RawOptions {
  /** PEM of the certificate authority that is trusted for `https:`. */
  readonly ca?: string | undefined;
}

/**
 * Connects to the host and port of `url`, with TLS for `https:`.
 * @throws when the connection is refused, or the server's certificate is not trusted
 */
export async function openRaw(url: string, options: RawOptions = {}): Promise<RawConnection> {
  const socket = await openSocket(new URL(url), options);

  const reader = new ByteReader();
  const waiters = new Waiters();
  const arrived: Uint8Array[] = [];
  let over = false;
  let byUs = false;
  const closed = new Promise<RawClosed>((resolve) => {
    const ended = (error?: string) => {
      if (over) return;
      over = true;
      reader.end();
      waiters.changed();
      resolve({
        atMs: performance.now(),
        by: byUs ? 'client' : 'server',
        ...(error !== undefined && { error }),
      });
      socket.destroy();
    };
    socket.on('data', (bytes) => {
      arrived.push(toBytes(bytes));
      reader.push(toBytes(bytes));
      waiters.changed();
    });
    socket.on('error', (error) => ended('code' in error ? String(error.code) : error.message));
    socket.on('end', () => ended());
    socket.on('close', () => ended());
  });

  return {
    closed,
    received: () => joinBytes(arrived),
    readResponse: (request) => readResponse(reader, request?.headOnly ?? false),
    send: async (...bytes) => {
      if (over) throw new Error('the connection is closed');
      if (socket.write(joinBytes(bytes))) return;
      await Promise.race([new Promise<void>((resolve) => socket.once('drain', resolve)), closed]);
    },
    waitForText: async (text) => {
      const found = () => indexOfBytes(joinBytes(arrived), toBytes(text)) >= 0;
      await waiters.until(text, () => over || found());
      if (!found())
        throw new Error(`closed before ${JSON.stringify(text)} came; got ${toText(joinBytes(arrived))}`);
    },
    pause: () => void socket.pause(),
    resume: () => void socket.resume(),
    halfClose: () => void socket.end(),
    destroy: () => {
      byUs = true;
      socket.destroy();
    },
    reset: () => {
      byUs = true;
      socket.resetAndDestroy();
    },
  };
}

async function openSocket({ protocol, hostname, port }: URL, { ca }: RawOptions): Promise<Socket> {
  const secure = protocol === 'https:';
  const target = {
    host: hostname,
    port: Number(port || (secure ? 443 : 80)),
    noDelay: true,
    allowHalfOpen: true,
  };
  if (!secure) {
    const socket = connect(target);
    await once(socket, 'connect');
    return socket;
  }
  const socket = connectTls({ ...target, ...(ca === undefined ? {} : { ca }) });
  await once(socket, 'secureConnect');
  return socket;
}

/** Opens a connection, sends the bytes, reads one response and closes. */
export async function sendRaw(url: string, ...bytes: Bytes[]): Promise<RawResponse> {
  const connection = await openRaw(url);
  try {
    await connection.send(...bytes);
    return await connection.readResponse();
  } finally {
    connection.destroy();
  }
}
