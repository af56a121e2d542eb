import { type ErrorCode, GatewayError, type GatewayErrorDetails } from '../../core/errors.ts';
import { isRecord } from '../../core/json.ts';
import { redactSecrets } from '../../core/redact.ts';
import type { BufferedResponse, Target } from '../types.ts';

const MAX_MESSAGE = 2_000;
/** Of a body that is no JSON, which rarely gets to the point later. */
const MAX_PLAIN_REASON = 300;

interface UpstreamProblem {
  readonly message: string | undefined;
  readonly type: string | undefined;
  readonly code: string | number | undefined;
  readonly param: string | undefined;
}

/** Vendors write absent values as null, "None" or an empty string; clients' parsers stumble over each. */
function meaningful(value: unknown): string | undefined {
  return typeof value === 'string' && value !== '' && value !== 'None' && value !== 'null'
    ? value
    : undefined;
}

/** Finds the reason in the forms that vendors use: `{error:{...}}`, `{error:"..."}`, `{message}`, `{detail}`. */
function readProblem(body: unknown): UpstreamProblem {
  const nothing = { message: undefined, type: undefined, code: undefined, param: undefined };
  if (!isRecord(body)) return nothing;
  if (typeof body.error === 'string') return { ...nothing, message: meaningful(body.error) };
  const error = isRecord(body.error) ? body.error : body;
  const detail = error.message ?? error.detail ?? error.error;
  const message =
    typeof detail === 'string' || detail === undefined || detail === null ? detail : JSON.stringify(detail);
  return {
    message: meaningful(message),
    type: meaningful(error.type),
    code: typeof error.code === 'number' ? error.code : meaningful(error.code),
    param: meaningful(error.param),
  };
}

function codeForStatus(status: number): ErrorCode {
  if (status === 401) return 'upstream_auth_failed';
  if (status === 429) return 'upstream_rate_limited';
  if (status === 408 || status === 504 || status === 524) return 'upstream_timeout';
  if (status === 503 || status === 529) return 'upstream_overloaded';
  if (status >= 400 && status < 500) return 'upstream_rejected';
  if (status >= 500) return 'upstream_error';
  return 'upstream_invalid_response';
}

/** `Retry-After` in seconds or as a date, or the milliseconds that some vendors add; `undefined` when absent or senseless. */
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

/** Explains an upstream's answer with an error status or a redirect. */
export function errorFromResponse(response: BufferedResponse, target: Target): GatewayError {
  const { provider } = target;
  const { status, headers } = response;
  if (status >= 300 && status < 400) {
    return new GatewayError(
      'upstream_invalid_response',
      `Provider "${provider.id}" answered with a redirect (HTTP ${status}), which is not followed. Check its base_url.`,
      { provider: provider.id, upstreamStatus: status },
    );
  }
  const text = new TextDecoder().decode(response.body);
  let body: unknown;
  try {
    body = JSON.parse(text);
  } catch {
    body = undefined;
  }
  const problem = readProblem(body);
  const secrets = [provider.credential];
  const reason =
    problem.message === undefined
      ? cleanReason(plainReason(text, headers.get('content-type')), secrets, MAX_PLAIN_REASON)
      : cleanReason(problem.message, secrets);
  const code = codeForStatus(status);
  const retryAfterSeconds = readRetryAfter(headers);
  const common: GatewayErrorDetails = {
    provider: provider.id,
    upstreamStatus: status,
    ...(retryAfterSeconds === undefined ? {} : { retryAfterSeconds }),
  };
  if (code === 'upstream_auth_failed') {
    // The client's own key is good: a 401 would send people to the wrong door, and retrying does not help.
    return new GatewayError(
      code,
      `Provider "${provider.id}" refused the gateway's credential (HTTP ${status}). Check the provider's api_key. It said: ${reason}`,
      { ...common, headers: { 'x-should-retry': 'false' } },
    );
  }
  if (code === 'upstream_rejected' || code === 'upstream_rate_limited') {
    const shown = isRecord(body) && isRecord(body.error) ? body.error : undefined;
    const shownCode = typeof problem.code === 'string' ? problem.code : code;
    return new GatewayError(code, reason, {
      ...common,
      status,
      shownCode,
      param: problem.param ?? null,
      ...(problem.type === undefined ? {} : { type: problem.type }),
      ...(shown === undefined
        ? {}
        : {
            upstreamBody: {
              ...redactMembers(shown, secrets),
              message: reason,
              type: problem.type ?? 'invalid_request_error',
              // Engines put the status there as a number, which clients that expect text stumble over.
              code: String(problem.code ?? code),
              param: problem.param ?? null,
            },
          }),
    });
  }
  return new GatewayError(code, `Provider "${provider.id}" answered HTTP ${status}: ${reason}`, common);
}

/** Redacted while it is whole: a secret that the cut goes through would not be recognised. */
function cleanReason(
  text: string,
  secrets: readonly (string | undefined)[],
  maxLength = MAX_MESSAGE,
): string {
  return redactSecrets(text, secrets).slice(0, maxLength);
}

/** Members beside the message may repeat the request too, headers included. */
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

function plainReason(text: string, contentType: string | null): string {
  if (text.trim() === '') return 'no reason given';
  if (contentType?.includes('html') || /^\s*<(?:!doctype|html)/i.test(text))
    return 'an HTML page instead of an API answer';
  return text;
}

/** Explains an error object that came inside a stream or a 200 answer. */
export function errorFromObject(
  json: Readonly<Record<string, unknown>>,
  provider: string,
  credential: string | undefined,
): GatewayError {
  const problem = readProblem(json);
  const status = typeof problem.code === 'number' ? problem.code : Number(problem.code);
  const code: ErrorCode = status >= 400 && status < 600 ? codeForStatus(status) : codeForType(problem);
  const reason = cleanReason(problem.message ?? 'no reason given', [credential]);
  return new GatewayError(code, `Provider "${provider}" reported an error: ${reason}`, {
    provider,
    ...(code === 'upstream_rejected' && status >= 400 ? { status } : {}),
    ...(problem.type === undefined ? {} : { type: problem.type }),
    ...(typeof problem.code === 'string' ? { shownCode: problem.code } : {}),
  });
}

function codeForType({ type, code }: UpstreamProblem): ErrorCode {
  const name = `${type ?? ''} ${code ?? ''}`;
  if (/rate_limit|quota/.test(name)) return 'upstream_rate_limited';
  if (/overloaded|unavailable/.test(name)) return 'upstream_overloaded';
  if (/invalid_request|context_length|content_policy|content_filter/.test(name)) return 'upstream_rejected';
  return 'upstream_error';
}
