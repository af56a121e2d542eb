import type { ByteSlice } from './byte-slice.ts';
import type { StreamBody } from './push-stream.ts';

/** What the gateway's own HTTP server and what stands behind it have between them. */

/** Request headers by lower-case name; repeated headers are joined with ", ". */
export interface HeaderReader {
  get(name: string): string | null;
  has(name: string): boolean;
}

/** One request at the door. */
export interface HttpRequest {
  readonly method: string;
  /** Path and query, beginning with a slash. */
  readonly target: string;
  /** The same as an absolute URL. */
  readonly url: string;
  readonly headers: HeaderReader;
  /** The peer's IP address; `unknown` when the connection is already gone. */
  readonly remoteAddress: string;
  /** Aborted when the client goes before it is answered. */
  readonly signal: AbortSignal;
  /** Told once when the client goes before it is answered; a later listener replaces an earlier one. */
  onDisconnect(listener: () => void): void;
  /**
   * The whole body; at once where it has arrived already.
   * @param limit in bytes
   * @throws BodyError
   */
  readBody(limit: number): ByteSlice | Promise<ByteSlice>;
}

/** Why a request's body can't be had. */
export class BodyError extends Error {
  constructor(readonly reason: 'too_large' | 'ended_early') {
    super(reason === 'too_large' ? 'the body is larger than the limit' : 'the body ended before its end');
    this.name = 'BodyError';
  }
}

const SENDABLE_NAME = /^[!#$%&'*+\-.^_`|~0-9a-z]+$/;
const SENDABLE_VALUE = /^[\t\x20-\x7e]*$/;

/**
 * A header of an answer, as it stands on the wire.
 * @param name in lower case
 * @throws TypeError for what can't be sent, such as a value with a line end in it
 */
export function headerLine(name: string, value: string): string {
  if (!SENDABLE_NAME.test(name)) throw new TypeError(`not a header name: ${JSON.stringify(name)}`);
  if (!SENDABLE_VALUE.test(value))
    throw new TypeError(`the header ${name} has characters that can't be sent`);
  return `${name}: ${value}\r\n`;
}

/** Header fields that many answers share, put into their form on the wire once. */
export class HeaderBlock {
  readonly text: string;

  /** @param fields by lower-case name */
  constructor(readonly fields: Readonly<Record<string, string>>) {
    this.text = Object.entries(fields)
      .map(([name, value]) => headerLine(name, value))
      .join('');
  }
}

/** One value, or several for a header that is sent several times. */
export type HeaderValue = string | readonly string[];

/**
 * The headers of one answer, by lower-case name. Two lists and not an object: an object whose names differ from answer to
 * answer is slow to fill and to walk.
 */
export class ResponseHeaders {
  readonly names: string[] = [];
  readonly values: HeaderValue[] = [];
  /** More of them, which many answers share. */
  block: HeaderBlock | undefined;
  /** More of them, as they stand on the wire: only what can't but be sendable. */
  lines = '';

  static of(fields: Readonly<Record<string, HeaderValue>>): ResponseHeaders {
    const headers = new ResponseHeaders();
    headers.setAll(fields);
    return headers;
  }

  /** Not of those in the block or the lines. */
  get(name: string): HeaderValue | undefined {
    const at = this.names.indexOf(name);
    return at < 0 ? undefined : this.values[at];
  }

  set(name: string, value: HeaderValue): void {
    const at = this.names.indexOf(name);
    if (at >= 0) this.values[at] = value;
    else {
      this.names.push(name);
      this.values.push(value);
    }
  }

  setAll(fields: Readonly<Record<string, HeaderValue>>): void {
    for (const name in fields) this.set(name, fields[name] ?? '');
  }
}

export type ResponseBody = string | Uint8Array | StreamBody | null;

/** An answer. The server adds what frames it, and the date. */
export interface HttpResponse {
  readonly status: number;
  readonly base: HeaderBlock;
  /** None that is in `base`. */
  readonly headers: ResponseHeaders;
  readonly body: ResponseBody;
}
