import type { AssistantPart, Citation } from '../../core/chat/request.ts';
import type { ChatChoice, ChatResult, TokenLogprobs } from '../../core/chat/result.ts';
import { asCount, asString, isRecord, type JsonObject, listOf, records } from '../../core/json.ts';
import { decodeJson, invalidResponse } from '../decode.ts';
import type { BufferedResponse, Provider, Target } from '../types.ts';
import {
  assertUsable,
  callId,
  contentPieces,
  isForeignPiece,
  MAX_SOURCED_CHOICES,
  readAnnotation,
  readCall,
  readDetail,
  readFinish,
  readImage,
  readSources,
  reasoningPart,
  textPart,
} from './chat-parts.ts';
import { errorFromObject } from './errors.ts';
import { readUsage } from './usage.ts';

/** Reads a complete response in canonical form. */
export function parseChatCompletion(response: BufferedResponse, { provider }: Target): ChatResult {
  const { json } = decodeJson(response, provider);
  if (json.error !== undefined && json.error !== null) {
    throw errorFromObject(json, provider.id, provider.credential);
  }
  if (!Array.isArray(json.choices)) {
    throw invalidResponse(provider, 'responded without "choices"; this is not a chat completion.');
  }
  const id = asString(json.id) || undefined;
  const created = asCount(json.created);
  const model = asString(json.model);
  const usage = readUsage(json.usage);
  const tier = asString(json.service_tier);
  const sources = readSources(json);
  const fingerprint = asString(json.system_fingerprint);
  return {
    ...(id === undefined ? {} : { id }),
    ...(created === undefined ? {} : { created }),
    ...(model === undefined ? {} : { model }),
    choices: json.choices.map((choice: unknown, index) => readChoice(choice, index, id, sources, provider)),
    ...(usage === undefined ? {} : { usage }),
    ...(tier === undefined ? {} : { serviceTier: tier }),
    ...(fingerprint === undefined ? {} : { systemFingerprint: fingerprint }),
  };
}

function readChoice(
  value: unknown,
  position: number,
  responseId: string | undefined,
  sources: readonly Citation[],
  provider: Pick<Provider, 'id'>,
): ChatChoice {
  const choice = isRecord(value) ? value : {};
  assertUsable(choice, provider);
  const message = isRecord(choice.message) ? choice.message : {};
  const calls = readCalls(message, responseId);
  const citations = [
    ...listOf(message.annotations).flatMap((note) => readAnnotation(note) ?? []),
    ...(position < MAX_SOURCED_CHOICES ? sources : []),
  ];
  const content = [...readReasoning(message), ...readSpoken(message, citations), ...calls];
  const logprobs = isRecord(choice.logprobs) ? logprobEntries(choice.logprobs) : undefined;
  return {
    index: asCount(choice.index) ?? position,
    content,
    finish: readFinish(choice.finish_reason, calls.length > 0),
    ...(logprobs === undefined ? {} : { logprobs }),
  };
}

/** Reads the log probabilities of a choice. */
export function logprobEntries(value: JsonObject): TokenLogprobs | undefined {
  const entries = [...listOf(value.content), ...listOf(value.refusal)].filter(isRecord);
  return entries.length === 0 ? undefined : entries;
}

function readReasoning(message: JsonObject): AssistantPart[] {
  const details = listOf(message.reasoning_details).flatMap((value) => readDetail(value) ?? []);
  if (details.length > 0) return details.map(reasoningPart);
  const text = asString(message.reasoning_content) || asString(message.reasoning);
  return text ? [{ type: 'reasoning', text }] : [];
}

function readSpoken(message: JsonObject, citations: readonly Citation[]): AssistantPart[] {
  const refusal = asString(message.refusal);
  const pieces = contentPieces(message.content);
  // The citations are of the message; they are kept once, with its last text.
  const last = pieces.findLastIndex(({ kind }) => kind === 'text');
  return [
    ...pieces.map(
      ({ kind, text }, index): AssistantPart =>
        kind === 'text' ? textPart(text, index === last ? citations : []) : { type: 'reasoning', text },
    ),
    ...records(message.content).filter(isForeignPiece).map(unknownPart),
    ...(refusal ? [{ type: 'refusal', text: refusal } as const] : []),
    ...listOf(message.images).flatMap((image) => readImage(image) ?? []),
    ...(isRecord(message.audio) ? audioParts(message.audio) : []),
  ];
}

function unknownPart(value: JsonObject): AssistantPart {
  return { type: 'unknown', dialect: 'openai-chat', value };
}

function audioParts({ data, transcript }: JsonObject): AssistantPart[] {
  if (typeof data !== 'string') return [];
  const text = asString(transcript);
  const source = { kind: 'base64', mediaType: 'audio/wav', data } as const;
  return [...(text ? [{ type: 'text', text } as const] : []), { type: 'audio', source }];
}

function readCalls(message: JsonObject, responseId: string | undefined): AssistantPart[] {
  const legacy = isRecord(message.function_call) ? [{ function: message.function_call }] : [];
  return [...listOf(message.tool_calls), ...legacy].flatMap((value, position): AssistantPart[] => {
    const call = readCall(value);
    if (call?.name === undefined) return [];
    const { name, arguments: text, custom, signature } = call;
    return [
      {
        type: 'tool-call',
        id: call.id ?? callId(responseId, position),
        name,
        arguments: text,
        ...(custom ? { kind: 'custom' as const } : {}),
        ...(signature === undefined ? {} : { signature }),
      },
    ];
  });
}
