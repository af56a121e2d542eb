import { promisify } from 'node:util';
import {
  HeaderBlock,
  type HeaderFields,
  type HttpRequest,
  type HttpResponse,
  type ResponseBody,
  ResponseHeaders,
} from '../core/http.ts';
import { lazy } from '../core/lazy.ts';
import type { StreamBody } from '../core/push-stream.ts';

/** Loaded with the first body that is compressed. */
const zlib = lazy(() => import('node:zlib'));

/** Compression does not make smaller bodies shorter. Bytes. */
const MIN_COMPRESSED = 1024;
/** Larger bodies are compressed off the main thread, so that they delay no other request. Bytes. */
const MAX_COMPRESSED_INLINE = 32 * 1024;

/** For responses that are data: nothing may be sniffed, framed, cached or executed. */
export const SECURITY_HEADERS = {
  'x-content-type-options': 'nosniff',
  'x-frame-options': 'DENY',
  // Off, as the browser makers advise: the filter that it controls was itself a way to attack.
  'x-xss-protection': '0',
  'referrer-policy': 'no-referrer',
  'content-security-policy': "default-src 'none'; frame-ancestors 'none'",
  'cache-control': 'no-store',
} as const;

const SECURE = new HeaderBlock(SECURITY_HEADERS);
const JSON_RESPONSE = new HeaderBlock({ ...SECURITY_HEADERS, 'content-type': 'application/json' });
const EVENT_STREAM = new HeaderBlock({
  ...SECURITY_HEADERS,
  'content-type': 'text/event-stream; charset=utf-8',
  'cache-control': 'no-cache, no-store, no-transform',
  // Tells buffering proxies, such as nginx, not to buffer.
  'x-accel-buffering': 'no',
});

type GivenHeaders = ResponseHeaders | HeaderFields;

/**
 * A response of any kind.
 * @param given a list becomes the response's own: the router adds to it. A block that it has is joined with `base`.
 * @param base headers that responses of this kind share, and that the list has none of
 */
export function httpResponse(
  status: number,
  body: ResponseBody,
  given: GivenHeaders,
  base: HeaderBlock = SECURE,
): HttpResponse {
  if (!(given instanceof ResponseHeaders)) {
    const headers = ResponseHeaders.of(given);
    headers.block = base;
    return { status, headers, body };
  }
  given.block = base.extendedWith(given.block);
  return { status, headers: given, body };
}

/** Whether a client accepts a response that is compressed with gzip. */
export function acceptsGzip({ headers }: Pick<HttpRequest, 'headers'>): boolean {
  const accepted = headers.get('accept-encoding');
  return accepted !== null && /\bgzip\b(?!\s*;\s*q=0(?:\.0*)?(?:,|\s|$))/i.test(accepted);
}

/**
 * A JSON response, compressed with gzip when it is long enough and the client accepts that.
 * @param text the body
 * @param given as for `httpResponse`; a `content-type` among them replaces that of JSON
 * @returns a promise for bodies that are compressed in the background
 */
export function jsonResponse(
  request: Pick<HttpRequest, 'headers'>,
  status: number,
  text: string,
  given: GivenHeaders,
): HttpResponse | Promise<HttpResponse> {
  const headers = given instanceof ResponseHeaders ? given : ResponseHeaders.of(given);
  const base = headers.get('content-type') === undefined ? JSON_RESPONSE : SECURE;
  if (text.length < MIN_COMPRESSED) return httpResponse(status, text, headers, base);
  headers.set('vary', 'accept-encoding');
  if (!acceptsGzip(request)) return httpResponse(status, text, headers, base);
  headers.set('content-encoding', 'gzip');
  const body = compressed(text);
  if (!(body instanceof Promise)) return httpResponse(status, body, headers, base);
  return body.then((bytes) => httpResponse(status, bytes, headers, base));
}

type Bytes = Uint8Array<ArrayBuffer>;

/** Compresses synchronously when the text is short and the library is loaded. */
function compressed(text: string): Bytes | Promise<Bytes> {
  const library = zlib();
  if (library instanceof Promise) return library.then(() => compressed(text));
  const { gzip, gzipSync } = library;
  return text.length <= MAX_COMPRESSED_INLINE ? gzipSync(text) : promisify(gzip)(text);
}

/** An event stream: never compressed, and not buffered by proxies that respect `x-accel-buffering`. */
export function eventStreamResponse(body: StreamBody, headers: GivenHeaders): HttpResponse {
  return httpResponse(200, body, headers, EVENT_STREAM);
}
