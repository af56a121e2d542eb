import type { CacheControl } from '../core/chat/request.ts';
import type { GatewayError } from '../core/errors.ts';
import { isRecord, type JsonObject } from '../core/json.ts';

/** Makes the error for a member that is not valid, in the words of one dialect. */
export type Invalid = (param: string, message: string) => GatewayError;

/**
 * Readers of members of a request, for one dialect. Each throws the dialect's error for a member of another type.
 * @param invalid makes that error from the member's path and a reason
 */
export function fieldReaders(invalid: Invalid) {
  const requiredText = (value: unknown, param: string): string => {
    if (typeof value === 'string') return value;
    throw invalid(param, 'text is expected');
  };

  const requiredObject = (value: unknown, param: string): JsonObject => {
    if (isRecord(value)) return value;
    throw invalid(param, 'an object is expected');
  };

  /** @returns nothing for an absent mark, so that the result can be spread into a part */
  const cacheControl = (value: unknown, param: string): { readonly cacheControl?: CacheControl } => {
    if (value === undefined || value === null) return {};
    const given = requiredObject(value, param);
    if (given.type !== 'ephemeral') throw invalid(`${param}.type`, '"ephemeral" is expected');
    const { ttl } = given;
    if (ttl === undefined || ttl === null) return { cacheControl: { type: 'ephemeral' } };
    if (ttl !== '5m' && ttl !== '1h') throw invalid(`${param}.ttl`, '"5m" or "1h" is expected');
    return { cacheControl: { type: 'ephemeral', ttl } };
  };

  /** @returns the mark of a part under the name of either vendor; nothing for a part without one */
  const cacheMark = (part: JsonObject, param: string): { readonly cacheControl?: CacheControl } => {
    if (part.cache_control != null || !isRecord(part.prompt_cache_breakpoint)) {
      return cacheControl(part.cache_control, `${param}.cache_control`);
    }
    return { cacheControl: { type: 'ephemeral' } };
  };

  return { requiredText, requiredObject, cacheControl, cacheMark };
}
