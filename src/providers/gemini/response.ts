import type { AssistantPart } from '../../core/chat/request.ts';
import type { ChatChoice, ChatResult } from '../../core/chat/result.ts';
import { asCount, asString, isRecord, type JsonObject, listOf } from '../../core/json.ts';
import { decodeJson, invalidResponse } from '../decode.ts';
import type { BufferedResponse, Provider, Target } from '../types.ts';
import { CitationOffsets, type GeminiCitation, readCitations } from './citations.ts';
import { assertUsable, blockReason, readFinish, readGeminiUsage, readLogprobs, readPart } from './parts.ts';

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

/** Adds each citation to the text part that it names, else to the last one. */
function withCitations(
  content: readonly AssistantPart[],
  citations: readonly GeminiCitation[],
): readonly AssistantPart[] {
  if (citations.length === 0) return content;
  const last = content.findLastIndex(({ type }) => type === 'text');
  const byPart = new Map<number, GeminiCitation[]>();
  for (const citation of citations) {
    const { partIndex = last } = citation;
    const index = content[partIndex]?.type === 'text' ? partIndex : last;
    const known = byPart.get(index);
    if (known) known.push(citation);
    else byPart.set(index, [citation]);
  }
  return content.map((part, index) => {
    const own = byPart.get(index);
    if (part.type !== 'text' || own === undefined) return part;
    const offsets = new CitationOffsets(part.text);
    return { ...part, citations: own.map((citation) => offsets.locate(citation)) };
  });
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
  const cited = withCitations(content, readCitations(candidate));
  const logprobs = readLogprobs(candidate);
  return {
    index: asCount(candidate.index) ?? position,
    content: cited,
    finish: readFinish(candidate.finishReason, calls > 0),
    ...(logprobs === undefined ? {} : { logprobs }),
  };
}
