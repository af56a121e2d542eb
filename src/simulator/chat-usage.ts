import type { ChatMessage, ChatRequest, ContentPart } from './chat-request.ts';
import { countTokens } from './tokens.ts';

/** Tokens of the prompt. `total` includes `audio`. */
export interface PromptTokens {
  readonly total: number;
  readonly audio: number;
}

const PER_MESSAGE = 3;
const ANSWER_START = 3;
const IMAGE_LOW = 85;
const IMAGE_HIGH = 765;
const AUDIO_BYTES_PER_TOKEN = 3200;
const FILE_BYTES_PER_TOKEN = 1000;
const FILE_BY_ID = 100;

/** Counts a prompt by the rules in docs/simulator.md. */
export function countPrompt(request: ChatRequest): PromptTokens {
  let total = ANSWER_START;
  let audio = 0;
  for (const message of request.messages) {
    total += PER_MESSAGE + countMessage(message);
    audio += countParts(message, (part) => (part.type === 'input_audio' ? countPart(part) : 0));
  }
  for (const tool of request.tools ?? []) total += countTokens(JSON.stringify(tool.function));
  const format = request.response_format;
  if (format?.type === 'json_schema') total += countTokens(JSON.stringify(format.json_schema.schema ?? {}));
  return { total, audio };
}

function countMessage(message: ChatMessage): number {
  let count = countTokens(message.name ?? '') + countTokens(message.refusal ?? '');
  for (const { function: call } of message.tool_calls ?? [])
    count += countTokens(call.name) + countTokens(call.arguments);
  return (
    count +
    (typeof message.content === 'string' ? countTokens(message.content) : countParts(message, countPart))
  );
}

function countParts(message: ChatMessage, count: (part: ContentPart) => number): number {
  if (typeof message.content === 'string') return 0;
  return (message.content ?? []).reduce((sum, part) => sum + count(part), 0);
}

function countPart(part: ContentPart): number {
  switch (part.type) {
    case 'text':
      return countTokens(part.text);
    case 'refusal':
      return countTokens(part.refusal);
    case 'image_url':
      return part.image_url.detail === 'low' ? IMAGE_LOW : IMAGE_HIGH;
    case 'input_audio':
      return Math.max(1, Math.ceil(base64Bytes(part.input_audio.data) / AUDIO_BYTES_PER_TOKEN));
    case 'file':
      if (typeof part.file.file_data !== 'string') return FILE_BY_ID;
      return Math.max(1, Math.ceil(base64Bytes(part.file.file_data) / FILE_BYTES_PER_TOKEN));
  }
}

function base64Bytes(text: string): number {
  return Math.floor((text.length * 3) / 4);
}

/** OpenAI's usage object. */
export interface ChatUsage {
  readonly prompt_tokens: number;
  readonly completion_tokens: number;
  readonly total_tokens: number;
  readonly prompt_tokens_details: { readonly cached_tokens: number; readonly audio_tokens: number };
  readonly completion_tokens_details: {
    readonly reasoning_tokens: number;
    readonly audio_tokens: number;
    readonly accepted_prediction_tokens: number;
    readonly rejected_prediction_tokens: number;
  };
}

/**
 * Builds OpenAI's usage object.
 * @param completion completion tokens, including reasoning
 */
export function usageOf(prompt: PromptTokens, completion: number, reasoning: number): ChatUsage {
  return {
    prompt_tokens: prompt.total,
    completion_tokens: completion,
    total_tokens: prompt.total + completion,
    prompt_tokens_details: { cached_tokens: 0, audio_tokens: prompt.audio },
    completion_tokens_details: {
      reasoning_tokens: reasoning,
      audio_tokens: 0,
      accepted_prediction_tokens: 0,
      rejected_prediction_tokens: 0,
    },
  };
}
