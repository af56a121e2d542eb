import type { GatewayError } from '../../core/errors.ts';
import { asString, isRecord, ownValue } from '../../core/json.ts';
import type { BufferedResponse, Provider, Target } from '../types.ts';
import {
  type ErrorMeaning,
  errorFromEvent,
  errorFromStatus,
  plainReason,
  readJsonBody,
} from '../upstream-error.ts';

const MEANINGS: Readonly<Record<string, ErrorMeaning>> = {
  ThrottlingException: 'rate-limit',
  TooManyRequestsException: 'rate-limit',
  ServiceQuotaExceededException: 'rate-limit',
  AccessDeniedException: 'auth',
  UnrecognizedClientException: 'auth',
  InvalidSignatureException: 'auth',
  ExpiredTokenException: 'auth',
  MissingAuthenticationTokenException: 'auth',
  ValidationException: 'rejected',
  ResourceNotFoundException: 'rejected',
  ModelTimeoutException: 'timeout',
  ModelNotReadyException: 'overloaded',
  ServiceUnavailableException: 'overloaded',
  InternalServerException: 'server',
  ModelErrorException: 'server',
  ModelStreamErrorException: 'server',
};

/** @param type exceptions in streams begin with a lower-case letter */
function meaningOf(type: string, message: string): ErrorMeaning | undefined {
  if (
    /input is too long|too many (?:input )?tokens|exceeds? the (?:maximum|model).*(?:token|context)/i.test(
      message,
    )
  ) {
    return 'context-length';
  }
  const name = type.charAt(0).toUpperCase() + type.slice(1);
  return ownValue(MEANINGS, name);
}

/** Makes the error for a response with an error status. The type is in a header, the reason in the body. */
export function bedrockError(response: BufferedResponse, { provider }: Target): GatewayError {
  const { text, json: body } = readJsonBody(response);
  const vendorMessage = isRecord(body) ? (asString(body.message) ?? asString(body.Message)) : undefined;
  const type = response.headers.get('x-amzn-errortype')?.split(':')[0] ?? '';
  const message = vendorMessage ?? plainReason(response, text);
  return errorFromStatus(response, { message, meaning: meaningOf(type, message) }, provider);
}

/** Makes the error for an exception in a stream. */
export function errorFromException(
  type: string,
  message: string | undefined,
  provider: Pick<Provider, 'id' | 'credential'>,
): GatewayError {
  const vendorMessage = message ?? type;
  return errorFromEvent({ message: vendorMessage, meaning: meaningOf(type, vendorMessage) }, provider);
}
