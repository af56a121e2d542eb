import type { GatewayError } from '../../core/errors.ts';
import { asString, isRecord, type JsonObject } from '../../core/json.ts';
import type { BufferedResponse, Provider, Target } from '../types.ts';
import {
  type ErrorMeaning,
  errorFromEvent,
  errorFromStatus,
  plainReason,
  readJsonBody,
  type UpstreamProblem,
} from '../upstream-error.ts';

function details(error: JsonObject): readonly JsonObject[] {
  return Array.isArray(error.details) ? error.details.filter(isRecord) : [];
}

function reasonOf(error: JsonObject): string | undefined {
  for (const detail of details(error)) if (typeof detail.reason === 'string') return detail.reason;
  return undefined;
}

/** Reads `RetryInfo`, a duration such as `3.5s`. @returns whole seconds, rounded up */
function retryDelay(error: JsonObject): number | undefined {
  for (const { retryDelay: delay } of details(error)) {
    const seconds = typeof delay === 'string' ? Number(delay.replace(/s$/, '')) : Number.NaN;
    if (seconds >= 0) return Math.ceil(seconds);
  }
  return undefined;
}

function meaningOf(error: JsonObject, message: string): ErrorMeaning | undefined {
  const reason = reasonOf(error);
  // The API reports an invalid key with status 400.
  if (reason === 'API_KEY_INVALID' || error.status === 'UNAUTHENTICATED') return 'auth';
  if (/token count .*exceeds|exceeds the maximum number of tokens/i.test(message)) return 'context-length';
  switch (error.status) {
    case 'RESOURCE_EXHAUSTED':
      return 'rate-limit';
    case 'UNAVAILABLE':
      return 'overloaded';
    case 'DEADLINE_EXCEEDED':
      return 'timeout';
    case 'INVALID_ARGUMENT':
    case 'FAILED_PRECONDITION':
    case 'PERMISSION_DENIED':
    case 'NOT_FOUND':
      return 'rejected';
    default:
      return undefined;
  }
}

function problemOf(error: JsonObject): UpstreamProblem {
  const message = asString(error.message);
  return {
    message,
    meaning: meaningOf(error, message ?? ''),
    code: asString(error.status),
    retryAfterSeconds: retryDelay(error),
  };
}

/** Makes the error for a response with an error status. The error may be wrapped in a list. */
export function geminiError(response: BufferedResponse, { provider }: Target): GatewayError {
  const { text, json: body } = readJsonBody(response);
  const first: unknown = Array.isArray(body) ? body[0] : body;
  const error = isRecord(first) && isRecord(first.error) ? first.error : undefined;
  const problem = error ? problemOf(error) : { message: plainReason(response, text) };
  return errorFromStatus(response, problem, provider);
}

/** Makes the error for an error object in a stream. */
export function errorFromGeminiObject(
  error: JsonObject,
  provider: Pick<Provider, 'id' | 'credential'>,
): GatewayError {
  return errorFromEvent(problemOf(error), provider);
}
