import type { CacheControl } from '../../core/chat/request.ts';
import { GatewayError } from '../../core/errors.ts';
import { isRecord, type JsonObject } from '../../core/json.ts';

/** Anthropic's way to point at a field: `messages.2.content.0.source: ...`. */
export function invalid(param: string, message: string): GatewayError {
  return new GatewayError('invalid_request', `${param}: ${message}`, { param });
}

export function requiredText(value: unknown, param: string): string {
  if (typeof value === 'string') return value;
  throw invalid(param, 'text is expected');
}

export function requiredObject(value: unknown, param: string): JsonObject {
  if (isRecord(value)) return value;
  throw invalid(param, 'an object is expected');
}

export function cacheControl(value: unknown, param: string): { readonly cacheControl?: CacheControl } {
  if (value === undefined || value === null) return {};
  const given = requiredObject(value, param);
  if (given.type !== 'ephemeral') throw invalid(`${param}.type`, '"ephemeral" is expected');
  const { ttl } = given;
  if (ttl === undefined || ttl === null) return { cacheControl: { type: 'ephemeral' } };
  if (ttl !== '5m' && ttl !== '1h') throw invalid(`${param}.ttl`, '"5m" or "1h" is expected');
  return { cacheControl: { type: 'ephemeral', ttl } };
}
