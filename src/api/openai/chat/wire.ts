import type {
  AssistantPart,
  Citation,
  ReasoningPart,
  Signature,
  ToolCallPart,
} from '../../../core/chat/request.ts';
import type { FinishReason, UnifiedFinish } from '../../../core/chat/result.ts';
import type { JsonObject } from '../../../core/json.ts';
import type { Usage } from '../../../core/usage.ts';
import { packSignature, signedId } from '../../signature.ts';
import { completeArguments } from '../call-arguments.ts';

const FINISH: Readonly<Record<UnifiedFinish, string>> = {
  stop: 'stop',
  'stop-sequence': 'stop',
  length: 'length',
  'tool-calls': 'tool_calls',
  'content-filter': 'content_filter',
  // The refusal itself is in the message; without one, this is the nearest word that clients know.
  refusal: 'content_filter',
  pause: 'stop',
  other: 'stop',
};

/** @param refused whether the answer holds the refusal's text */
export function finishName({ unified }: FinishReason, refused: boolean): string {
  return unified === 'refusal' && refused ? 'stop' : FINISH[unified];
}

export function wireUsage(usage: Usage): JsonObject {
  const { inputTokens = 0, outputTokens = 0, cachedInputTokens, cacheWriteTokens, reasoningTokens } = usage;
  const input = {
    ...(cachedInputTokens === undefined ? {} : { cached_tokens: cachedInputTokens }),
    ...(cacheWriteTokens === undefined ? {} : { cache_write_tokens: cacheWriteTokens }),
  };
  return {
    prompt_tokens: inputTokens,
    completion_tokens: outputTokens,
    total_tokens: inputTokens + outputTokens,
    ...(Object.keys(input).length === 0 ? {} : { prompt_tokens_details: input }),
    ...(reasoningTokens === undefined
      ? {}
      : { completion_tokens_details: { reasoning_tokens: reasoningTokens } }),
  };
}

/** A citation of the web; others have no place in this dialect. */
export function annotation(citation: Citation): JsonObject | undefined {
  const { url, title, start, end } = citation;
  if (url === undefined) return undefined;
  return {
    type: 'url_citation',
    url_citation: { url, title: title ?? url, start_index: start ?? 0, end_index: end ?? 0 },
  };
}

/** One entry of `reasoning_details`, which carries what a later turn has to send back. */
export function reasoningDetail(
  part: Pick<ReasoningPart, 'text' | 'signature' | 'redacted' | 'id' | 'summary'>,
  index: number,
): JsonObject {
  const { text, signature, redacted, id, summary } = part;
  const common = {
    ...(id === undefined ? {} : { id }),
    format: (redacted ?? signature)?.origin ?? 'other',
    index,
  };
  if (redacted) return { type: 'reasoning.encrypted', data: redacted.value, ...common };
  const signed = signature === undefined ? {} : { signature: signature.value };
  if (summary) return { type: 'reasoning.summary', summary: text, ...signed, ...common };
  return { type: 'reasoning.text', text, ...signed, ...common };
}

/** Where Google's OpenAI-compatible API puts the signature of a call, a text or an image. */
export function signatureExtras(signature: Signature | undefined): JsonObject {
  if (signature === undefined) return {};
  return { extra_content: { google: { thought_signature: packSignature(signature, 'gemini') } } };
}

/** The beginning of a call; its arguments follow. */
export function openingCall({ id, name, kind, signature }: Omit<ToolCallPart, 'arguments'>): JsonObject {
  const identity = { id: signedId(id, signature) };
  const extras = signatureExtras(signature);
  if (kind === 'custom') return { ...identity, type: 'custom', custom: { name, input: '' }, ...extras };
  return { ...identity, type: 'function', function: { name, arguments: '' }, ...extras };
}

/** A complete call. */
export function wireCall(call: ToolCallPart): JsonObject {
  const { name, arguments: text, kind } = call;
  const content =
    kind === 'custom'
      ? { custom: { name, input: text } }
      : { function: { name, arguments: completeArguments(text) } };
  return { ...openingCall(call), ...content };
}

/** A picture in an answer, in the form that OpenRouter made common. */
export function wireImage(part: AssistantPart): JsonObject | undefined {
  if (part.type !== 'image') return undefined;
  const { source } = part;
  const url =
    source.kind === 'base64'
      ? `data:${source.mediaType};base64,${source.data}`
      : source.kind === 'url'
        ? source.url
        : undefined;
  return url === undefined
    ? undefined
    : { type: 'image_url', image_url: { url }, ...signatureExtras(part.signature) };
}

export function wireAudio(part: AssistantPart): JsonObject | undefined {
  if (part.type !== 'audio' || part.source.kind !== 'base64') return undefined;
  return { data: part.source.data };
}
