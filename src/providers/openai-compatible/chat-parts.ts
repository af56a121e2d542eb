import type {
  AssistantPart,
  Citation,
  ImagePart,
  Origin,
  ReasoningPart,
  Signature,
} from '../../core/chat/request.ts';
import type { FinishReason, UnifiedFinish } from '../../core/chat/result.ts';
import { asCount, asString, isRecord, type JsonObject, listOf, ownValue } from '../../core/json.ts';
import { invalidResponse } from '../decode.ts';
import type { Provider } from '../types.ts';

/** Finish reasons of OpenAI and of vendors with its format. */
const FINISH: Readonly<Record<string, UnifiedFinish>> = {
  stop: 'stop',
  eos: 'stop',
  end_turn: 'stop',
  stop_sequence: 'stop-sequence',
  length: 'length',
  max_tokens: 'length',
  model_length: 'length',
  tool_calls: 'tool-calls',
  tool_use: 'tool-calls',
  function_call: 'tool-calls',
  content_filter: 'content-filter',
  refusal: 'refusal',
};

/** Reasons by which vendors and engines report a failure inside a response. */
const FAILED: ReadonlySet<string> = new Set(['error', 'abort', 'insufficient_system_resource']);

/**
 * Rejects a choice that ended with a failure of the upstream.
 * @throws GatewayError `upstream_invalid_response`
 */
export function assertUsable(choice: JsonObject, provider: Pick<Provider, 'id'>): void {
  const reason = asString(choice.finish_reason);
  if (reason === undefined || !FAILED.has(reason.toLowerCase())) return;
  const native = asString(choice.native_finish_reason);
  throw invalidResponse(
    provider,
    `ended its response with the finish reason "${reason}"${native ? ` (${native.slice(0, 100)})` : ''}.`,
  );
}

/**
 * Converts a finish reason.
 * @param hasCalls the choice has tool calls, although some vendors send `stop`
 */
export function readFinish(raw: unknown, hasCalls: boolean): FinishReason {
  const word = asString(raw);
  const unified = ownValue(FINISH, word?.toLowerCase()) ?? 'other';
  return {
    unified: hasCalls && (unified === 'stop' || unified === 'other') ? 'tool-calls' : unified,
    ...(word === undefined ? {} : { raw: word }),
  };
}

const ORIGINS = ['anthropic', 'openai', 'gemini', 'bedrock', 'mistral', 'cohere', 'deepseek'] as const;

function originOf(format: unknown): Origin {
  return ORIGINS.find((origin) => typeof format === 'string' && format.includes(origin)) ?? 'other';
}

/** An entry of `reasoning_details`, complete or a delta. */
export interface ReasoningDetail {
  readonly text: string;
  readonly summary: boolean;
  readonly id: string | undefined;
  readonly signature: Signature | undefined;
  readonly redacted: Signature | undefined;
  readonly index: number | undefined;
}

/**
 * Reads an entry of `reasoning_details`.
 * @returns undefined for anything but an object
 */
export function readDetail(value: unknown): ReasoningDetail | undefined {
  if (!isRecord(value)) return undefined;
  const origin = originOf(value.format);
  const signature = asString(value.signature);
  const data = asString(value.data);
  const isSummary = value.type === 'reasoning.summary';
  return {
    text: asString(isSummary ? value.summary : value.text) ?? '',
    summary: isSummary,
    id: asString(value.id),
    signature: signature ? { origin, value: signature } : undefined,
    redacted:
      value.type === 'reasoning.encrypted' && data !== undefined ? { origin, value: data } : undefined,
    index: asCount(value.index),
  };
}

/** Converts an entry of `reasoning_details` to a part. */
export function reasoningPart({ text, summary, id, signature, redacted }: ReasoningDetail): ReasoningPart {
  return {
    type: 'reasoning',
    text,
    ...(summary ? { summary: true } : {}),
    ...(id === undefined ? {} : { id }),
    ...(signature === undefined ? {} : { signature }),
    ...(redacted === undefined ? {} : { redacted }),
  };
}

/** Reads content: a text, or a list of text and reasoning parts. */
export function contentPieces(
  content: unknown,
): { readonly kind: 'text' | 'reasoning'; readonly text: string }[] {
  if (typeof content === 'string') return content === '' ? [] : [{ kind: 'text', text: content }];
  return listOf(content).flatMap(
    (piece): { readonly kind: 'text' | 'reasoning'; readonly text: string }[] => {
      if (typeof piece === 'string') return [{ kind: 'text', text: piece }];
      if (!isRecord(piece)) return [];
      if (piece.type === 'thinking') {
        const thoughts =
          typeof piece.thinking === 'string' ? [{ text: piece.thinking }] : listOf(piece.thinking);
        const text = thoughts
          .map((thought) => (isRecord(thought) ? (asString(thought.text) ?? '') : ''))
          .join('');
        return [{ kind: 'reasoning', text }];
      }
      const text = asString(piece.text);
      return text === undefined ? [] : [{ kind: 'text', text }];
    },
  );
}

