import {
  BodyError,
  type HeaderReader,
  type HeaderValue,
  type HttpRequest,
  type HttpResponse,
  ResponseHeaders,
} from '../../core/http.ts';
import { refusalBody } from '../../http/error-body.ts';
import { httpResponse } from '../../http/response.ts';
import { sendToUnixSocket } from '../../platform/unix-request.ts';

/** Carries requests from workers to their parent, which serves what is not inference. */

/** The client's address. The socket is reachable by the user of this process only. */
const ADDRESS = 'x-weir-worker-address';
const SCHEME = 'x-weir-worker-scheme';
/** Of one connection, which the next one does not share. */
const HOP_BY_HOP = new Set([
  'connection',
  'keep-alive',
  'transfer-encoding',
  'te',
  'trailer',
  'upgrade',
  'expect',
]);
const MAX_BODY = 64 * 1024 * 1024;

/** @returns whether workers serve a target; their parent serves the others */
export function isServedByWorkers(target: string): boolean {
  if (target.startsWith('/health/live')) return true;
  return target.startsWith('/v1/') && !target.startsWith('/v1/auth/');
}

/** @param socket path of the parent's @returns sends requests to it */
export function forwardTo(socket: string): (request: HttpRequest) => Promise<HttpResponse> {
  return async (request) => {
    const { method, target, url, remoteAddress, signal } = request;
    let body: Uint8Array;
    try {
      body = await request.readBody(MAX_BODY);
    } catch (error) {
      if (!(error instanceof BodyError)) throw error;
      return failure(error.reason === 'too_large' ? 413 : 400, error.message);
    }
    const headers = fieldsOf(request.headers).filter(
      ([name]) => !HOP_BY_HOP.has(name) && name !== 'content-length' && !name.startsWith('x-weir-worker-'),
    );
    headers.push([ADDRESS, remoteAddress], [SCHEME, url.startsWith('https:') ? 'https' : 'http']);
    let response: Response;
    try {
      response = await sendToUnixSocket(socket, { method, target, headers, body, signal });
    } catch {
      // The client is gone, or the parent: then this process ends too.
      return failure(503, 'The gateway is shutting down; send the request again.');
    }
    return { status: response.status, headers: responseHeaders(response.headers), body: response.body };
  };
}

/** @returns the request as the worker got it from its client */
export function forwardedRequest(request: HttpRequest): HttpRequest {
  const scheme = request.headers.get(SCHEME) === 'https' ? 'https:' : 'http:';
  return new ForwardedRequest(
    request,
    request.headers.get(ADDRESS) ?? 'unknown',
    request.url.replace(/^http:/, scheme),
  );
}

class ForwardedRequest implements HttpRequest {
  constructor(
    private readonly request: HttpRequest,
    readonly remoteAddress: string,
    readonly url: string,
  ) {}

  get method(): string {
    return this.request.method;
  }

  get target(): string {
    return this.request.target;
  }

  get headers(): HeaderReader {
    return this.request.headers;
  }

  get signal(): AbortSignal {
    return this.request.signal;
  }

  onDisconnect(listener: () => void): void {
    this.request.onDisconnect(listener);
  }

  readBody(limit: number): Uint8Array | Promise<Uint8Array> {
    return this.request.readBody(limit);
  }

  limitBody(bytes: number): void {
    this.request.limitBody(bytes);
  }

  keepBytes(bytes: number): void {
    this.request.keepBytes(bytes);
  }

  chargeTo(account: string): void {
    this.request.chargeTo(account);
  }
}

function fieldsOf(headers: HeaderReader): [name: string, value: string][] {
  return Array.from(headers.keys?.() ?? [], (name): [string, string] => [name, headers.get(name) ?? '']);
}

function responseHeaders(headers: Headers): ResponseHeaders {
  const fields: Record<string, HeaderValue> = {};
  for (const [name, value] of headers) {
    // The server of this worker adds what belongs to the connection.
    if (!HOP_BY_HOP.has(name) && name !== 'content-length' && name !== 'date') fields[name] = value;
  }
  const cookies = headers.getSetCookie();
  if (cookies.length > 0) fields['set-cookie'] = cookies;
  return ResponseHeaders.of(fields);
}

function failure(status: number, message: string): HttpResponse {
  return httpResponse(status, refusalBody(status, message), { 'content-type': 'application/json' });
}
