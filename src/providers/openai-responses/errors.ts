import type { GatewayError } from '../../core/errors.ts';
import { isRecord } from '../../core/json.ts';
import type { Provider } from '../types.ts';
import { type ErrorMeaning, errorFromEvent, meaningful } from '../upstream-error.ts';

const MEANINGS: readonly (readonly [RegExp, ErrorMeaning])[] = [
  [/context_length|context_window|string_above_max_length/, 'context-length'],
  [/content_filter|policy|invalid_prompt|responsibleai|moderation/, 'content-policy'],
  [/rate_limit|insufficient_quota|too_many_requests/, 'rate-limit'],
  [/overloaded|slow_down|unavailable|capacity/, 'overloaded'],
  [/timeout/, 'timeout'],
  [/invalid_api_key|authentication|permission/, 'auth'],
  [/server_error|internal|api_error/, 'server'],
  [/invalid|image|unsupported|not_found|data_residency/, 'rejected'],
];

function meaningOf(name: string): ErrorMeaning | undefined {
  return MEANINGS.find(([pattern]) => pattern.test(name))?.[1];
}

/** Reads the retry delay in seconds, which this API sends in the message only. */
function retryAfter(message: string | undefined): number | undefined {
  const match = /try again in (\d+(?:\.\d+)?) ?(ms|s)\b/i.exec(message ?? '');
  if (!match) return undefined;
  return Math.ceil(Number(match[1]) / (match[2]?.toLowerCase() === 'ms' ? 1000 : 1));
}

/**
 * Makes the error for an `error` event or a failed response. The error is at the top level, in `error`, or in
 * `response.error`.
 */
export function errorFromResponses(
  json: Readonly<Record<string, unknown>>,
  provider: Pick<Provider, 'id' | 'credential'>,
): GatewayError {
  const response = isRecord(json.response) ? json.response : json;
  const error = [response.error, json.error].find(isRecord) ?? json;
  const message = meaningful(typeof json.error === 'string' ? json.error : error.message);
  // `error` is also the type of the event itself.
  const type = error === json ? undefined : meaningful(error.type);
  const code = typeof error.code === 'number' ? error.code : meaningful(error.code);
  return errorFromEvent(
    {
      message,
      type,
      code,
      param: meaningful(error.param),
      meaning:
        typeof code === 'number'
          ? undefined
          : (meaningOf(code?.toLowerCase() ?? '') ?? meaningOf(type?.toLowerCase() ?? '')),
      retryAfterSeconds: retryAfter(message),
    },
    provider,
  );
}
