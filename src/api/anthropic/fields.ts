import { GatewayError } from '../../core/errors.ts';
import { fieldReaders } from '../fields.ts';

/** Anthropic's way to point at a field: `messages.2.content.0.source: ...`. */
export function invalid(param: string, message: string): GatewayError {
  return new GatewayError('invalid_request', `${param}: ${message}`, { param });
}

export const { requiredText, requiredObject, cacheControl } = fieldReaders(invalid);
