import type {
  AssistantPart,
  Citation,
  Origin,
  RefusalPart,
  Signature,
  TextPart,
} from '../../core/chat/request.ts';
import type { FinishReason, TokenLogprobs } from '../../core/chat/result.ts';
import { asCount, asString, isRecord, type JsonObject, records } from '../../core/json.ts';

/** Reads an annotation of an output text. */
export function citationOf(annotation: JsonObject): Citation {
  const url = asString(annotation.url);
  const title = asString(annotation.title) ?? asString(annotation.filename);
  const start = asCount(annotation.start_index);
  const end = asCount(annotation.end_index);
  return {
    ...(url === undefined ? {} : { url }),
    ...(title === undefined ? {} : { title }),
    ...(start === undefined ? {} : { start }),
    ...(end === undefined ? {} : { end }),
    raw: { dialect: 'openai-responses', value: annotation },
  };
}

/** Converts log probabilities to the chat format, which requires `bytes`. */
export function logprobsOf(value: unknown): TokenLogprobs | undefined {
  const entries = records(value);
  if (entries.length === 0) return undefined;
  return entries.map((entry) => ({
    bytes: null,
    ...entry,
    top_logprobs: records(entry.top_logprobs).map((top) => ({ bytes: null, ...top })),
  }));
}

/** @returns the encrypted content of a reasoning item, which can be sent back */
export function encryptedOf(item: JsonObject, origin: Origin): Signature | undefined {
  const value = asString(item.encrypted_content);
  return value === undefined || value === '' ? undefined : { origin, value };
}

/** Reads a tool call item. */
export function toolCallOf(item: JsonObject): Extract<AssistantPart, { type: 'tool-call' }> {
  const custom = item.type === 'custom_tool_call';
  return {
    type: 'tool-call',
    id: asString(item.call_id) ?? asString(item.id) ?? '',
    name: asString(item.name) ?? '',
    arguments: asString(custom ? item.input : item.arguments) ?? '',
    ...(custom ? { kind: 'custom' as const } : {}),
  };
}

/** @returns whether an item is a call of a tool that the client implements */
export function isToolCall(item: JsonObject): boolean {
  return item.type === 'function_call' || item.type === 'custom_tool_call';
}

function messagePart(part: JsonObject): TextPart | RefusalPart | AssistantPart {
  if (part.type === 'refusal') return { type: 'refusal', text: asString(part.refusal) ?? '' };
  if (part.type !== 'output_text') return { type: 'unknown', dialect: 'openai-responses', value: part };
  const citations = records(part.annotations).map(citationOf);
  return {
    type: 'text',
    text: asString(part.text) ?? '',
    ...(citations.length === 0 ? {} : { citations }),
  };
}

/**
 * Converts a reasoning item: one part for each part of its summary, so that the texts stay separate. The last one has the
 * encrypted content, which belongs to all; the others have an empty signature, which marks them as parts of the same item.
 */
function reasoningParts(item: JsonObject, origin: Origin): AssistantPart[] {
  const id = asString(item.id);
  const encrypted = encryptedOf(item, origin);
  const named = id === undefined ? {} : { id };
  const shown = [
    ...records(item.content).map((part) => ({ text: asString(part.text) ?? '' })),
    ...records(item.summary).map((part) => ({ text: asString(part.text) ?? '', summary: true })),
  ];
  if (shown.length === 0) {
    return encrypted === undefined ? [] : [{ type: 'reasoning', text: '', redacted: encrypted, ...named }];
  }
  return shown.map((part, index) => ({
    type: 'reasoning',
    ...part,
    ...named,
    ...(encrypted === undefined
      ? {}
      : { signature: index === shown.length - 1 ? encrypted : { origin, value: '' } }),
  }));
}

/** Converts one output item to parts. */
export function partsOf(item: JsonObject, origin: Origin): AssistantPart[] {
  if (item.type === 'message') return records(item.content).map(messagePart);
  if (item.type === 'reasoning') return reasoningParts(item, origin);
  if (isToolCall(item)) return [toolCallOf(item)];
  return [{ type: 'unknown', dialect: 'openai-responses', value: item }];
}

/** @returns the finish reason of a response that has ended without a failure */
export function finishOf(response: JsonObject, hasToolCalls: boolean): FinishReason {
  const details = isRecord(response.incomplete_details) ? response.incomplete_details : {};
  const reason = asString(details.reason);
  if (response.status === 'incomplete' || reason !== undefined) {
    const unified =
      reason === 'content_filter' ? 'content-filter' : reason === 'max_output_tokens' ? 'length' : 'other';
    return { unified, raw: reason ?? 'incomplete' };
  }
  return { unified: hasToolCalls ? 'tool-calls' : 'stop', raw: 'completed' };
}

/** Reads id, model and creation time of a response object. */
export function identityOf(response: JsonObject): { id?: string; created?: number; model?: string } {
  const id = asString(response.id);
  const created = typeof response.created_at === 'number' ? Math.floor(response.created_at) : undefined;
  const model = asString(response.model);
  return {
    ...(id === undefined ? {} : { id }),
    ...(created === undefined ? {} : { created }),
    ...(model === undefined ? {} : { model }),
  };
}
