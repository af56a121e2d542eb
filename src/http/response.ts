import { promisify } from 'node:util';
import { gzip, gzipSync } from 'node:zlib';

const gzipInBackground = promisify(gzip);

/** Smaller bodies grow or gain nothing. */
const MIN_COMPRESSED = 1024;
/** Larger bodies are compressed off the main thread, where they hold up nobody else. */
const MAX_COMPRESSED_INLINE = 32 * 1024;

/** For answers that are data: nothing may be sniffed, framed, cached or executed. */
export const SECURITY_HEADERS = {
  'x-content-type-options': 'nosniff',
  'x-frame-options': 'DENY',
  'referrer-policy': 'no-referrer',
  'content-security-policy': "default-src 'none'; frame-ancestors 'none'",
  'cache-control': 'no-store',
} as const;

function acceptsGzip(request: Request): boolean {
  const accepted = request.headers.get('accept-encoding');
  return accepted !== null && /\bgzip\b(?!\s*;\s*q=0(?:\.0*)?(?:,|\s|$))/i.test(accepted);
}

/** A JSON answer, compressed if that pays and the client reads it. */
export function jsonResponse(
  request: Request,
  status: number,
  text: string,
  headers: Readonly<Record<string, string>>,
): Response | Promise<Response> {
  const all: Record<string, string> = { ...SECURITY_HEADERS, 'content-type': 'application/json', ...headers };
  if (text.length < MIN_COMPRESSED) return new Response(text, { status, headers: all });
  all.vary = 'accept-encoding';
  if (!acceptsGzip(request)) return new Response(text, { status, headers: all });
  all['content-encoding'] = 'gzip';
  if (text.length <= MAX_COMPRESSED_INLINE) return new Response(gzipSync(text), { status, headers: all });
  return gzipInBackground(text).then((body) => new Response(body, { status, headers: all }));
}

/** An event stream: never compressed, never buffered by proxies that can be told. */
export function eventStreamResponse(
  body: ReadableStream<Uint8Array>,
  headers: Readonly<Record<string, string>>,
): Response {
  return new Response(body, {
    status: 200,
    headers: {
      ...SECURITY_HEADERS,
      'content-type': 'text/event-stream; charset=utf-8',
      'cache-control': 'no-cache, no-store, no-transform',
      'x-accel-buffering': 'no',
      ...headers,
    },
  });
}
