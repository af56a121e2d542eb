import { readCitation } from '../../core/chat/citations.ts';
import type { AssistantPart } from '../../core/chat/request.ts';
import type { ChatResult, FinishReason, UnifiedFinish } from '../../core/chat/result.ts';
import { asString, isRecord, type JsonObject, ownValue } from '../../core/json.ts';
import { invalidResponse } from '../decode.ts';
import type { Provider } from '../types.ts';
import { readMessageUsage } from './usage.ts';

const FINISH: Readonly<Record<string, UnifiedFinish>> = {
  end_turn: 'stop',
  stop_sequence: 'stop-sequence',
  max_tokens: 'length',
  model_context_window_exceeded: 'length',
  tool_use: 'tool-calls',
  pause_turn: 'pause',
  refusal: 'refusal',
};

/**
 * Converts a stop reason.
 * @param throughTool the response was forced through a tool, so that a tool call is the response itself
 */
export function readStop(reason: unknown, sequence: unknown, throughTool: boolean): FinishReason {
  const raw = asString(reason);
  const stopSequence = asString(sequence);
  const unified = ownValue(FINISH, raw) ?? 'other';
  return {
    unified: throughTool && unified === 'tool-calls' ? 'stop' : unified,
    ...(raw === undefined ? {} : { raw: throughTool && raw === 'tool_use' ? 'end_turn' : raw }),
    ...(stopSequence === undefined ? {} : { stopSequence }),
  };
}

/** Converts a complete block to a part. */
export function readBlock(block: JsonObject): AssistantPart {
  switch (block.type) {
    case 'text': {
      const given: unknown[] = Array.isArray(block.citations) ? block.citations : [];
      const citations = given.flatMap((value) => readCitation(value, 'anthropic-messages') ?? []);
      const text = asString(block.text) ?? '';
      return { type: 'text', text, ...(citations.length === 0 ? {} : { citations }) };
    }
    case 'thinking':
      return {
        type: 'reasoning',
        text: asString(block.thinking) ?? '',
        signature: { origin: 'anthropic', value: asString(block.signature) ?? '' },
      };
    case 'redacted_thinking':
      return {
        type: 'reasoning',
        text: '',
        redacted: { origin: 'anthropic', value: asString(block.data) ?? '' },
      };
    case 'tool_use':
      return {
        type: 'tool-call',
        id: asString(block.id) ?? '',
        name: asString(block.name) ?? '',
        arguments: JSON.stringify(block.input ?? {}),
      };
    default:
      return { type: 'unknown', dialect: 'anthropic-messages', value: block };
  }
}

/**
 * Reads a complete message.
 * @param jsonTool the tool whose input is the response, when the response was forced through one
 */
export function parseMessage(
  json: JsonObject,
  provider: Pick<Provider, 'id'>,
  jsonTool: string | undefined,
): ChatResult {
  if (!Array.isArray(json.content)) {
    throw invalidResponse(provider, 'responded without "content"; this is not a message.');
  }
  const content = json.content.filter(isRecord).map((block): AssistantPart => {
    const isAnswer = jsonTool !== undefined && block.type === 'tool_use' && block.name === jsonTool;
    return isAnswer ? { type: 'text', text: JSON.stringify(block.input ?? {}) } : readBlock(block);
  });
  const id = asString(json.id);
  const model = asString(json.model);
  const usage = readMessageUsage(json.usage);
  const tier = isRecord(json.usage) ? asString(json.usage.service_tier) : undefined;
  return {
    ...(id === undefined ? {} : { id }),
    ...(model === undefined ? {} : { model }),
    choices: [
      { index: 0, content, finish: readStop(json.stop_reason, json.stop_sequence, jsonTool !== undefined) },
    ],
    ...(usage === undefined ? {} : { usage }),
    ...(tier === undefined ? {} : { serviceTier: tier }),
  };
}
