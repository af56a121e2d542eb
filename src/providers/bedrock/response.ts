import type { AssistantPart, Origin } from '../../core/chat/request.ts';
import type { ChatResult, FinishReason, UnifiedFinish } from '../../core/chat/result.ts';
import { asCount, asString, isRecord, type JsonObject, ownValue, records } from '../../core/json.ts';
import type { Usage } from '../../core/usage.ts';
import { decodeJson, invalidResponse } from '../decode.ts';
import type { BufferedResponse, Provider, Target } from '../types.ts';
import { readConverseCitation } from './citations.ts';
import { JSON_TOOL } from './parameters.ts';

const FINISH: Readonly<Record<string, UnifiedFinish>> = {
  end_turn: 'stop',
  stop_sequence: 'stop-sequence',
  max_tokens: 'length',
  model_context_window_exceeded: 'length',
  tool_use: 'tool-calls',
  guardrail_intervened: 'content-filter',
  content_filtered: 'content-filter',
};

/** Reasons for which the model's output is unusable. Another attempt or target may succeed. */
const FAILED: ReadonlySet<string> = new Set(['malformed_model_output', 'malformed_tool_use']);

/**
 * Rejects a response that ended with a failure of the model.
 * @throws GatewayError `upstream_invalid_response`
 */
export function assertUsable(stopReason: unknown, provider: Pick<Provider, 'id'>): void {
  const reason = asString(stopReason) ?? '';
  if (FAILED.has(reason)) throw invalidResponse(provider, `ended its response with ${reason}.`);
}

/** Converts a stop reason. */
export function readStop(reason: unknown, throughTool: boolean): FinishReason {
  const raw = asString(reason);
  const unified = ownValue(FINISH, raw) ?? 'other';
  return {
    unified: throughTool && unified === 'tool-calls' ? 'stop' : unified,
    ...(raw === undefined ? {} : { raw }),
  };
}

/** Reads usage. The API's input excludes cached tokens; the canonical input includes them. */
export function readConverseUsage(value: unknown): Usage | undefined {
  if (!isRecord(value)) return undefined;
  const input = asCount(value.inputTokens);
  const output = asCount(value.outputTokens);
  const read = asCount(value.cacheReadInputTokens);
  const written = asCount(value.cacheWriteInputTokens);
  const long = records(value.cacheDetails)
    .filter(({ ttl }) => ttl === '1h')
    .reduce((sum, { inputTokens }) => sum + (asCount(inputTokens) ?? 0), 0);
  return {
    ...(input === undefined ? {} : { inputTokens: input + (read ?? 0) + (written ?? 0) }),
    ...(output === undefined ? {} : { outputTokens: output }),
    ...(read === undefined ? {} : { cachedInputTokens: read }),
    ...(written === undefined ? {} : { cacheWriteTokens: written }),
    ...(long > 0 ? { longCacheWriteTokens: Math.min(long, written ?? 0) } : {}),
    raw: value,
  };
}

function readBlock(block: JsonObject, origin: Origin, throughTool: boolean): AssistantPart {
  if (typeof block.text === 'string') return { type: 'text', text: block.text };
  if (isRecord(block.toolUse)) {
    const { toolUseId, name, input } = block.toolUse;
    const text = JSON.stringify(input ?? {});
    if (throughTool && name === JSON_TOOL) return { type: 'text', text };
    return { type: 'tool-call', id: asString(toolUseId) ?? '', name: asString(name) ?? '', arguments: text };
  }
  if (isRecord(block.reasoningContent)) {
    const { reasoningText, redactedContent } = block.reasoningContent;
    if (typeof redactedContent === 'string') {
      return { type: 'reasoning', text: '', redacted: { origin, value: redactedContent } };
    }
    const thought = isRecord(reasoningText) ? reasoningText : {};
    const signature = { origin, value: asString(thought.signature) ?? '' };
    return { type: 'reasoning', text: asString(thought.text) ?? '', signature };
  }
  if (isRecord(block.citationsContent)) {
    const pieces: unknown[] = Array.isArray(block.citationsContent.content)
      ? block.citationsContent.content
      : [];
    const text = pieces.map((piece) => (isRecord(piece) ? (asString(piece.text) ?? '') : '')).join('');
    const citations: unknown[] = Array.isArray(block.citationsContent.citations)
      ? block.citationsContent.citations
      : [];
    const found = citations.filter(isRecord).map(readConverseCitation);
    return { type: 'text', text, ...(found.length === 0 ? {} : { citations: found }) };
  }
  return { type: 'unknown', dialect: 'bedrock-converse', value: block };
}

/** Reads a complete response in canonical form. */
export function parseConverse(
  response: BufferedResponse,
  { provider, model }: Target,
  origin: Origin,
  throughTool: boolean,
): ChatResult {
  const { json } = decodeJson(response, provider);
  const message = isRecord(json.output) ? json.output.message : undefined;
  if (!isRecord(message) || !Array.isArray(message.content)) {
    throw invalidResponse(provider, 'responded without a message.');
  }
  assertUsable(json.stopReason, provider);
  const content = message.content.filter(isRecord).map((block) => readBlock(block, origin, throughTool));
  const usage = readConverseUsage(json.usage);
  return {
    model,
    choices: [{ index: 0, content, finish: readStop(json.stopReason, throughTool) }],
    ...(usage === undefined ? {} : { usage }),
  };
}
