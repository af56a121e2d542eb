import type {
  AssistantPart,
  Citation,
  ImagePart,
  ReasoningPart,
  Signature,
  ToolCallPart,
} from '../../../core/chat/request.ts';
import type { FinishReason, TokenLogprobs } from '../../../core/chat/result.ts';
import type { Usage } from '../../../core/usage.ts';
import { isForeign, packSignature, signedId, UNSIGNED } from '../../signature.ts';
import { completeArguments } from '../call-arguments.ts';
import { type ClientTool, clientCall } from './client-tools.ts';
import { REDACTED } from './input.ts';

export type Item = Record<string, unknown>;
export type Tools = ReadonlyMap<string, ClientTool>;

/** Ids of the items of one answer, by their place in it. */
export class ItemIds {
  #count = 0;

  constructor(private readonly requestId: string) {}

  next(prefix: 'msg' | 'rs' | 'fc' | 'ctc' | 'ig' | ClientTool['idPrefix']): string {
    this.#count += 1;
    return `${prefix}_${this.requestId}_${this.#count}`;
  }
}

export function wireAnnotation({ url, title, start, end, raw }: Citation): Item | undefined {
  if (raw.dialect === 'openai-responses') return raw.value;
  if (url === undefined) return undefined;
  return { type: 'url_citation', url, title: title ?? url, start_index: start ?? 0, end_index: end ?? 0 };
}

export function textContent(text: string, annotations: readonly Item[], logprobs: TokenLogprobs = []): Item {
  return { type: 'output_text', text, annotations, logprobs };
}

/** What has to come back with a later turn. */
function encrypted({
  signature,
  redacted,
}: Pick<ReasoningPart, 'signature' | 'redacted'>): string | undefined {
  if (redacted) {
    // OpenAI's own is always encrypted; others tell encrypted thinking from signed thinking.
    const value = isForeign(redacted, 'openai') ? `${REDACTED}${redacted.value}` : redacted.value;
    return packSignature({ ...redacted, value }, 'openai');
  }
  return signature && packSignature(signature, 'openai');
}

export function reasoningItem(
  id: string,
  part: Pick<ReasoningPart, 'text' | 'signature' | 'redacted'>,
): Item {
  const summary = part.text === '' ? [] : [{ type: 'summary_text', text: part.text }];
  return { ...openingReasoning(id), summary, encrypted_content: encrypted(part) ?? UNSIGNED };
}

/** The item of reasoning whose text follows. */
export function openingReasoning(id: string): Item {
  return { id, type: 'reasoning', summary: [] };
}

export function callItem(
  id: string,
  { id: callId, name, namespace, kind, signature }: Omit<ToolCallPart, 'type' | 'arguments'>,
  text: string,
  status: 'in_progress' | 'completed' | 'incomplete',
): Item {
  const common = {
    id,
    call_id: signedId(callId, signature),
    name,
    ...(namespace === undefined ? {} : { namespace }),
    status,
  };
  if (kind === 'custom') return { ...common, type: 'custom_tool_call', input: text };
  const complete = status === 'completed' ? completeArguments(text) : text;
  return { ...common, type: 'function_call', arguments: complete };
}

/**
 * The item of a complete call.
 * @param tools the tools of the request that the client runs itself
 */
export function completeCall(part: ToolCallPart, ids: ItemIds, tools: Tools): Item {
  const tool = part.kind === 'custom' ? undefined : tools.get(part.name);
  const members = tool && clientCall(tool, part.arguments);
  if (tool && members) {
    const callId = signedId(part.id, part.signature);
    return { id: ids.next(tool.idPrefix), call_id: callId, status: 'completed', ...members };
  }
  const id = ids.next(part.kind === 'custom' ? 'ctc' : 'fc');
  return callItem(id, part, part.arguments, 'completed');
}

/** An image of the model. The format has no other place for it than the result of its own tool. */
export function imageItem({ source, signature }: ImagePart, ids: ItemIds): Item | undefined {
  if (source.kind !== 'base64') return undefined;
  return {
    id: signedId(ids.next('ig'), signature),
    type: 'image_generation_call',
    status: 'completed',
    output_format: source.mediaType.replace(/^image\//, ''),
    result: source.data,
  };
}

/** An image whose data only its provider has, as a text. */
export function imageLink({ source }: ImagePart): string {
  return source.kind === 'url' ? `![image](${source.url})` : '[image]';
}

/** The item behind a text that carries its signature. Messages have no place for it. */
export function signatureItem(signature: Signature, ids: ItemIds): Item {
  return reasoningItem(ids.next('rs'), { text: '', redacted: signature });
}

/**
 * All items of a complete answer. Neighbouring texts and refusals are one message.
 * @param tools the tools of the request that the client runs itself
 * @param logprobs log probabilities of all texts, which the first one gets
 */
export function outputItems(
  content: readonly AssistantPart[],
  ids: ItemIds,
  tools: Tools,
  logprobs?: TokenLogprobs,
): Item[] {
  let probable = logprobs;
  const items: Item[] = [];
  let message: { content: Item[] } | undefined;
  const say = (part: Item) => {
    if (!message) {
      message = { content: [] };
      const id = ids.next('msg');
      items.push({ id, type: 'message', role: 'assistant', status: 'completed', content: message.content });
    }
    message.content.push(part);
  };
  for (const part of content) {
    if (part.type === 'text') {
      const notes = (part.citations ?? []).map(wireAnnotation).filter((note) => note !== undefined);
      say(textContent(part.text, notes, probable));
      probable = undefined;
      if (part.signature) {
        message = undefined;
        items.push(signatureItem(part.signature, ids));
      }
      continue;
    }
    if (part.type === 'refusal') {
      say({ type: 'refusal', refusal: part.text });
      continue;
    }
    if (part.type === 'image' && part.source.kind !== 'base64') {
      say(textContent(imageLink(part), []));
      continue;
    }
    message = undefined;
    if (part.type === 'reasoning') items.push(reasoningItem(part.id ?? ids.next('rs'), part));
    else if (part.type === 'tool-call') items.push(completeCall(part, ids, tools));
    else if (part.type === 'image') {
      const item = imageItem(part, ids);
      if (item) items.push(item);
    } else if (part.type === 'unknown' && part.dialect === 'openai-responses') items.push({ ...part.value });
  }
  return items;
}

export function wireUsage(usage: Usage | undefined): Item | null {
  if (!usage) return null;
  const {
    inputTokens = 0,
    outputTokens = 0,
    cachedInputTokens = 0,
    cacheWriteTokens,
    reasoningTokens = 0,
  } = usage;
  return {
    input_tokens: inputTokens,
    input_tokens_details: {
      cached_tokens: cachedInputTokens,
      ...(cacheWriteTokens === undefined ? {} : { cache_write_tokens: cacheWriteTokens }),
    },
    output_tokens: outputTokens,
    output_tokens_details: { reasoning_tokens: reasoningTokens },
    total_tokens: inputTokens + outputTokens,
  };
}

/** Whether the answer is whole, and if not, why. */
export function wireStatus({ unified }: FinishReason): Item {
  if (unified === 'length')
    return { status: 'incomplete', incomplete_details: { reason: 'max_output_tokens' } };
  if (unified === 'content-filter' || unified === 'refusal') {
    return { status: 'incomplete', incomplete_details: { reason: 'content_filter' } };
  }
  return { status: 'completed', incomplete_details: null };
}
