import { type HttpRequest, type HttpResponse, ResponseHeaders } from '../core/http.ts';
import { httpResponse } from './response.ts';

export interface CorsRules {
  /** Exact origins, or `*` for any. An empty list disables CORS. */
  readonly origins: readonly string[];
  readonly allowCredentials: boolean;
  readonly maxAgeSeconds: number;
}

/** The headers of Weir's own that pages may read; docs/api.md describes them. */
const EXPOSED = [
  ...['x-request-id', 'x-weir-provider', 'x-weir-model', 'x-weir-attempts', 'x-weir-variant', 'x-weir-cache'],
  ...['x-weir-cost', 'x-weir-latency-ms', 'x-weir-warnings', 'x-weir-limit', 'x-weir-limit-warnings'],
  ...['x-weir-explain', 'idempotent-replayed', 'retry-after', 'x-should-retry'],
  ...['x-ratelimit-limit', 'x-ratelimit-remaining', 'x-ratelimit-reset', 'x-ratelimit-reset-epoch'],
].join(', ');

function allowedOrigin(rules: CorsRules, origin: string | null): string | undefined {
  if (origin === null || rules.origins.length === 0) return undefined;
  if (rules.origins.includes('*')) return '*';
  return rules.origins.includes(origin) ? origin : undefined;
}

/** Adds the headers that allow a browser page of an allowed origin to read the response. */
export function addCorsHeaders(
  rules: CorsRules,
  request: Pick<HttpRequest, 'headers'>,
  headers: ResponseHeaders,
): void {
  const origin = allowedOrigin(rules, request.headers.get('origin'));
  if (origin === undefined) return;
  headers.set('access-control-allow-origin', origin);
  headers.set('access-control-expose-headers', EXPOSED);
  const vary = headers.get('vary');
  if (origin !== '*') headers.set('vary', vary === undefined ? 'origin' : `${vary}, origin`);
  if (rules.allowCredentials) headers.set('access-control-allow-credentials', 'true');
}

/** The response to a browser's preflight; undefined for other requests and for origins that are not allowed. */
export function preflightResponse(
  rules: CorsRules,
  request: Pick<HttpRequest, 'headers' | 'method'>,
): HttpResponse | undefined {
  if (request.method !== 'OPTIONS' || !request.headers.has('access-control-request-method')) return undefined;
  const origin = allowedOrigin(rules, request.headers.get('origin'));
  if (origin === undefined) return undefined;
  const headers = ResponseHeaders.of({
    'access-control-allow-methods': 'GET, POST, PUT, PATCH, DELETE, OPTIONS',
    // For browsers "*" does not include Authorization, so the requested headers are listed.
    'access-control-allow-headers':
      request.headers.get('access-control-request-headers') ?? 'authorization, content-type',
    'access-control-max-age': String(rules.maxAgeSeconds),
  });
  addCorsHeaders(rules, request, headers);
  return httpResponse(204, null, headers);
}
