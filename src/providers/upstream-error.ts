import { decodeLossyUtf8 } from '../core/bytes.ts';
import type { WireFormat } from '../core/chat/request.ts';
import { type ErrorCode, GatewayError, type GatewayErrorDetails } from '../core/errors.ts';
import { isRecord } from '../core/json.ts';
import { parseShallowJson } from '../core/json-limits.ts';
import { redactSecrets } from '../redaction/redact-secrets.ts';
import { forbidsRetry, steeringHeaders } from './retry-headers.ts';
import type { BufferedResponse, Provider } from './types.ts';
import { isUnsupported } from './unsupported-error.ts';

const MAX_MESSAGE = 2_000;

/** The meaning of a vendor's error beyond its status. */
export type ErrorMeaning =
  | 'context-length'
  | 'content-policy'
  | 'rate-limit'
  | 'auth'
  | 'overloaded'
  | 'timeout'
  | 'rejected'
  | 'server';

/** An upstream's error, independent of the vendor's form. */
export interface UpstreamProblem {
  readonly message: string | undefined;
  /** The vendor's values. */
  readonly type?: string | undefined;
  readonly code?: string | number | undefined;
  readonly param?: string | undefined;
  /** When undefined, the status decides. */
  readonly meaning?: ErrorMeaning | undefined;
  readonly retryAfterSeconds?: number | undefined;
  /** The vendor's error object, for clients that speak its dialect. */
  readonly body?:
    | { readonly dialect: WireFormat; readonly error: Readonly<Record<string, unknown>> }
    | undefined;
}

const CODE_OF: Readonly<Record<ErrorMeaning, ErrorCode>> = {
  'context-length': 'context_length_exceeded',
  'content-policy': 'content_policy_violation',
  'rate-limit': 'upstream_rate_limited',
  auth: 'upstream_auth_failed',
  overloaded: 'upstream_overloaded',
  timeout: 'upstream_timeout',
  rejected: 'upstream_rejected',
  server: 'upstream_error',
};

/** @returns a text; undefined for null, "None" and an empty text, by which vendors write absent values */
export function meaningful(value: unknown): string | undefined {
  return typeof value === 'string' && value !== '' && value !== 'None' && value !== 'null'
    ? value
    : undefined;
}

/** @returns the error code for an upstream's HTTP status */
export function codeForStatus(status: number): ErrorCode {
  if (status === 401) return 'upstream_auth_failed';
  // An account without credit is as unusable as one at its limit, and another target may have some.
  if (status === 429 || status === 402) return 'upstream_rate_limited';
  if (status === 408 || status === 504 || status === 524) return 'upstream_timeout';
  if (status === 501) return 'unsupported_by_target';
  if (status === 503 || status === 529) return 'upstream_overloaded';
  if (status >= 400 && status < 500) return 'upstream_rejected';
  if (status >= 500) return 'upstream_error';
  return 'upstream_invalid_response';
}

const TYPE_OF: Readonly<Record<number, string>> = {
  402: 'insufficient_quota',
  403: 'permission_error',
  429: 'rate_limit_error',
};

/** @returns the `type` in OpenAI's format of a client error that the upstream sends without one */
export function typeForStatus(status: number): string {
  return TYPE_OF[status] ?? 'invalid_request_error';
}

/**
 * Reads `retry-after-ms` or `Retry-After` (RFC 9110, section 10.2.3).
 * @param now Unix milliseconds
 * @returns whole seconds, rounded up; undefined when absent or invalid
 */
export function readRetryAfter(
  headers: BufferedResponse['headers'],
  now: number = Date.now(),
): number | undefined {
  const milliseconds = Number(headers.get('retry-after-ms') || Number.NaN);
  if (Number.isFinite(milliseconds) && milliseconds >= 0) return Math.ceil(milliseconds / 1000);
  const value = headers.get('retry-after');
  if (value === null || value.trim() === '') return undefined;
  const seconds = Number(value);
  if (Number.isFinite(seconds)) return seconds >= 0 ? Math.ceil(seconds) : undefined;
  const date = Date.parse(value);
  return Number.isNaN(date) ? undefined : Math.max(0, Math.ceil((date - now) / 1000));
}

/** Codes and types of accounts that can pay for nothing: vendors send them with the status of a rate limit. */
const EXHAUSTED = /^(?:insufficient_quota|billing_hard_limit_reached|billing_not_active)$/;

function isAccountExhausted(status: number, { code, type }: UpstreamProblem): boolean {
  return status === 402 || EXHAUSTED.test(String(code ?? '')) || EXHAUSTED.test(type ?? '');
}

/** Makes the error for a response with an error status or a redirect. */
export function errorFromStatus(
  response: Pick<BufferedResponse, 'status' | 'headers'>,
  problem: UpstreamProblem,
  provider: Pick<Provider, 'id' | 'credential'>,
): GatewayError {
  const { status, headers } = response;
  if (status >= 300 && status < 400) {
    return new GatewayError(
      'upstream_invalid_response',
      `Provider "${provider.id}" responded with a redirect (HTTP ${status}), which is not followed. Check its base_url.`,
      { provider: provider.id, upstreamStatus: status },
    );
  }
  const reported = problem.meaning === undefined ? codeForStatus(status) : CODE_OF[problem.meaning];
  const isPlain = reported === 'upstream_error' || reported === 'upstream_rejected';
  const code =
    isPlain && isUnsupported(status, problem.message, problem.body !== undefined)
      ? 'unsupported_by_target'
      : reported;
  const retryAfterSeconds = problem.retryAfterSeconds ?? readRetryAfter(headers);
  const steering = steeringHeaders(headers);
  return describe(code, problem, provider, `responded with HTTP ${status}`, {
    upstreamStatus: status,
    ...(status >= 400 && status < 500 && code !== 'upstream_timeout' ? { status } : {}),
    ...(retryAfterSeconds === undefined ? {} : { retryAfterSeconds }),
    ...(steering === undefined ? {} : { headers: steering }),
    ...(forbidsRetry(headers) || isAccountExhausted(status, problem) ? { isFinal: true } : {}),
  });
}

