import type { AssistantPart, Signature } from '../../core/chat/request.ts';
import type { FinishReason, TokenLogprobs, UnifiedFinish } from '../../core/chat/result.ts';
import { asCount, asString, isRecord, type JsonObject, listOf, ownValue } from '../../core/json.ts';
import type { Usage } from '../../core/usage.ts';
import { invalidResponse } from '../decode.ts';
import type { Provider } from '../types.ts';

const FINISH: Readonly<Record<string, UnifiedFinish>> = {
  STOP: 'stop',
  MAX_TOKENS: 'length',
  SAFETY: 'content-filter',
  RECITATION: 'content-filter',
  BLOCKLIST: 'content-filter',
  PROHIBITED_CONTENT: 'content-filter',
  SPII: 'content-filter',
  LANGUAGE: 'content-filter',
  IMAGE_SAFETY: 'content-filter',
  IMAGE_PROHIBITED_CONTENT: 'content-filter',
  IMAGE_RECITATION: 'content-filter',
  MODEL_ARMOR: 'content-filter',
};

/** Reasons for which the model's output is unusable. Another attempt or target may succeed. */
const FAILED: ReadonlySet<string> = new Set([
  'MALFORMED_FUNCTION_CALL',
  'UNEXPECTED_TOOL_CALL',
  'TOO_MANY_TOOL_CALLS',
  'MALFORMED_RESPONSE',
  'MISSING_THOUGHT_SIGNATURE',
]);

/**
 * Rejects a candidate that ended with a failure of the model, or for an unknown reason without content.
 * @param hasContent the candidate has content, in this chunk or before it
 * @throws GatewayError `upstream_invalid_response`
 */
export function assertUsable(
  candidate: JsonObject,
  hasContent: boolean,
  provider: Pick<Provider, 'id'>,
): void {
  const reason = asString(candidate.finishReason);
  if (reason === undefined || !(FAILED.has(reason) || (!hasContent && !(reason in FINISH)))) return;
  const why = asString(candidate.finishMessage);
  throw invalidResponse(provider, `ended its response with ${reason}${why ? `: ${why.slice(0, 300)}` : '.'}`);
}

/** Converts a finish reason. */
export function readFinish(raw: unknown, hasCalls: boolean): FinishReason {
  const word = asString(raw);
  const unified = ownValue(FINISH, word) ?? 'other';
  return {
    unified: hasCalls && unified === 'stop' ? 'tool-calls' : unified,
    ...(word === undefined ? {} : { raw: word }),
  };
}

/** Reads usage. Reasoning counts as output, and content that tools add to the prompt as input. */
export function readGeminiUsage(value: unknown): Usage | undefined {
  if (!isRecord(value)) return undefined;
  const prompt = asCount(value.promptTokenCount);
  const fromTools = asCount(value.toolUsePromptTokenCount);
  const candidates = asCount(value.candidatesTokenCount);
  const thoughts = asCount(value.thoughtsTokenCount);
  const cached = asCount(value.cachedContentTokenCount);
  return {
    ...(prompt === undefined ? {} : { inputTokens: prompt + (fromTools ?? 0) }),
    ...(candidates === undefined && thoughts === undefined
      ? {}
      : { outputTokens: (candidates ?? 0) + (thoughts ?? 0) }),
    ...(cached === undefined ? {} : { cachedInputTokens: cached }),
    ...(thoughts === undefined ? {} : { reasoningTokens: thoughts }),
    raw: value,
  };
}

/** Reads the signature of a part. */
export function signatureOf(part: JsonObject): Signature | undefined {
  const value = asString(part.thoughtSignature);
  return value === undefined ? undefined : { origin: 'gemini', value };
}

/** UTF-16 units of a response's id that are used for the ids of its calls. */
const MAX_ID = 200;

/** Makes an id for a call without one. Equal responses give equal ids. */
function callId(call: JsonObject, responseId: string | undefined, position: number): string {
  const given = asString(call.id);
  if (given) return given;
  const safe = (responseId ?? 'answer')
    .slice(-MAX_ID)
    .replaceAll(/[^\w-]/g, '')
    .slice(-40);
  return `call_${safe}_${position}`;
}

/**
 * Reads one part of a candidate.
 * @param position index of a call among the candidate's calls
 */
export function readPart(part: JsonObject, responseId: string | undefined, position: number): AssistantPart {
  const signature = signatureOf(part);
  const signed = signature === undefined ? {} : { signature };
  if (typeof part.text === 'string') {
    if (part.thought === true) return { type: 'reasoning', text: part.text, ...signed };
    return { type: 'text', text: part.text, ...signed };
  }
  if (isRecord(part.functionCall)) {
    const call = part.functionCall;
    const name = asString(call.name) ?? '';
    const text = JSON.stringify(call.args ?? {});
    return { type: 'tool-call', id: callId(call, responseId, position), name, arguments: text, ...signed };
  }
  const media = isRecord(part.inlineData) ? part.inlineData : {};
  const { mimeType, data } = media;
  if (typeof mimeType === 'string' && typeof data === 'string') {
    const source = { kind: 'base64', mediaType: mimeType, data } as const;
    if (mimeType.startsWith('image/')) return { type: 'image', source, ...signed };
    if (mimeType.startsWith('audio/')) return { type: 'audio', source };
  }
  return { type: 'unknown', dialect: 'gemini', value: part };
}

/** Converts log probabilities to the chat format. */
export function readLogprobs(candidate: JsonObject): TokenLogprobs | undefined {
  const result = isRecord(candidate.logprobsResult) ? candidate.logprobsResult : {};
  const tops = listOf(result.topCandidates);
  const entry = (value: unknown) => {
    if (!isRecord(value) || typeof value.token !== 'string' || typeof value.logProbability !== 'number')
      return [];
    return [{ token: value.token, logprob: value.logProbability, bytes: [...Buffer.from(value.token)] }];
  };
  const entries = listOf(result.chosenCandidates).flatMap((chosen, index) => {
    const top = tops[index];
    const others = isRecord(top) ? listOf(top.candidates).flatMap(entry) : [];
    return entry(chosen).map((one) => ({ ...one, top_logprobs: others }));
  });
  return entries.length === 0 ? undefined : entries;
}

/** @returns the reason why the prompt was blocked; undefined when it was not */
export function blockReason(json: JsonObject): string | undefined {
  return isRecord(json.promptFeedback) ? asString(json.promptFeedback.blockReason) : undefined;
}
