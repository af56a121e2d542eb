import type { RenderContext } from '../../core/chat/dialect.ts';
import type {
  AssistantPart,
  AudioPart,
  Citation,
  ImagePart,
  Signature,
  ToolCallPart,
} from '../../core/chat/request.ts';
import type { FinishReason, UnifiedFinish } from '../../core/chat/result.ts';
import { isRecord, type JsonObject } from '../../core/json.ts';
import { estimateTokenCount } from '../../core/token-estimate.ts';
import type { Usage } from '../../core/usage.ts';
import { packSignature, signedId, UNSIGNED } from '../signature.ts';

const STOP: Readonly<Record<UnifiedFinish, string>> = {
  stop: 'end_turn',
  'stop-sequence': 'stop_sequence',
  length: 'max_tokens',
  'tool-calls': 'tool_use',
  'content-filter': 'refusal',
  refusal: 'refusal',
  pause: 'pause_turn',
  other: 'end_turn',
};

/** @param refused the answer is a refusal: other dialects say so in its content, and that it has ended as usual */
export function stopReason(
  { unified, stopSequence }: FinishReason,
  refused: boolean,
): {
  readonly stop_reason: string;
  readonly stop_sequence: string | null;
} {
  const reason = refused && unified === 'stop' ? STOP.refusal : STOP[unified];
  return { stop_reason: reason, stop_sequence: stopSequence ?? null };
}

/** Here input does not include what came from or went to the cache. */
/**
 * The usage that the upstream reports, with estimates for what it leaves out: clients of this dialect count their context by it.
 * @param outputLetters UTF-16 units of the response so far
 */
export function usageOrEstimate(
  usage: Usage | undefined,
  { estimateInputTokens }: Pick<RenderContext, 'estimateInputTokens'>,
  outputLetters: number,
): Usage {
  return {
    raw: {},
    ...usage,
    inputTokens: usage?.inputTokens ?? estimateInputTokens?.() ?? 0,
    outputTokens: usage?.outputTokens ?? estimateTokenCount(outputLetters),
  };
}

export function wireUsage(usage: Usage | undefined): JsonObject {
  const { inputTokens = 0, outputTokens = 0, cachedInputTokens, cacheWriteTokens } = usage ?? {};
  return {
    input_tokens: Math.max(0, inputTokens - (cachedInputTokens ?? 0) - (cacheWriteTokens ?? 0)),
    cache_creation_input_tokens: cacheWriteTokens ?? 0,
    cache_read_input_tokens: cachedInputTokens ?? 0,
    output_tokens: outputTokens,
  };
}

export function wireCitation(citation: Citation): JsonObject | undefined {
  const { url, title, citedText, raw } = citation;
  if (raw.dialect === 'anthropic-messages') return raw.value;
  if (url === undefined) return documentCitation(citation);
  return {
    type: 'web_search_result_location',
    url,
    // Clients' schemas reject a null here.
    title: title ?? url,
    cited_text: citedText ?? '',
    encrypted_index: '',
  };
}

/** The names of a location's ends in a document, by its unit. */
const ENDS = {
  char: ['char_location', 'start_char_index', 'end_char_index'],
  page: ['page_location', 'start_page_number', 'end_page_number'],
  block: ['content_block_location', 'start_block_index', 'end_block_index'],
} as const;

/** @returns undefined where the place in a document of the request is unknown */
function documentCitation({ title, citedText, documentIndex, location }: Citation): JsonObject | undefined {
  if (documentIndex === undefined || location === undefined) return undefined;
  const [type, start, end] = ENDS[location.unit];
  return {
    type,
    cited_text: citedText ?? '',
    document_index: documentIndex,
    document_title: title ?? null,
    [start]: location.start,
    [end]: location.end,
  };
}

/** The id of an answer; other vendors' ids would tell clients the wrong vendor. */
export function messageId(id: string | undefined, requestId: string): string {
  return id?.startsWith('msg_') ? id : `msg_${requestId}`;
}

/** A call whose input follows or is given. */
export function callBlock(
  { id, name, signature }: Pick<ToolCallPart, 'id' | 'name' | 'signature'>,
  input: JsonObject,
): JsonObject {
  return { type: 'tool_use', id: signedId(id, signature), name, input };
}

/**
 * The block behind a text that carries its signature. Text blocks have no place for it.
 * @param body the client's request: a client that did not ask for thinking gets no block of it
 */
export function signatureBlock(signature: Signature | undefined, body: JsonObject): JsonObject | undefined {
  if (signature === undefined || !isRecord(body.thinking) || body.thinking.type === 'disabled')
    return undefined;
  return { type: 'redacted_thinking', data: packSignature(signature, 'anthropic') };
}

/** Messages of a model have no media here: the text says what is missing, so that no response is empty without a reason. */
function mediaText({ type, source }: ImagePart | AudioPart): string {
  if (source.kind === 'url') return `![${type}](${source.url})`;
  const mediaType = source.kind === 'base64' ? source.mediaType : type;
  return `[The model sent ${type} data of type ${mediaType}, which this API cannot contain. Use chat completions or responses to receive it.]`;
}

/** A part that is complete, as a block; `undefined` for what this dialect can't show. */
export function wholeBlock(part: AssistantPart): JsonObject | undefined {
  switch (part.type) {
    case 'text': {
      const citations = (part.citations ?? []).map(wireCitation).filter((one) => one !== undefined);
      // Some clients' schemas allow the member to be absent, but not null.
      return { type: 'text', text: part.text, ...(citations.length === 0 ? {} : { citations }) };
    }
    case 'refusal':
      return { type: 'text', text: part.text };
    case 'reasoning': {
      if (part.redacted)
        return { type: 'redacted_thinking', data: packSignature(part.redacted, 'anthropic') };
      const signature = part.signature ? packSignature(part.signature, 'anthropic') : UNSIGNED;
      return { type: 'thinking', thinking: part.text, signature };
    }
    case 'image':
    case 'audio':
      return { type: 'text', text: mediaText(part) };
    case 'unknown':
      return part.dialect === 'anthropic-messages' ? part.value : undefined;
    default:
      return undefined;
  }
}
