import type { ByteReader } from './byte-reader.ts';
import { joinBytes, toText } from './bytes.ts';

/** Just enough HTTP/1.1 (RFC 9112) to read well-formed messages off a socket and to tell what is wrong with others. */

export interface MessageHead {
  /** The three parts of the request line or the status line; the third may be empty or hold spaces. */
  readonly start: readonly [string, string, string];
  /** In the order and the letter case of the wire. */
  readonly rawHeaders: readonly (readonly [name: string, value: string])[];
  readonly headers: Headers;
}

export type Framing =
  | { kind: 'none' }
  | { kind: 'length'; length: number }
  | { kind: 'chunked' }
  | { kind: 'close' };

export class HttpSyntaxError extends Error {
  override readonly name = 'HttpSyntaxError';
}

/** Thrown when the connection closes inside a message. */
export class TruncatedMessageError extends Error {
  override readonly name = 'TruncatedMessageError';
}

/** Reads up to the blank line; undefined when the connection closed before the first byte. */
export async function readHead(reader: ByteReader): Promise<MessageHead | undefined> {
  const bytes = await reader.readThrough('\r\n\r\n');
  if (bytes === undefined) {
    if (reader.buffered() === 0) return undefined;
    throw new TruncatedMessageError('connection closed inside a message head');
  }
  const [startLine = '', ...lines] = Buffer.from(bytes).toString('latin1').slice(0, -4).split('\r\n');
  const start = /^(\S+) (\S+)(?: (.*))?$/.exec(startLine);
  if (start === null)
    throw new HttpSyntaxError(`not a start line: ${JSON.stringify(startLine.slice(0, 80))}`);
  const rawHeaders = lines.map((line): [string, string] => {
    const field = /^([!#$%&'*+\-.^_`|~0-9A-Za-z]+):[ \t]*(.*?)[ \t]*$/.exec(line);
    if (field === null) throw new HttpSyntaxError(`not a header line: ${JSON.stringify(line.slice(0, 80))}`);
    return [field[1] ?? '', field[2] ?? ''];
  });
  return {
    start: [start[1] ?? '', start[2] ?? '', start[3] ?? ''],
    rawHeaders,
    headers: new Headers(rawHeaders.map(([name, value]): [string, string] => [name, value])),
  };
}

/** How the end of the body is found. Both framings at once, a smuggler's tool, are refused. */
export function framingOf(headers: Headers, otherwise: 'none' | 'close'): Framing {
  const encoding = headers.get('transfer-encoding');
  const length = headers.get('content-length');
  if (encoding !== null) {
    if (length !== null) throw new HttpSyntaxError('both transfer-encoding and content-length');
    if (encoding.trim().toLowerCase() !== 'chunked')
      throw new HttpSyntaxError(`transfer-encoding: ${encoding}`);
    return { kind: 'chunked' };
  }
  if (length === null) return { kind: otherwise };
  if (!/^\d+$/.test(length)) throw new HttpSyntaxError(`content-length: ${length}`);
  return { kind: 'length', length: Number(length) };
}

async function* readChunked(reader: ByteReader): AsyncGenerator<Uint8Array, void, void> {
  const cut = () => new TruncatedMessageError('connection closed inside a chunked body');
  for (;;) {
    const line = await reader.readThrough('\r\n');
    if (line === undefined) throw cut();
    const size = /^([0-9a-f]+)[ \t]*(?:;.*)?\r\n$/is.exec(toText(line));
    if (size === null)
      throw new HttpSyntaxError(`not a chunk size: ${JSON.stringify(toText(line).slice(0, 80))}`);
    let left = Number.parseInt(size[1] ?? '', 16);
    if (left === 0) break;
    while (left > 0) {
      const some = await reader.readSome(left);
      if (some === undefined) throw cut();
      left -= some.length;
      yield some;
    }
    const end = await reader.readExactly(2);
    if (end === undefined) throw cut();
    if (toText(end) !== '\r\n') throw new HttpSyntaxError('a chunk is longer than its size');
  }
  for (;;) {
    const trailer = await reader.readThrough('\r\n');
    if (trailer === undefined) throw cut();
    if (trailer.length === 2) return;
  }
}

/** The body without its framing, as it arrives. */
export async function* readBodyPieces(
  reader: ByteReader,
  framing: Framing,
): AsyncGenerator<Uint8Array, void, void> {
  if (framing.kind === 'none') return;
  if (framing.kind === 'chunked') {
    yield* readChunked(reader);
    return;
  }
  let left = framing.kind === 'length' ? framing.length : Number.POSITIVE_INFINITY;
  while (left > 0) {
    const some = await reader.readSome(left);
    if (some === undefined) {
      if (framing.kind === 'close') return;
      throw new TruncatedMessageError(`connection closed ${left} bytes before the end of the body`);
    }
    left -= some.length;
    yield some;
  }
}

export async function readBody(reader: ByteReader, framing: Framing): Promise<Uint8Array> {
  const pieces: Uint8Array[] = [];
  for await (const piece of readBodyPieces(reader, framing)) pieces.push(piece);
  return joinBytes(pieces);
}
