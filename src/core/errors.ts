import type { WireFormat } from './chat/request.ts';
import type { RateLimitStatus } from './rate-limit.ts';

/**
 * The rule of one error code. The set of codes is closed: only a row in `RULES` decides the HTTP status, the error type, and
 * whether another target may be tried.
 */
interface ErrorRule {
  /** HTTP status. */
  readonly status: number;
  /** The `type` of the error object. */
  readonly type: string;
  /** Another attempt, on this target or another, can succeed. */
  readonly retryable: boolean;
}

const RULES = {
  invalid_json: { status: 400, type: 'invalid_request_error', retryable: false },
  invalid_request: { status: 400, type: 'invalid_request_error', retryable: false },
  /** A guardrail found what must not go to a provider. */
  guardrail_blocked: { status: 400, type: 'invalid_request_error', retryable: false },
  missing_api_key: { status: 401, type: 'authentication_error', retryable: false },
  invalid_api_key: { status: 401, type: 'authentication_error', retryable: false },
  permission_denied: { status: 403, type: 'permission_error', retryable: false },
  not_found: { status: 404, type: 'invalid_request_error', retryable: false },
  model_not_found: { status: 404, type: 'invalid_request_error', retryable: false },
  method_not_allowed: { status: 405, type: 'invalid_request_error', retryable: false },
  request_timeout: { status: 408, type: 'invalid_request_error', retryable: false },
  /** The request conflicts with the present state. */
  conflict: { status: 409, type: 'invalid_request_error', retryable: false },
  /** The idempotency key belongs to another request. */
  idempotency_key_reused: { status: 422, type: 'invalid_request_error', retryable: false },
  /** The resource has changed since the client read it. */
  precondition_failed: { status: 412, type: 'invalid_request_error', retryable: false },
  /** The request accepts a response from the cache only, and there is none. */
  cache_miss: { status: 412, type: 'invalid_request_error', retryable: false },
  request_too_large: { status: 413, type: 'invalid_request_error', retryable: false },
  unsupported_media_type: { status: 415, type: 'invalid_request_error', retryable: false },
  /** The tenant's requests are served in another region. */
  wrong_region: { status: 421, type: 'invalid_request_error', retryable: false },
  rate_limit_exceeded: { status: 429, type: 'rate_limit_error', retryable: false },
  /** A quota or a budget is exhausted. */
  quota_exceeded: { status: 429, type: 'insufficient_quota', retryable: false },
  client_closed_request: { status: 499, type: 'invalid_request_error', retryable: false },
  /** A plugin that the request needs failed. */
  plugin_failed: { status: 503, type: 'server_error', retryable: false },
  internal_error: { status: 500, type: 'server_error', retryable: false },
  /** The upstream rejected the request itself; its status and message are forwarded. */
  upstream_rejected: { status: 400, type: 'invalid_request_error', retryable: false },
  /** The conversation does not fit into the model's context window. */
  context_length_exceeded: { status: 400, type: 'invalid_request_error', retryable: false },
  /** The provider refuses the content of the prompt. */
  content_policy_violation: { status: 400, type: 'invalid_request_error', retryable: false },
  /** The target lacks the operation or a kind of input; with `strict`, a parameter of the request. Another target may have it. */
  unsupported_by_target: { status: 400, type: 'invalid_request_error', retryable: true },
  /** Every target cools down, is unhealthy, or is disabled. */
  model_unavailable: { status: 503, type: 'upstream_error', retryable: false },
  /** All targets are saturated and the queue's time limit has passed. Another model may have capacity. */
  model_busy: { status: 503, type: 'server_error', retryable: true },
  /** An engine that starts on demand did not start. */
  engine_unavailable: { status: 503, type: 'server_error', retryable: true },
  upstream_rate_limited: { status: 429, type: 'rate_limit_error', retryable: true },
  /** The upstream rejects the gateway's credential. */
  upstream_auth_failed: { status: 502, type: 'upstream_error', retryable: true },
  upstream_error: { status: 502, type: 'upstream_error', retryable: true },
  upstream_unreachable: { status: 502, type: 'upstream_error', retryable: true },
  upstream_closed: { status: 502, type: 'upstream_error', retryable: true },
  upstream_invalid_response: { status: 502, type: 'upstream_error', retryable: true },
  upstream_overloaded: { status: 503, type: 'upstream_error', retryable: true },
  upstream_timeout: { status: 504, type: 'timeout_error', retryable: true },
  deadline_exceeded: { status: 504, type: 'timeout_error', retryable: false },
  /** A database or the rate-limit store is unreachable, and the request needs it. */
  store_unavailable: { status: 503, type: 'server_error', retryable: false },
  /** A guardrail that fails closed could not check the request. */
  guardrail_unavailable: { status: 503, type: 'server_error', retryable: false },
  /** The memory for request bodies is used up. */
  gateway_overloaded: { status: 503, type: 'server_error', retryable: false },
  shutting_down: { status: 503, type: 'server_error', retryable: false },
  /** No region that may serve the tenant is available. */
  region_unavailable: { status: 503, type: 'server_error', retryable: false },
} as const satisfies Record<string, ErrorRule>;

