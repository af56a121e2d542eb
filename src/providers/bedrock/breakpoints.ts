import { isRecord, type JsonObject } from '../../core/json.ts';
import { bareName } from '../model-families.ts';
import { minCachedTokens } from '../prompt-cache.ts';
import type { PromptCacheHint } from '../prompt-cache-hint.ts';
import { repeatedPrefixes } from '../prompt-prefix.ts';
import { countCachePoints } from './cache-points.ts';

const POINT = { cachePoint: { type: 'default' } };

/**
 * Adds cache points after the prefixes of a prompt that were sent before: tools with instructions, and the longest run of
 * messages. A client that marks anything manages its cache itself: nothing is added.
 * @param body members of a Converse request
 * @returns `body` itself where nothing is added
 * @see https://docs.aws.amazon.com/bedrock/latest/userguide/prompt-caching.html
 */
export function withBreakpoints(
  body: JsonObject,
  model: string,
  hint: PromptCacheHint | undefined,
): JsonObject {
  if (!hint?.repeated) return body;
  const minTokens = minCachedTokens(bareName(model), 'bedrock');
  if (minTokens === undefined || countCachePoints(body) > 0) return body;
  const { system, toolConfig, additionalModelRequestFields: settings } = body;
  const messages: readonly unknown[] = Array.isArray(body.messages) ? body.messages : [];
  const tools = isRecord(toolConfig) ? toolConfig.tools : undefined;
  const found = repeatedPrefixes({ tools, system, settings, messages }, minTokens, hint);
  if (!found) return body;
  const place = found.messages.find((index) => isMarkable(messages[index], index === messages.length - 1));
  return {
    ...body,
    ...(found.head ? markedHead(body, /claude/.test(model)) : {}),
    ...(place === undefined
      ? {}
      : { messages: messages.map((message, index) => (index === place ? withPoint(message) : message)) }),
  };
}

/** @param takesToolPoints whether the model caches tools alone; Nova does not */
function markedHead({ system, toolConfig }: JsonObject, takesToolPoints: boolean): JsonObject {
  if (Array.isArray(system) && system.length > 0) return { system: [...system, POINT] };
  if (!takesToolPoints || !isRecord(toolConfig) || !Array.isArray(toolConfig.tools)) return {};
  return { toolConfig: { ...toolConfig, tools: [...toolConfig.tools, POINT] } };
}

function withPoint(message: unknown): unknown {
  return isRecord(message) && Array.isArray(message.content)
    ? { ...message, content: [...message.content, POINT] }
    : message;
}

/** @param isLast of the conversation, where a text of the assistant is one to continue */
function isMarkable(message: unknown, isLast: boolean): boolean {
  if (!isRecord(message) || (isLast && message.role === 'assistant')) return false;
  const last: unknown = Array.isArray(message.content) ? message.content.at(-1) : undefined;
  return isRecord(last) && last.reasoningContent === undefined;
}
