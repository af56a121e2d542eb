import type { AssistantPart } from '../../core/chat/request.ts';
import type { ChatChoice, ChatResult } from '../../core/chat/result.ts';
import { asCount, asString, isRecord, type JsonObject, listOf } from '../../core/json.ts';
import { decodeJson, invalidResponse } from '../decode.ts';
import type { BufferedResponse, Provider, Target } from '../types.ts';
import {
  assertUsable,
  blockReason,
  readCitations,
  readFinish,
  readGeminiUsage,
  readLogprobs,
  readPart,
} from './parts.ts';

/** Reads a complete response in canonical form. */
export function parseGenerateContent(response: BufferedResponse, { provider }: Target): ChatResult {
  const { json } = decodeJson(response, provider);
  const blocked = blockReason(json);
  const candidates = listOf(json.candidates).filter(isRecord);
  if (candidates.length === 0 && blocked === undefined) {
    throw invalidResponse(provider, 'responded without candidates.');
  }
  const id = asString(json.responseId);
  const model = asString(json.modelVersion);
  const usage = readGeminiUsage(json.usageMetadata);
  const choices =
    candidates.length === 0
      ? [{ index: 0, content: [], finish: { unified: 'content-filter', raw: blocked ?? '' } } as const]
      : candidates.map((candidate, index) => readCandidate(candidate, index, id, provider));
  return {
    ...(id === undefined ? {} : { id }),
    ...(model === undefined ? {} : { model }),
    choices,
    ...(usage === undefined ? {} : { usage }),
  };
}

function readCandidate(
  candidate: JsonObject,
  position: number,
  responseId: string | undefined,
  provider: Pick<Provider, 'id'>,
): ChatChoice {
  const parts = isRecord(candidate.content) ? listOf(candidate.content.parts).filter(isRecord) : [];
  assertUsable(candidate, parts.length > 0, provider);
  let calls = 0;
  const content = parts.map((part): AssistantPart => {
    const read = readPart(part, responseId, calls);
    if (read.type === 'tool-call') calls += 1;
    return read;
  });
  const citations = readCitations(candidate);
  const last = content.findLastIndex(({ type }) => type === 'text');
  const cited = content.map((part, index) =>
    index === last && part.type === 'text' && citations.length > 0 ? { ...part, citations } : part,
  );
  const logprobs = readLogprobs(candidate);
  return {
    index: asCount(candidate.index) ?? position,
    content: cited,
    finish: readFinish(candidate.finishReason, calls > 0),
    ...(logprobs === undefined ? {} : { logprobs }),
  };
}