/** Machine-readable code of an error, as clients see it. */
export type ErrorCode = keyof typeof RULES;

/** Whether a value is a code of this version. */
export function isErrorCode(value: unknown): value is ErrorCode {
  return typeof value === 'string' && Object.hasOwn(RULES, value);
}

/** One failed attempt, for the error message, the log and the response headers. */
export interface AttemptFailure {
  readonly provider: string;
  readonly model: string;
  readonly code: ErrorCode;
  readonly message: string;
  /** HTTP status of the upstream's response; absent without one. */
  readonly upstreamStatus?: number;
  readonly durationMs: number;
}

/** What is known of an error beyond its code and message. */
export interface GatewayErrorDetails {
  /** Replaces the code's HTTP status. */
  readonly status?: number;
  /** Replaces the code's error type. */
  readonly type?: string;
  /** Path of the request's field that is at fault. */
  readonly param?: string | null;
  /** Replaces the code in the response, where the upstream's code is more specific. */
  readonly shownCode?: string;
  readonly provider?: string;
  readonly upstreamStatus?: number;
  readonly retryAfterSeconds?: number;
  readonly attempts?: readonly AttemptFailure[];
  /**
   * The upstream's `error` object, forwarded unchanged to clients of that dialect; only for requests that the
   * upstream rejected.
   */
  readonly upstreamBody?: { readonly dialect: WireFormat; readonly error: Readonly<Record<string, unknown>> };
  readonly headers?: Readonly<Record<string, string>>;
  /** The state of the limit that was reached, for the response headers. */
  readonly rateLimit?: RateLimitStatus;
  /** The limit that was reached, for the error's body and a response header. */
  readonly limit?: Readonly<Record<string, string | number | null>>;
  /** The same target must not get the request again: it said so, or it has made a complete response. */
  readonly isFinal?: boolean;
  /** The gateway does not need the response: no client left, and no target failed. */
  readonly byGateway?: boolean;
  readonly cause?: unknown;
}

/**
 * The error that crosses module boundaries. Clients receive its message, which says what failed, why, and what to do; it
 * never contains a credential or a stack trace.
 */
export class GatewayError extends Error {
  readonly status: number;
  readonly type: string;
  readonly retryable: boolean;
  readonly param: string | null;
  readonly shownCode: string;

  constructor(
    readonly code: ErrorCode,
    message: string,
    readonly details: GatewayErrorDetails = {},
  ) {
    super(
      shortened(message, MAX_MESSAGE),
      details.cause === undefined ? undefined : { cause: details.cause },
    );
    this.name = 'GatewayError';
    const rule: ErrorRule = RULES[code];
    this.status = details.status ?? rule.status;
    this.type = details.type ?? rule.type;
    this.retryable = rule.retryable;
    this.param = details.param == null ? null : shortened(details.param, MAX_PARAM);
    this.shownCode = details.shownCode ?? code;
  }

  /** @returns the same error with more details */
  with(details: GatewayErrorDetails): GatewayError {
    return new GatewayError(this.code, this.message, { ...this.details, ...details });
  }
}

/** UTF-16 units. Messages and paths may repeat texts of a request, which are of any length. */
const MAX_MESSAGE = 10_000;
const MAX_PARAM = 500;

function shortened(text: string, length: number): string {
  return text.length <= length ? text : `${text.slice(0, length)}...`;
}

/** @returns a `GatewayError` as it is; anything else thrown, which is a defect, as `internal_error` without its message */
export function asGatewayError(error: unknown): GatewayError {
  if (error instanceof GatewayError) return error;
  return new GatewayError('internal_error', 'The gateway failed to handle this request.', { cause: error });
}

/** @returns the reason for which the gateway ends an attempt whose response it does not need */
export function stoppedByGateway(why: string): GatewayError {
  return new GatewayError('client_closed_request', why, { byGateway: true });
}
