import { STATUS_CODES } from 'node:http';
import { type HttpResponse, headerLine } from '../core/http.ts';

/** HTTP/1.1 responses as bytes. Pure. */

/** How the end of a response is marked. */
export interface ResponseFraming {
  /** Bytes of the body; undefined for a stream. */
  readonly length: number | undefined;
  readonly http10: boolean;
  readonly keepAlive: boolean;
  /** The value of the `date` header. */
  readonly date: string;
  /** Whether the connection uses TLS. */
  readonly secure: boolean;
}

/** Tells browsers to use only TLS for this host for a year (RFC 6797). */
const STRICT_TRANSPORT_SECURITY = 'strict-transport-security: max-age=31536000\r\n';

const STATUS_LINES = new Map(
  Object.entries(STATUS_CODES).map(([status, reason = '']) => [
    Number(status),
    `HTTP/1.1 ${status} ${reason}\r\n`,
  ]),
);

/** Statuses without a body and without `content-length` (RFC 9110, section 8.6). */
export function isBodiless(status: number): boolean {
  return status === 204 || status === 304;
}

/**
 * The head of a response: ASCII, up to and including the empty line.
 * @throws TypeError for a header that cannot be sent, such as one with a line end in its value
 */
export function responseHead({ status, headers }: HttpResponse, framing: ResponseFraming): string {
  const { length, http10, keepAlive, date, secure } = framing;
  const { names, values, block } = headers;
  let head = (STATUS_LINES.get(status) ?? `HTTP/1.1 ${status} \r\n`) + block.text;
  for (let at = 0; at < names.length; at += 1) {
    const name = names[at] ?? '';
    const value = values[at] ?? '';
    // Sent once, below.
    if (name === 'connection') continue;
    if (typeof value === 'string') head += headerLine(name, value);
    else for (const one of value) head += headerLine(name, one);
  }
  if (secure) head += STRICT_TRANSPORT_SECURITY;
  head += `date: ${date}\r\n`;
  if (length !== undefined) {
    if (!isBodiless(status)) head += `content-length: ${length}\r\n`;
  } else if (!http10) head += 'transfer-encoding: chunked\r\n';
  if (!keepAlive) head += 'connection: close\r\n';
  else if (http10) head += 'connection: keep-alive\r\n';
  return `${head}\r\n`;
}

export const LAST_CHUNK = '0\r\n\r\n';

/** Made once: most chunks are small. */
const CHUNK_SIZES = Array.from({ length: 2_048 }, (_, bytes) => `${bytes.toString(16)}\r\n`);

/** The text before and after a chunk of a body in chunked coding. */
export function chunkSize(bytes: number): string {
  return CHUNK_SIZES[bytes] ?? `${bytes.toString(16)}\r\n`;
}
export const CHUNK_END = '\r\n';
