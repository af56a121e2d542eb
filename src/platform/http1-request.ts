import { TransportError, type UpstreamRequest } from '../core/transport.ts';
import { assertSendable } from './http1-headers.ts';

/** Encodes HTTP/1.1 requests. Pure. */

/** The destination of a request. */
export interface RequestTarget {
  /** Host name or address, an IPv6 literal without brackets. */
  readonly hostname: string;
  readonly port: number;
  /** The key of connections that may be shared: `hostname:port`, with the scheme for `https:`. */
  readonly origin: string;
  /** Present for `https:`. */
  readonly tls?: true;
  /** Value of the `Host` header. */
  readonly host: string;
  /** Path and query. */
  readonly path: string;
  /** `Authorization` value for credentials in the URL. */
  readonly authorization?: string;
}

/** @throws TransportError (`connect`) for a URL that is neither `http:` nor `https:`. */
export function parseTarget(url: string): RequestTarget {
  if (!URL.canParse(url)) throw new TransportError('connect', 'not a valid URL');
  const parsed = new URL(url);
  const { hostname, protocol } = parsed;
  const isTls = protocol === 'https:';
  if (!isTls && protocol !== 'http:') {
    throw new TransportError('connect', `this transport speaks http: and https: only, not ${protocol}`);
  }
  const port = parsed.port === '' ? (isTls ? 443 : 80) : Number(parsed.port);
  const target = {
    hostname: hostname.startsWith('[') ? hostname.slice(1, -1) : hostname,
    port,
    origin: isTls ? `https://${hostname}:${port}` : `${hostname}:${port}`,
    host: parsed.host,
    path: parsed.pathname + parsed.search,
    ...(isTls ? { tls: true as const } : {}),
  };
  if (parsed.username === '' && parsed.password === '') return target;
  return { ...target, authorization: basicAuthorization(parsed) };
}

function basicAuthorization(url: URL): string {
  try {
    const credentials = `${decodeURIComponent(url.username)}:${decodeURIComponent(url.password)}`;
    return `Basic ${Buffer.from(credentials).toString('base64')}`;
  } catch (cause) {
    throw new TransportError('connect', 'malformed credentials in the URL', { cause });
  }
}

/** The transport sets framing and connection headers itself; those of a caller are not sent. */
const OWNED_HEADERS: ReadonlySet<string> = new Set([
  'connection',
  'content-length',
  'keep-alive',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
]);

const NOT_ASCII = /[^\0-\x7f]/;

/** The part of a head that does not depend on the body; text is ASCII. */
type Head = string | Uint8Array;

interface KnownHead {
  readonly method: UpstreamRequest['method'];
  readonly head: Head;
}

/** Encodes requests, and keeps the heads of those whose headers are frozen, because many requests share them. */
export class RequestEncoder {
  readonly #heads = new WeakMap<UpstreamRequest['headers'], WeakMap<RequestTarget, KnownHead>>();

  /**
   * @returns the request as parts to be written in order; strings are written as UTF-8
   * @throws TransportError (`protocol`) for headers that could smuggle another one
   */
  encode(request: UpstreamRequest, target: RequestTarget): readonly (string | Uint8Array)[] {
    const { body } = request;
    const head = this.#head(request, target);
    if (body === undefined) return [head, request.method !== 'GET' ? 'content-length: 0\r\n\r\n' : '\r\n'];
    const length = typeof body === 'string' ? Buffer.byteLength(body) : body.byteLength;
    return [head, `content-length: ${length}\r\n\r\n`, body];
  }

  #head({ method, headers }: UpstreamRequest, target: RequestTarget): Head {
    const known = this.#heads.get(headers)?.get(target);
    if (known?.method === method) return known.head;
    const head = encodeHead(headText(method, headers, target));
    if (Object.isFrozen(headers)) {
      const heads = this.#heads.get(headers) ?? new WeakMap<RequestTarget, KnownHead>();
      heads.set(target, { method, head });
      this.#heads.set(headers, heads);
    }
    return head;
  }
}

function headText(method: string, headers: UpstreamRequest['headers'], target: RequestTarget): string {
  let head = `${method} ${target.path} HTTP/1.1\r\nhost: ${headers.host ?? target.host}\r\n`;
  for (const name in headers) {
    const value = headers[name] ?? '';
    assertSendable(name, value);
    if (name !== 'host' && !OWNED_HEADERS.has(name)) head += `${name}: ${value}\r\n`;
  }
  if (target.authorization !== undefined && headers.authorization === undefined) {
    head += `authorization: ${target.authorization}\r\n`;
  }
  return head;
}

/** Header values are Latin-1 on the wire, but text is written as UTF-8: the two agree for ASCII only. */
function encodeHead(head: string): Head {
  return NOT_ASCII.test(head) ? Buffer.from(head, 'latin1') : head;
}
