import { asString, isRecord, listOf, records } from '../core/json.ts';

/** A message in the form of OpenTelemetry's GenAI conventions. */
export interface GenAiMessage {
  readonly role: string;
  readonly parts: readonly GenAiPart[];
  readonly finish_reason?: string;
}

export type GenAiPart = Readonly<Record<string, unknown>> & { readonly type: string };

/**
 * Reads the messages of a logged request, in whatever dialect its client speaks. Parts without a name in the conventions keep
 * their form.
 * @see https://opentelemetry.io/docs/specs/semconv/gen-ai/gen-ai-events/
 * @returns empty for a body without messages, such as one that was cut
 */
export function inputMessages(request: unknown): readonly GenAiMessage[] {
  if (!isRecord(request)) return [];
  const { messages, input, prompt, contents } = request;
  if (messages !== undefined) return messagesOf(messages);
  if (contents !== undefined) return messagesOf(contents);
  const given = input ?? prompt;
  if (typeof given === 'string') return [{ role: 'user', parts: [textPart(given)] }];
  const texts = listOf(given).filter((one) => typeof one === 'string');
  if (texts.length > 0) return [{ role: 'user', parts: texts.map(textPart) }];
  return messagesOf(given);
}

/** @returns the instructions that the dialect keeps apart from the messages */
export function systemInstructions(request: unknown): readonly GenAiPart[] {
  if (!isRecord(request)) return [];
  return partsOf(request.system ?? request.instructions ?? []);
}

/** @returns the messages of a response, or of the canonical form of a stream */
export function outputMessages(response: unknown): readonly GenAiMessage[] {
  if (!isRecord(response)) return [];
  const { choices, content, output, stop_reason } = response;
  if (Array.isArray(choices)) return records(choices).map(choiceOf);
  if (Array.isArray(content)) {
    return [{ role: 'assistant', parts: partsOf(content), ...finishOf(stop_reason) }];
  }
  return messagesOf(output);
}

/** @returns the reasons why the messages ended */
export function finishReasons(messages: readonly GenAiMessage[]): readonly string[] {
  return messages.flatMap(({ finish_reason }) => (finish_reason === undefined ? [] : [finish_reason]));
}

function choiceOf({ message, text, content, finish, finish_reason }: Record<string, unknown>): GenAiMessage {
  const ended = isRecord(finish) ? (finish.raw ?? finish.unified) : finish_reason;
  const parts = isRecord(message)
    ? [...partsOf(message.content), ...records(message.tool_calls).map(toolCallOf)]
    : partsOf(text ?? content);
  return { role: 'assistant', parts, ...finishOf(ended) };
}

function messagesOf(given: unknown): readonly GenAiMessage[] {
  return records(given).map((message) => {
    const { role, content, parts, tool_calls, tool_call_id, type } = message;
    // Items of the Responses API that are no messages.
    if (role === undefined && type !== undefined && type !== 'message') {
      return { role: type === 'function_call_output' ? 'tool' : 'assistant', parts: [partOf(message)] };
    }
    const response = asString(tool_call_id);
    return {
      role: asString(role) ?? 'assistant',
      parts:
        response === undefined
          ? [...partsOf(content ?? parts), ...records(tool_calls).map(toolCallOf)]
          : [{ type: 'tool_call_response', id: response, response: content }],
    };
  });
}

function partsOf(content: unknown): readonly GenAiPart[] {
  if (typeof content === 'string') return content === '' ? [] : [textPart(content)];
  return listOf(content).map((part) => (typeof part === 'string' ? textPart(part) : partOf(part)));
}

function partOf(part: unknown): GenAiPart {
  if (!isRecord(part)) return { type: 'unknown', content: part };
  const { type, text, thinking } = part;
  switch (type) {
    case 'tool_use':
    case 'tool-call':
    case 'function_call':
      return toolCallOf(part);
    case 'tool_result':
    case 'function_call_output':
      return {
        type: 'tool_call_response',
        id: part.tool_use_id ?? part.call_id,
        response: part.content ?? part.output,
      };
    case 'thinking':
    case 'reasoning':
      return { type: 'reasoning', content: thinking ?? text ?? part.summary };
    default:
      if (typeof text === 'string') return textPart(text);
      return { ...part, type: asString(type) ?? 'unknown' };
  }
}

function toolCallOf(call: Record<string, unknown>): GenAiPart {
  const { name, arguments: given, input } = isRecord(call.function) ? call.function : call;
  return { type: 'tool_call', id: call.call_id ?? call.id, name, arguments: given ?? input };
}

function textPart(content: string): GenAiPart {
  return { type: 'text', content };
}

function finishOf(reason: unknown): { readonly finish_reason?: string } {
  const text = asString(reason);
  return text === undefined ? {} : { finish_reason: text };
}
