import type { GatewayError } from '../../core/errors.ts';

/** Anthropic's words, by status. */
const TYPES: Readonly<Record<number, string>> = {
  400: 'invalid_request_error',
  401: 'authentication_error',
  402: 'billing_error',
  403: 'permission_error',
  404: 'not_found_error',
  405: 'invalid_request_error',
  408: 'timeout_error',
  413: 'request_too_large',
  415: 'invalid_request_error',
  422: 'invalid_request_error',
  429: 'rate_limit_error',
  503: 'overloaded_error',
  504: 'timeout_error',
  529: 'overloaded_error',
};

/** Anthropic's error form. */
export function anthropicErrorBody(error: GatewayError, requestId?: string): string {
  const { upstreamBody, limit } = error.details;
  return JSON.stringify({
    type: 'error',
    error: (upstreamBody?.dialect === 'anthropic-messages' ? upstreamBody.error : undefined) ?? {
      type: TYPES[error.status] ?? (error.status >= 500 ? 'api_error' : 'invalid_request_error'),
      message: error.message,
      ...(limit ? { limit } : {}),
    },
    ...(requestId === undefined ? {} : { request_id: requestId }),
  });
}

/** The same as an event of a stream that has begun. */
export function anthropicErrorEvent(error: GatewayError): Uint8Array {
  return new TextEncoder().encode(`event: error\ndata: ${anthropicErrorBody(error)}\n\n`);
}
