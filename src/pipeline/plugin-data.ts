import type { AssistantPart } from '../core/chat/request.ts';
import type { ChatResult } from '../core/chat/result.ts';
import type { CompleteResult } from '../core/complete-result.ts';
import type { InferenceCall } from '../core/inference.ts';
import { mapRequestTexts, requestTexts } from '../guardrails/request-texts.ts';
import type {
  PluginRequest,
  PluginResponse,
  RequestFacts,
  RequestText,
  ResponseText,
  TextEdit,
} from '../plugins/contract.ts';
import { withTexts } from './guardrail-request.ts';
import type { RequestContext } from './request-context.ts';

/** Headers with credentials, and those of the connection: no plugin gets them. */
const HIDDEN =
  /^(?:authorization|proxy-authorization|cookie|set-cookie|x-api-key|api-key|x-goog-api-key|idempotency-key|connection|content-length|transfer-encoding)$|secret|token|password/;
/** Headers that a plugin sees are counted and cut. */
const MAX_HEADERS = 100;
const MAX_HEADER = 2_000;

/** @returns the facts of a request that plugins see */
export function factsOf(call: InferenceCall, { identity, controls }: RequestContext): RequestFacts {
  return {
    id: identity.id,
    operation: call.operation,
    model: call.model,
    stream: call.stream,
    tenant: identity.principal.tenant,
    tags: controls.tags,
    headers: visibleHeaders(call),
  };
}

function visibleHeaders({ headers }: InferenceCall): Readonly<Record<string, string>> {
  const names = [...(headers.keys?.() ?? [])].filter((name) => !HIDDEN.test(name)).slice(0, MAX_HEADERS);
  return Object.fromEntries(names.map((name) => [name, (headers.get(name) ?? '').slice(0, MAX_HEADER)]));
}

/** @returns a request with its texts, as plugins see it */
export function requestData(facts: RequestFacts, call: InferenceCall): PluginRequest {
  const texts = requestTexts(call.body).map(({ text, kind }): RequestText => ({ kind, text }));
  return { ...facts, texts };
}

/** @param edits by the index of the texts of `requestData` */
export function withRequestTexts(call: InferenceCall, edits: readonly TextEdit[]): InferenceCall {
  if (edits.length === 0) return call;
  const byIndex = new Map(edits.map(({ index, text }) => [index, text]));
  let index = -1;
  const changed = mapRequestTexts(call.body, ({ text }) => {
    index += 1;
    return byIndex.get(index) ?? text;
  });
  return changed ? withTexts(call, changed) : call;
}

/** @returns a complete response with its texts, as plugins see it */
export function responseData(facts: RequestFacts, result: CompleteResult): PluginResponse {
  const { inputTokens, outputTokens } = result.usage ?? {};
  return {
    ...facts,
    texts: [...textsOf(result.chat())].map(({ text }) => text),
    usage: {
      ...(inputTokens === undefined ? {} : { inputTokens }),
      ...(outputTokens === undefined ? {} : { outputTokens }),
    },
  };
}

/** @param edits by the index of the texts of `responseData` */
export function withResponseTexts(result: CompleteResult, edits: readonly TextEdit[]): CompleteResult {
  const chat = result.chat();
  if (!chat || edits.length === 0) return result;
  const texts = [...textsOf(chat)];
  const byPart = new Map<AssistantPart, string>();
  for (const { index, text } of edits) {
    const found = texts[index];
    if (found && found.text.text !== text) byPart.set(found.part, text);
  }
  if (byPart.size === 0) return result;
  const choices = chat.choices.map(({ logprobs: _, ...choice }) => ({
    ...choice,
    content: choice.content.map((part) => withText(part, byPart.get(part))),
  }));
  return result.withChat({ ...chat, choices });
}

interface TextOfPart {
  readonly part: AssistantPart;
  readonly text: ResponseText;
}

function* textsOf(chat: ChatResult | undefined): Generator<TextOfPart> {
  for (const { content } of chat?.choices ?? []) {
    for (const part of content) {
      if (part.type === 'text') yield { part, text: { kind: 'output', text: part.text } };
      else if (part.type === 'reasoning') yield { part, text: { kind: 'reasoning', text: part.text } };
      else if (part.type === 'refusal') yield { part, text: { kind: 'refusal', text: part.text } };
      else if (part.type === 'tool-call') yield { part, text: { kind: 'tool_call', text: part.arguments } };
    }
  }
}

function withText(part: AssistantPart, text: string | undefined): AssistantPart {
  if (text === undefined) return part;
  if (part.type === 'text' || part.type === 'refusal') return { ...part, text };
  if (part.type === 'tool-call') return { ...part, arguments: text };
  if (part.type !== 'reasoning') return part;
  // Its signature is that of another text.
  const { signature: _, ...unsigned } = part;
  return { ...unsigned, text };
}
