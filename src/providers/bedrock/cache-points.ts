import { isRecord, type JsonObject } from '../../core/json.ts';
import type { Warn } from '../../core/warning.ts';
import { changed } from '../limited-values.ts';

/** The most cache points of a request. Source: https://docs.aws.amazon.com/bedrock/latest/userguide/prompt-caching.html */
const MAX_POINTS = 4;

/**
 * Removes cache points beyond the number that the service accepts. The first stays, which covers tools and instructions,
 * and the last ones, which cover most of the conversation.
 * @param body members of a Converse request
 * @returns `body` itself where it has no more than accepted
 */
export function withLimitedCachePoints(body: JsonObject, warn: Warn): JsonObject {
  const total = countCachePoints(body);
  if (total <= MAX_POINTS) return body;
  const message = `The target takes ${MAX_POINTS} cache markers; ${total - MAX_POINTS} of ${total} were omitted.`;
  changed('cache_control', message, warn);
  let seen = 0;
  const kept = (blocks: readonly unknown[]) =>
    blocks.filter((block) => {
      if (!isPoint(block)) return true;
      seen += 1;
      return seen === 1 || seen > total - MAX_POINTS + 1;
    });
  const { toolConfig, system, messages } = body;
  // In the order of the prompt, which differs from that of the members.
  const tools =
    isRecord(toolConfig) && Array.isArray(toolConfig.tools)
      ? { toolConfig: { ...toolConfig, tools: kept(toolConfig.tools) } }
      : {};
  const instructions = Array.isArray(system) ? { system: kept(system) } : {};
  const turns = Array.isArray(messages)
    ? { messages: messages.map((turn: unknown) => withContent(turn, kept)) }
    : {};
  return { ...body, ...turns, ...instructions, ...tools };
}

/** @param body members of a Converse request */
export function countCachePoints(body: JsonObject): number {
  return [...blockLists(body)].reduce((sum, list) => sum + list.filter(isPoint).length, 0);
}

function withContent(turn: unknown, kept: (blocks: readonly unknown[]) => unknown[]): unknown {
  return isRecord(turn) && Array.isArray(turn.content) ? { ...turn, content: kept(turn.content) } : turn;
}

function* blockLists({ toolConfig, system, messages }: JsonObject): Generator<readonly unknown[]> {
  if (isRecord(toolConfig) && Array.isArray(toolConfig.tools)) yield toolConfig.tools;
  if (Array.isArray(system)) yield system;
  if (!Array.isArray(messages)) return;
  for (const turn of messages) if (isRecord(turn) && Array.isArray(turn.content)) yield turn.content;
}

function isPoint(block: unknown): boolean {
  return isRecord(block) && block.cachePoint !== undefined;
}
