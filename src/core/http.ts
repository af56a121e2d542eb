import type { StreamBody } from './push-stream.ts';

/** The contract between the HTTP server and the router: requests, headers and responses. */

/** Request headers by lower-case name; repeated headers are joined with ", ". */
export interface HeaderReader {
  get(name: string): string | null;
  has(name: string): boolean;
  /** All names; absent where they cannot be listed. */
  keys?(): Iterable<string>;
}

/** One request as the HTTP server delivers it. */
export interface HttpRequest {
  readonly method: string;
  /** Path and query, beginning with a slash. */
  readonly target: string;
  /** The same as an absolute URL. */
  readonly url: string;
  readonly headers: HeaderReader;
  /** The peer's IP address; `unknown` when the connection closed before it was read. */
  readonly remoteAddress: string;
  /** Aborted when the client disconnects before its response is complete. */
  readonly signal: AbortSignal;
  /** Calls each listener once when the client disconnects before its response is complete; at once when it has. */
  onDisconnect(listener: () => void): void;
  /**
   * Reads the whole body.
   * @param limit in bytes
   * @returns the bytes where they have all arrived, else a promise
   * @throws BodyError, or rejects with it
   */
  readBody(limit: number): Uint8Array | Promise<Uint8Array>;
  /**
   * Reads the body in parts, instead of `readBody`: a part is in memory until the next one is asked for, and the client
   * waits meanwhile. Absent where bodies are read whole.
   * @param limit in bytes, of all parts
   * @throws BodyError, at once or while it is read
   */
  streamBody?(limit: number): AsyncIterable<Uint8Array>;
  /**
   * Sets the longest body of the route, whatever `readBody` allows. More is never kept, read or not.
   * @param bytes 0 or more
   */
  limitBody(bytes: number): void;
  /**
   * Counts memory that the handler keeps until the end of the request, in addition to the body as it arrived.
   * @param bytes more than 0
   * @throws BodyError `no_memory`, or `ended_early` when the request has ended
   */
  keepBytes(bytes: number): void;
  /**
   * Counts what waits for a slow client with the other responses of this account, no longer with those of the client's address.
   * @param account such as the id of a tenant
   */
  chargeTo(account: string): void;
}

const BODY_ERRORS = {
  too_large: 'The request body is larger than the limit.',
  ended_early: 'The request body ended before it was complete.',
  timed_out: 'The request body did not arrive in time.',
  no_memory: 'The gateway has no memory for more request bodies (limits.request_memory). Retry later.',
} as const;

/** Why a request's body cannot be read. Its message is for the client. */
export class BodyError extends Error {
  override readonly name = 'BodyError';

  constructor(
    readonly reason: keyof typeof BODY_ERRORS,
    message: string = BODY_ERRORS[reason],
  ) {
    super(message);
  }

  /** @param limit in bytes */
  static tooLarge(limit: number): BodyError {
    return new BodyError('too_large', `The request body is larger than the limit of ${limit} bytes.`);
  }
}

const SENDABLE_NAME = /^[!#$%&'*+\-.^_`|~0-9a-z]+$/;
const SENDABLE_VALUE = /^[\t\x20-\x7e]*$/;

/**
 * A header of a response as one line on the wire.
 * @param name in lower case
 * @throws TypeError for a header that cannot be sent, such as one with a line end in its value
 */
export function headerLine(name: string, value: string): string {
  if (!SENDABLE_NAME.test(name)) throw new TypeError(`not a header name: ${JSON.stringify(name)}`);
  if (!SENDABLE_VALUE.test(value))
    throw new TypeError(`the value of the header "${name}" has characters that cannot be sent`);
  return `${name}: ${value}\r\n`;
}

/** One value, or several for a header that is sent several times. */
export type HeaderValue = string | readonly string[];

/** Header fields by lower-case name, as code writes them down. `ResponseHeaders` and `HeaderBlock` are made of them. */
export type HeaderFields = Readonly<Record<string, HeaderValue>>;

/** Headers that many responses share, rendered for the wire once. */
export class HeaderBlock {
  readonly text: string;
  readonly #extended = new WeakMap<HeaderBlock, HeaderBlock>();

  /**
   * @param fields by lower-case name
   * @throws TypeError for a field that cannot be sent
   */
  constructor(readonly fields: Readonly<Record<string, string>>) {
    this.text = Object.entries(fields)
      .map(([name, value]) => headerLine(name, value))
      .join('');
  }

  /** The headers of both; those of `more` win. The same two blocks always give the same third one. */
  extendedWith(more: HeaderBlock): HeaderBlock {
    let both = this.#extended.get(more);
    if (both === undefined) {
      both = new HeaderBlock({ ...this.fields, ...more.fields });
      this.#extended.set(more, both);
    }
    return both;
  }
}

const NO_HEADERS = new HeaderBlock({});

/**
 * The headers of one response: a list of its own, and one block that it shares with others. A list and not an object: an
 * object whose names differ from response to response is slow to fill and to read.
 */
export class ResponseHeaders {
  /** Lower-case names of the list. */
  readonly names: string[] = [];
  /** Their values, at the same places. */
  readonly values: HeaderValue[] = [];
  /** Has no header that is also in the list: both are sent. */
  block: HeaderBlock = NO_HEADERS;

  static of(fields: HeaderFields): ResponseHeaders {
    const headers = new ResponseHeaders();
    headers.setAll(fields);
    return headers;
  }

  /** @param name in lower case */
  get(name: string): HeaderValue | undefined {
    const at = this.names.indexOf(name);
    return at < 0 ? this.block.fields[name] : this.values[at];
  }

  /** Replaces a value in the list. Never looks into the block. */
  set(name: string, value: HeaderValue): void {
    const at = this.names.indexOf(name);
    if (at >= 0) this.values[at] = value;
    else {
      this.names.push(name);
      this.values.push(value);
    }
  }

  setAll(fields: HeaderFields): void {
    for (const name in fields) this.set(name, fields[name] ?? '');
  }

  /** All headers by name, those of the block first. */
  fields(): HeaderFields {
    const all: Record<string, HeaderValue> = { ...this.block.fields };
    for (const [at, name] of this.names.entries()) all[name] = this.values[at] ?? '';
    return all;
  }
}

/** The body of a response; null where it has none. */
export type ResponseBody = string | Uint8Array | StreamBody | null;

/** A response. The server adds the date, the framing and what belongs to the connection. */
export interface HttpResponse {
  readonly status: number;
  readonly headers: ResponseHeaders;
  readonly body: ResponseBody;
}
