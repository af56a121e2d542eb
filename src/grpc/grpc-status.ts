import type { ErrorCode } from '../core/errors.ts';

/** @see https://grpc.github.io/grpc/core/md_doc_statuscodes.html */
export const GRPC_CODES = {
  OK: 0,
  CANCELLED: 1,
  UNKNOWN: 2,
  INVALID_ARGUMENT: 3,
  DEADLINE_EXCEEDED: 4,
  NOT_FOUND: 5,
  ALREADY_EXISTS: 6,
  PERMISSION_DENIED: 7,
  RESOURCE_EXHAUSTED: 8,
  FAILED_PRECONDITION: 9,
  ABORTED: 10,
  UNIMPLEMENTED: 12,
  INTERNAL: 13,
  UNAVAILABLE: 14,
  UNAUTHENTICATED: 16,
} as const;

export type GrpcCode = keyof typeof GRPC_CODES;

/** The gRPC code of each error of Weir. Clients that are configured to retry do so for `UNAVAILABLE`. */
export const GRPC_CODE_OF: Readonly<Record<ErrorCode, GrpcCode>> = {
  invalid_json: 'INVALID_ARGUMENT',
  invalid_request: 'INVALID_ARGUMENT',
  guardrail_blocked: 'INVALID_ARGUMENT',
  missing_api_key: 'UNAUTHENTICATED',
  invalid_api_key: 'UNAUTHENTICATED',
  permission_denied: 'PERMISSION_DENIED',
  not_found: 'NOT_FOUND',
  model_not_found: 'NOT_FOUND',
  method_not_allowed: 'UNIMPLEMENTED',
  request_timeout: 'DEADLINE_EXCEEDED',
  conflict: 'ABORTED',
  idempotency_key_reused: 'ALREADY_EXISTS',
  precondition_failed: 'FAILED_PRECONDITION',
  cache_miss: 'FAILED_PRECONDITION',
  request_too_large: 'RESOURCE_EXHAUSTED',
  unsupported_media_type: 'UNIMPLEMENTED',
  rate_limit_exceeded: 'RESOURCE_EXHAUSTED',
  quota_exceeded: 'RESOURCE_EXHAUSTED',
  client_closed_request: 'CANCELLED',
  plugin_failed: 'UNAVAILABLE',
  internal_error: 'INTERNAL',
  upstream_rejected: 'INVALID_ARGUMENT',
  context_length_exceeded: 'INVALID_ARGUMENT',
  content_policy_violation: 'INVALID_ARGUMENT',
  unsupported_by_target: 'UNIMPLEMENTED',
  model_unavailable: 'UNAVAILABLE',
  model_busy: 'UNAVAILABLE',
  engine_unavailable: 'UNAVAILABLE',
  upstream_rate_limited: 'RESOURCE_EXHAUSTED',
  upstream_auth_failed: 'INTERNAL',
  upstream_error: 'UNAVAILABLE',
  upstream_unreachable: 'UNAVAILABLE',
  upstream_closed: 'UNAVAILABLE',
  upstream_invalid_response: 'INTERNAL',
  upstream_overloaded: 'UNAVAILABLE',
  upstream_timeout: 'DEADLINE_EXCEEDED',
  deadline_exceeded: 'DEADLINE_EXCEEDED',
  store_unavailable: 'UNAVAILABLE',
  guardrail_unavailable: 'UNAVAILABLE',
  gateway_overloaded: 'UNAVAILABLE',
  shutting_down: 'UNAVAILABLE',
  wrong_region: 'FAILED_PRECONDITION',
  region_unavailable: 'UNAVAILABLE',
};

const BY_HTTP_STATUS: Readonly<Record<number, GrpcCode>> = {
  400: 'INVALID_ARGUMENT',
  401: 'UNAUTHENTICATED',
  403: 'PERMISSION_DENIED',
  404: 'NOT_FOUND',
  408: 'DEADLINE_EXCEEDED',
  409: 'ABORTED',
  412: 'FAILED_PRECONDITION',
  413: 'RESOURCE_EXHAUSTED',
  422: 'INVALID_ARGUMENT',
  429: 'RESOURCE_EXHAUSTED',
  499: 'CANCELLED',
  500: 'INTERNAL',
  502: 'UNAVAILABLE',
  503: 'UNAVAILABLE',
  504: 'DEADLINE_EXCEEDED',
};

/**
 * The gRPC code of an HTTP status, for codes of upstreams that Weir does not know.
 * @see https://github.com/grpc/grpc/blob/master/doc/http-grpc-status-mapping.md
 */
export function codeOfHttpStatus(status: number): GrpcCode {
  return BY_HTTP_STATUS[status] ?? (status < 500 ? 'INVALID_ARGUMENT' : 'UNKNOWN');
}
