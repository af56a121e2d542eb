import type { GatewayError } from '../core/errors.ts';
import { ResponseHeaders } from '../core/http.ts';
import type { RateLimitStatus } from '../core/rate-limit.ts';
import { setRateLimitHeaders } from './rate-limit-headers.ts';

/** Renders an error in OpenAI's form, the default. `code` is always text, and `message` is never empty. */
export function openAiErrorBody(error: GatewayError): string {
  const { upstreamBody, limit } = error.details;
  return JSON.stringify({
    error: (upstreamBody?.dialect === 'openai-chat' ? upstreamBody.error : undefined) ?? {
      message: error.message,
      type: error.type,
      param: error.param,
      code: error.shownCode,
      ...(limit ? { limit } : {}),
    },
  });
}

/** Renders an error as an event of a stream whose head is sent. */
export function openAiErrorEvent(error: GatewayError): Uint8Array {
  return new TextEncoder().encode(`data: ${openAiErrorBody(error)}\n\n`);
}

/** A wait in seconds above which official SDKs must not retry. */
const LONG_WAIT_SECONDS = 60;

/** The headers of an error response, the same in every dialect. */
export function errorHeaders(error: GatewayError): ResponseHeaders {
  const { retryAfterSeconds, headers: given, provider, attempts, rateLimit, limit } = error.details;
  const headers = ResponseHeaders.of(given ?? {});
  if (rateLimit) {
    setRateLimitHeaders(headers, rateLimit);
    setLimitOf(limit?.of ?? 'requests', rateLimit, headers);
  }
  if (limit) {
    const { scope, of, per } = limit;
    headers.set('x-weir-limit', `${scope}; ${of}${per === null ? '' : ` per ${per}`}`);
  }
  if (retryAfterSeconds !== undefined) headers.set('retry-after', String(retryAfterSeconds));
  else if ((error.status === 429 || error.status === 503) && given?.['x-should-retry'] !== 'false') {
    headers.set('retry-after', '1');
  }
  // OpenAI's and Anthropic's SDKs sleep for any `retry-after`, a month included, unless this header forbids it.
  if (retryAfterSeconds !== undefined && retryAfterSeconds > LONG_WAIT_SECONDS) {
    headers.set('x-should-retry', 'false');
  }
  if (error.status === 401) headers.set('www-authenticate', 'Bearer realm="weir"');
  if (provider !== undefined) headers.set('x-weir-provider', provider);
  if (attempts !== undefined) headers.set('x-weir-attempts', String(attempts.length));
  return headers;
}

/** Sets the headers in which OpenAI reports the limit, for clients that pace themselves by them. */
function setLimitOf(
  unit: string | number | null,
  { limit, remaining, resetSeconds }: RateLimitStatus,
  headers: ResponseHeaders,
): void {
  if (unit !== 'requests' && unit !== 'tokens') return;
  headers.set(`x-ratelimit-limit-${unit}`, String(limit));
  headers.set(`x-ratelimit-remaining-${unit}`, String(remaining));
  headers.set(`x-ratelimit-reset-${unit}`, `${resetSeconds}s`);
}

const REFUSALS: Readonly<Record<number, string>> = {
  408: 'request_timeout',
  431: 'request_too_large',
  500: 'internal_error',
  503: 'gateway_overloaded',
};

/** Renders OpenAI's error form for malformed requests, and for requests that no handler could process. */
export function refusalBody(status: number, message: string): string {
  const type = status >= 500 ? 'server_error' : 'invalid_request_error';
  return JSON.stringify({
    error: { message, type, param: null, code: REFUSALS[status] ?? 'invalid_request' },
  });
}
