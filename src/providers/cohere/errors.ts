import type { GatewayError } from '../../core/errors.ts';
import { asString, isRecord } from '../../core/json.ts';
import type { BufferedResponse, Target } from '../types.ts';
import { type ErrorMeaning, errorFromStatus, plainReason, readJsonBody } from '../upstream-error.ts';

/**
 * Makes the error for a response with an error status: `{message}`, `{id, message}` or, from Cohere's edge, `{data}` or
 * HTML.
 */
export function cohereError(response: BufferedResponse, { provider }: Target): GatewayError {
  const { text, json: body } = readJsonBody(response);
  const vendorMessage = isRecord(body)
    ? (asString(body.message) ?? asString(body.error) ?? asString(body.data))
    : undefined;
  const message = vendorMessage ?? plainReason(response, text);
  return errorFromStatus(response, { message, meaning: meaningOf(response.status, message) }, provider);
}

function meaningOf(status: number, message: string): ErrorMeaning | undefined {
  if (status === 498) return 'content-policy';
  if (status === 499) return 'server';
  if (status === 400 && /too many tokens|context (?:length|window)|exceeds? .*token limit/i.test(message)) {
    return 'context-length';
  }
  if (status === 400 && /blocked|safety|toxic/i.test(message)) return 'content-policy';
  return undefined;
}