/** Makes the error for one inside a stream or a response with a success status. */
export function errorFromEvent(
  problem: UpstreamProblem,
  provider: Pick<Provider, 'id' | 'credential'>,
): GatewayError {
  const status = Number(problem.code ?? Number.NaN);
  const known = status >= 400 && status < 600;
  const code =
    problem.meaning !== undefined
      ? CODE_OF[problem.meaning]
      : known
        ? codeForStatus(status)
        : 'upstream_error';
  return describe(code, problem, provider, 'reported an error', {
    ...(known && code === 'upstream_rejected' ? { status } : {}),
    ...(problem.retryAfterSeconds === undefined ? {} : { retryAfterSeconds: problem.retryAfterSeconds }),
  });
}

/** Codes for which clients receive the upstream's message alone. */
const CLIENTS_OWN: ReadonlySet<ErrorCode> = new Set([
  'upstream_rejected',
  'upstream_rate_limited',
  'context_length_exceeded',
  'content_policy_violation',
]);

function describe(
  code: ErrorCode,
  problem: UpstreamProblem,
  provider: Pick<Provider, 'id' | 'credential'>,
  what: string,
  more: GatewayErrorDetails,
): GatewayError {
  const secrets = [provider.credential];
  const reason = cleanReason(problem.message ?? 'no reason given', secrets);
  const { status, ...rest } = more;
  const common: GatewayErrorDetails = { provider: provider.id, ...rest };
  if (code === 'upstream_auth_failed') {
    // The client's key is valid: a 401 would mislead, and retrying does not help.
    return new GatewayError(
      code,
      `Provider "${provider.id}" rejected the gateway's credential${rest.upstreamStatus ? ` (HTTP ${rest.upstreamStatus})` : ''}. Check the provider's api_key. Its message: ${reason}`,
      { ...common, headers: { ...common.headers, 'x-should-retry': 'false' } },
    );
  }
  // An engine's 501 or 500 is in the gateway's words; a vendor's 4xx is about the client's request, and in the vendor's own.
  const isClients = CLIENTS_OWN.has(code) || (code === 'unsupported_by_target' && status !== undefined);
  if (!isClients) {
    // Inside a response there is no status, so the vendor's code is shown.
    const named =
      more.upstreamStatus === undefined && typeof problem.code === 'string'
        ? { shownCode: problem.code }
        : {};
    return new GatewayError(code, `Provider "${provider.id}" ${what}: ${reason}`, { ...common, ...named });
  }
  const shownCode =
    (code === 'upstream_rejected' || code === 'unsupported_by_target') && typeof problem.code === 'string'
      ? problem.code
      : undefined;
  const limited =
    code === 'upstream_rate_limited' && typeof problem.code === 'string' ? problem.code : undefined;
  const words = more.upstreamStatus === undefined ? `Provider "${provider.id}" ${what}: ${reason}` : reason;
  return new GatewayError(code, words, {
    ...common,
    ...(status === undefined ? {} : { status }),
    shownCode: shownCode ?? limited ?? code,
    param: problem.param ?? null,
    ...(problem.type === undefined ? {} : { type: problem.type }),
    ...(problem.body === undefined
      ? {}
      : {
          upstreamBody: {
            dialect: problem.body.dialect,
            error: { ...redactMembers(problem.body.error, secrets), message: reason },
          },
        }),
  });
}

/**
 * Redacts and shortens an upstream's message. Redacts first: a secret that is cut would not be recognised.
 * @param secrets exact values to redact
 */
export function cleanReason(
  text: string,
  secrets: readonly (string | undefined)[],
  maxLength = MAX_MESSAGE,
): string {
  return redactSecrets(text, secrets).slice(0, maxLength);
}

/** Redacts all texts of an object: other members than the message may repeat the request, including headers. */
function redactMembers(
  value: Readonly<Record<string, unknown>>,
  secrets: readonly (string | undefined)[],
): Record<string, unknown> {
  const clean = (item: unknown): unknown => {
    if (typeof item === 'string') return redactSecrets(item, secrets);
    if (Array.isArray(item)) return item.map(clean);
    return isRecord(item) ? redactMembers(item, secrets) : item;
  };
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, clean(item)]));
}

/** Describes a body that is not in the vendor's error format: empty, an HTML page, or its text. */
export function plainReason(
  response: Pick<BufferedResponse, 'headers'>,
  text: string,
  maxLength = 300,
): string {
  if (text.trim() === '') return 'no reason given';
  if (response.headers.get('content-type')?.includes('html') || /^\s*<(?:!doctype|html)/i.test(text))
    return 'an HTML page instead of an API response';
  return text.slice(0, maxLength);
}

/**
 * Decodes a body that should be JSON.
 * @returns its text, and its value; undefined for a text that is not JSON, or nested too deeply
 */
export function readJsonBody({ body }: Pick<BufferedResponse, 'body'>): {
  readonly text: string;
  readonly json: unknown;
} {
  const text = decodeLossyUtf8(body);
  return { text, json: parseShallowJson(text) };
}
