import type { GatewayError } from '../../core/errors.ts';
import { asString, isRecord, ownValue } from '../../core/json.ts';
import type { BufferedResponse, Provider, Target } from '../types.ts';
import {
  type ErrorMeaning,
  errorFromEvent,
  errorFromStatus,
  plainReason,
  readJsonBody,
  type UpstreamProblem,
} from '../upstream-error.ts';

const MEANINGS: Readonly<Record<string, ErrorMeaning>> = {
  authentication_error: 'auth',
  rate_limit_error: 'rate-limit',
  overloaded_error: 'overloaded',
  api_error: 'server',
  timeout_error: 'timeout',
  invalid_request_error: 'rejected',
  not_found_error: 'rejected',
  permission_error: 'rejected',
  billing_error: 'rate-limit',
};

function meaningOf(type: string | undefined, message: string): ErrorMeaning | undefined {
  if (
    /prompt is too long|exceeds? the (?:model's )?(?:maximum )?context|input length and .max_tokens. exceed/i.test(
      message,
    )
  ) {
    return 'context-length';
  }
  if (/content filter|usage polic/i.test(message)) return 'content-policy';
  return ownValue(MEANINGS, type);
}

function readProblem(body: unknown): UpstreamProblem | undefined {
  const error = isRecord(body) && isRecord(body.error) ? body.error : undefined;
  if (!error) return undefined;
  const type = asString(error.type);
  const message = asString(error.message);
  return {
    message,
    type,
    meaning: meaningOf(type, message ?? ''),
    body: { dialect: 'anthropic-messages', error },
  };
}

/** Makes the error for a response of the Messages API with an error status. */
export function anthropicError(response: BufferedResponse, { provider }: Target): GatewayError {
  const { text, json: body } = readJsonBody(response);
  const problem = readProblem(body) ?? { message: plainReason(response, text) };
  return errorFromStatus(response, problem, provider);
}

/** Makes the error for an `error` event of a stream. */
export function errorFromMessageEvent(
  event: Readonly<Record<string, unknown>>,
  provider: Pick<Provider, 'id' | 'credential'>,
): GatewayError {
  return errorFromEvent(readProblem(event) ?? { message: undefined }, provider);
}
