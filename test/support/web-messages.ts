import { BodyError, type HttpRequest, type HttpResponse } from '../../src/core/http.ts';
import { PushStream } from '../../src/core/push-stream.ts';

/** A web-standard request as the gateway's own server would hand it on. */
export function asHttpRequest(request: Request): HttpRequest {
  const { pathname, search } = new URL(request.url);
  const headers = new Headers(request.headers);
  // On the wire every body is framed.
  if (request.body !== null && !headers.has('content-length')) headers.set('transfer-encoding', 'chunked');
  return {
    method: request.method,
    target: pathname + search,
    url: request.url,
    headers,
    remoteAddress: '127.0.0.1',
    signal: request.signal,
    onDisconnect: (listener) => request.signal.addEventListener('abort', listener, { once: true }),
    readBody: (limit) => readWhole(request, limit),
    limitBody: () => undefined,
    keepBytes: () => undefined,
    chargeTo: () => undefined,
  };
}

async function readWhole(request: Request, limit: number): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  let length = 0;
  try {
    for await (const part of request.body ?? []) {
      length += part.length;
      if (length > limit) break;
      parts.push(part);
    }
  } catch {
    throw new BodyError('ended_early');
  }
  if (length > limit) throw BodyError.tooLarge(limit);
  return Buffer.concat(parts);
}

/** An answer as a client would see it. */
export function asResponse({ status, headers, body }: HttpResponse): Response {
  const all = new Headers();
  for (const [name, value] of Object.entries(headers.fields())) {
    for (const one of typeof value === 'string' ? [value] : value) all.append(name, one);
  }
  const payload =
    body instanceof Uint8Array ? Buffer.from(body) : body instanceof PushStream ? body.readable() : body;
  return new Response(payload, { status, headers: all });
}
