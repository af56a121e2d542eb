import type { ChatRequest, Message, ToolResultPart, UserPart } from '../core/chat/request.ts';

/** Counts the tokens of a text. */
export type CountTokens = (text: string) => number;

/** What a conversation costs beside its words: roles and separators. */
const PER_MESSAGE = 4;
const PER_REQUEST = 3;
/** Vendors count images by their pixels, which are not looked at here: a middling picture. */
const PER_IMAGE = 800;
const PER_LOW_DETAIL_IMAGE = 85;
/** A few pages, or some seconds of sound. */
const PER_FILE = 1_500;

/** Vocabularies differ; measured against OpenAI's newest, others need this much more for ordinary text. */
const FACTORS: readonly (readonly [family: RegExp, factor: number])[] = [
  [/claude/, 1.2],
  [/command|mistral|mixtral|magistral|codestral|llama|qwen|deepseek/, 1.1],
];

/**
 * Input tokens of a conversation as well as they can be told here: text by a real tokenizer, media by rule.
 * An estimate, and to be shown as one.
 */
export function estimateInputTokens(request: ChatRequest, model: string, count: CountTokens): number {
  let tokens = PER_REQUEST;
  for (const message of request.messages) tokens += PER_MESSAGE + messageTokens(message, count);
  for (const tool of request.tools ?? []) tokens += PER_MESSAGE + count(JSON.stringify(tool));
  if (request.responseFormat?.type === 'json-schema') {
    tokens += count(JSON.stringify(request.responseFormat.schema));
  }
  const name = model.toLowerCase();
  const factor = FACTORS.find(([family]) => family.test(name))?.[1] ?? 1;
  return Math.ceil(tokens * factor);
}

function messageTokens(message: Message, count: CountTokens): number {
  let tokens = 0;
  for (const part of message.content) {
    switch (part.type) {
      case 'text':
      case 'reasoning':
      case 'refusal':
        tokens += count(part.text);
        break;
      case 'tool-call':
        tokens += PER_MESSAGE + count(part.name) + count(part.arguments);
        break;
      case 'tool-result':
        tokens += PER_MESSAGE + resultTokens(part, count);
        break;
      default:
        tokens += mediaTokens(part, count);
    }
  }
  return tokens;
}

function resultTokens({ content }: ToolResultPart, count: CountTokens): number {
  return content.reduce(
    (sum, part) => sum + (part.type === 'text' ? count(part.text) : mediaTokens(part, count)),
    0,
  );
}

function mediaTokens(part: Exclude<UserPart, { type: 'text' }>, count: CountTokens): number {
  if (part.type === 'image') return part.detail === 'low' ? PER_LOW_DETAIL_IMAGE : PER_IMAGE;
  if (part.type === 'unknown') return count(JSON.stringify(part.value));
  return part.source.kind === 'text' ? count(part.source.text) : PER_FILE;
}
