import type { WireFormat } from './chat/request.ts';
import type { RateLimitStatus } from './rate-limit.ts';

/**
 * Every failure that a client can see. The set is closed: a new code needs a row here, and nothing else decides
 * its HTTP status, its error type, or whether another target may be tried.
 */
interface ErrorRule {
  readonly status: number;
  readonly type: string;
  /** Another attempt, on this target or another, can succeed. */
  readonly retryable: boolean;
}

const RULES = {
  invalid_json: { status: 400, type: 'invalid_request_error', retryable: false },
  invalid_request: { status: 400, type: 'invalid_request_error', retryable: false },
  missing_api_key: { status: 401, type: 'authentication_error', retryable: false },
  invalid_api_key: { status: 401, type: 'authentication_error', retryable: false },
  permission_denied: { status: 403, type: 'permission_error', retryable: false },
  not_found: { status: 404, type: 'invalid_request_error', retryable: false },
  model_not_found: { status: 404, type: 'invalid_request_error', retryable: false },
  method_not_allowed: { status: 405, type: 'invalid_request_error', retryable: false },
  request_timeout: { status: 408, type: 'invalid_request_error', retryable: false },
  /** What is asked for does not go with what is there. */
  conflict: { status: 409, type: 'invalid_request_error', retryable: false },
  /** It has changed since the client read it. */
  precondition_failed: { status: 412, type: 'invalid_request_error', retryable: false },
  request_too_large: { status: 413, type: 'invalid_request_error', retryable: false },
  unsupported_media_type: { status: 415, type: 'invalid_request_error', retryable: false },
  rate_limit_exceeded: { status: 429, type: 'rate_limit_error', retryable: false },
  /** A quota or a budget is used up. */
  quota_exceeded: { status: 429, type: 'insufficient_quota', retryable: false },
  client_closed_request: { status: 499, type: 'invalid_request_error', retryable: false },
  internal_error: { status: 500, type: 'server_error', retryable: false },
  /** The upstream rejected the request itself; its status and message are forwarded. */
  upstream_rejected: { status: 400, type: 'invalid_request_error', retryable: false },
  /** The conversation does not fit into the model's context window. */
  context_length_exceeded: { status: 400, type: 'invalid_request_error', retryable: false },
  /** The provider will not handle what the prompt says. */
  content_policy_violation: { status: 400, type: 'invalid_request_error', retryable: false },
  /** `strict` is on, and the target does not support all parameters of the request. Another target may. */
  unsupported_by_target: { status: 400, type: 'invalid_request_error', retryable: true },
  /** Every target rests, is out of order, or was taken out of use. */
  model_unavailable: { status: 503, type: 'upstream_error', retryable: false },
  /** Every target has as many requests as it may have, and there was no room in time. Another model may have. */
  model_busy: { status: 503, type: 'server_error', retryable: true },
  /** An engine that is started when it is needed could not be. */
  engine_unavailable: { status: 503, type: 'server_error', retryable: true },
  upstream_rate_limited: { status: 429, type: 'rate_limit_error', retryable: true },
  /** The upstream does not accept the credential that this gateway holds. */
  upstream_auth_failed: { status: 502, type: 'upstream_error', retryable: true },
  upstream_error: { status: 502, type: 'upstream_error', retryable: true },
  upstream_unreachable: { status: 502, type: 'upstream_error', retryable: true },
  upstream_closed: { status: 502, type: 'upstream_error', retryable: true },
  upstream_invalid_response: { status: 502, type: 'upstream_error', retryable: true },
  upstream_overloaded: { status: 503, type: 'upstream_error', retryable: true },
  upstream_timeout: { status: 504, type: 'timeout_error', retryable: true },
  deadline_exceeded: { status: 504, type: 'timeout_error', retryable: false },
  /** A database or the store of limits can't be reached, and this can't go on without. */
  store_unavailable: { status: 503, type: 'server_error', retryable: false },
  shutting_down: { status: 503, type: 'server_error', retryable: false },
} as const satisfies Record<string, ErrorRule>;

/** The codes of all failures that a client can see. */
export type ErrorCode = keyof typeof RULES;

/** What one failed attempt leaves behind for the error message, the log and the response headers. */
export interface AttemptFailure {
  readonly provider: string;
  readonly model: string;
  readonly code: ErrorCode;
  readonly message: string;
  /** Status that the upstream answered, when it answered. */
  readonly upstreamStatus?: number;
  readonly durationMs: number;
}

/** What is known of a failure beside its code and message. */
export interface GatewayErrorDetails {
  readonly status?: number;
  readonly type?: string;
  readonly param?: string | null;
  /** The code to show, where the upstream's own code says more than ours. */
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
  readonly cause?: unknown;
}

/** The one error that crosses module borders. Its message is for clients: it never holds a credential or a stack. */
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
    super(message, details.cause === undefined ? undefined : { cause: details.cause });
    this.name = 'GatewayError';
    const rule: ErrorRule = RULES[code];
    this.status = details.status ?? rule.status;
    this.type = details.type ?? rule.type;
    this.retryable = rule.retryable;
    this.param = details.param ?? null;
    this.shownCode = details.shownCode ?? code;
  }

  /** The same failure with more known about it. */
  with(details: GatewayErrorDetails): GatewayError {
    return new GatewayError(this.code, this.message, { ...this.details, ...details });
  }
}

/** Turns anything thrown into a `GatewayError`; what is not one already is a defect of ours and says nothing to clients. */
export function asGatewayError(error: unknown): GatewayError {
  if (error instanceof GatewayError) return error;
  return new GatewayError('internal_error', 'The gateway failed to handle this request.', { cause: error });
}