/** Whether a piece of content is neither text nor reasoning, such as a picture or a reference. */
export function isForeignPiece(piece: unknown): boolean {
  return isRecord(piece) && piece.type !== 'thinking' && typeof piece.text !== 'string';
}

/**
 * Reads an annotation with a URL.
 * @returns undefined for any other
 */
export function readAnnotation(value: unknown): Citation | undefined {
  if (!isRecord(value)) return undefined;
  const cited = isRecord(value.url_citation) ? value.url_citation : value;
  const url = asString(cited.url);
  if (url === undefined) return undefined;
  const title = asString(cited.title);
  const start = asCount(cited.start_index);
  const end = asCount(cited.end_index);
  return {
    url,
    ...(title === undefined ? {} : { title }),
    ...(start === undefined ? {} : { start }),
    ...(end === undefined ? {} : { end }),
    raw: { dialect: 'openai-chat', value },
  };
}

/** Choices that cite the sources of the whole response, which thousands of choices must not multiply. */
export const MAX_SOURCED_CHOICES = 16;

/**
 * Reads the sources of a whole response: `search_results`, and the URLs of `citations`.
 * Source: https://docs.perplexity.ai/api-reference/chat-completions-post
 */
export function readSources(response: JsonObject): Citation[] {
  const found = new Map<string, Citation>();
  const add = (url: string | undefined, value: JsonObject) => {
    if (!url || found.has(url)) return;
    const title = asString(value.title);
    found.set(url, {
      url,
      ...(title === undefined ? {} : { title }),
      raw: { dialect: 'openai-chat', value },
    });
  };
  for (const result of listOf(response.search_results)) {
    if (isRecord(result)) add(asString(result.url), result);
  }
  for (const citation of listOf(response.citations)) {
    if (typeof citation === 'string') add(citation, { url: citation });
    else if (isRecord(citation)) add(asString(citation.url), citation);
  }
  return [...found.values()];
}

const DATA_URL = /^data:([\w.+/-]+);base64,(.*)$/s;

/** Reads an image of a response in OpenRouter's form. */
export function readImage(value: unknown): ImagePart | undefined {
  const image = isRecord(value) && isRecord(value.image_url) ? value.image_url : undefined;
  const url = asString(image?.url);
  if (url === undefined) return undefined;
  const match = DATA_URL.exec(url);
  return match
    ? { type: 'image', source: { kind: 'base64', mediaType: match[1] ?? '', data: match[2] ?? '' } }
    : { type: 'image', source: { kind: 'url', url } };
}

/** Reads the thought signature that Google's OpenAI-compatible API adds to a tool call. */
export function callSignature({ extra_content: extra }: JsonObject): Signature | undefined {
  const google = isRecord(extra) && isRecord(extra.google) ? extra.google : {};
  const value = asString(google.thought_signature);
  return value === undefined ? undefined : { origin: 'gemini', value };
}

/** A tool call, or a delta of one. */
export interface CallPiece {
  readonly id: string | undefined;
  readonly name: string | undefined;
  /** JSON text, or free text for custom tools. */
  readonly arguments: string;
  readonly custom: boolean;
  readonly signature: Signature | undefined;
  readonly index: number | undefined;
}

/**
 * Reads a tool call or a delta of one.
 * @returns undefined for anything but an object
 */
export function readCall(value: unknown): CallPiece | undefined {
  if (!isRecord(value)) return undefined;
  // Some servers write every member of the structure: an empty "custom" beside the function.
  const isFunction = value.type === 'function' || (value.type !== 'custom' && isRecord(value.function));
  const custom = !isFunction && isRecord(value.custom) ? value.custom : undefined;
  const called = isRecord(value.function) ? value.function : {};
  const given: unknown = custom ? custom.input : called.arguments;
  return {
    id: asString(value.id) || undefined,
    name: asString(custom ? custom.name : called.name) || undefined,
    arguments:
      typeof given === 'string' ? given : given === undefined || given === null ? '' : JSON.stringify(given),
    custom: custom !== undefined,
    signature: callSignature(value),
    index: asCount(value.index),
  };
}

/** UTF-16 units of a response's id that are used for the ids of its calls. */
const MAX_ID = 200;

/**
 * Makes an id for a tool call without one. Equal responses give equal ids, so that clients can send them back.
 * @param responseId id of the response
 * @param position index of the call in its choice
 */
export function callId(responseId: string | undefined, position: number): string {
  const safe = (responseId ?? 'answer')
    .slice(-MAX_ID)
    .replaceAll(/[^\w-]/g, '')
    .slice(-40);
  return `call_${safe}_${position}`;
}

/** Makes a text part with its citations. */
export function textPart(text: string, citations: readonly Citation[]): AssistantPart {
  return { type: 'text', text, ...(citations.length === 0 ? {} : { citations }) };
}
