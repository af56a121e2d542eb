import type { AssistantPart, Citation } from '../../core/chat/request.ts';
import type { ChatResult, FinishReason, TokenLogprobs, UnifiedFinish } from '../../core/chat/result.ts';
import { asCount, asString, isRecord, listOf, ownValue } from '../../core/json.ts';
import type { Usage } from '../../core/usage.ts';
import { decodeJson, invalidResponse } from '../decode.ts';
import type { BufferedResponse, Provider, Target } from '../types.ts';
import { type ErrorMeaning, errorFromEvent } from '../upstream-error.ts';
import { PLAN } from './messages.ts';

const FINISH: Readonly<Record<string, UnifiedFinish>> = {
  COMPLETE: 'stop',
  STOP_SEQUENCE: 'stop-sequence',
  MAX_TOKENS: 'length',
  TOOL_CALL: 'tool-calls',
  ERROR_TOXIC: 'content-filter',
};

/** Finish reasons that report an error. */
const FAILED: Readonly<Record<string, ErrorMeaning>> = {
  ERROR: 'server',
  ERROR_LIMIT: 'context-length',
  TIMEOUT: 'timeout',
};

/**
 * Rejects a response that ended with an error.
 * @param message the vendor's reason, where it is a text
 * @throws GatewayError with the code of the reason's meaning
 */
export function assertUsable(
  reason: unknown,
  message: unknown,
  provider: Pick<Provider, 'id' | 'credential'>,
): void {
  const word = asString(reason);
  const meaning = ownValue(FAILED, word);
  if (meaning === undefined) return;
  throw errorFromEvent(
    { message: asString(message) ?? `the response ended with ${word}`, meaning },
    provider,
  );
}

/** Converts a finish reason. */
export function readFinish(raw: unknown): FinishReason {
  const word = asString(raw);
  return { unified: ownValue(FINISH, word) ?? 'other', ...(word === undefined ? {} : { raw: word }) };
}

/** Reads the model's token counts. Billed units differ and stay in `raw`. */
export function readCohereUsage(value: unknown): Usage | undefined {
  if (!isRecord(value)) return undefined;
  const tokens = isRecord(value.tokens) ? value.tokens : {};
  const input = asCount(tokens.input_tokens);
  const output = asCount(tokens.output_tokens);
  const cached = asCount(value.cached_tokens);
  return {
    ...(input === undefined ? {} : { inputTokens: input }),
    ...(output === undefined ? {} : { outputTokens: output }),
    ...(cached === undefined ? {} : { cachedInputTokens: cached }),
    raw: value,
  };
}

/** Reads a citation. Its document is in `raw`. */
export function readCitation(value: unknown): Citation | undefined {
  if (!isRecord(value)) return undefined;
  const source: unknown = Array.isArray(value.sources) ? value.sources[0] : undefined;
  const document = isRecord(source) && isRecord(source.document) ? source.document : {};
  const url = asString(document.url);
  const title = asString(document.title);
  const start = asCount(value.start);
  const end = asCount(value.end);
  return {
    ...(url === undefined ? {} : { url }),
    ...(title === undefined ? {} : { title }),
    ...(start === undefined ? {} : { start }),
    ...(end === undefined ? {} : { end }),
    raw: { dialect: 'cohere', value },
  };
}

/** Makes a reasoning part of a tool plan. */
export function toolPlan(text: string): AssistantPart {
  return { type: 'reasoning', text, signature: { origin: 'cohere', value: PLAN } };
}

/** Reads the content. The citations are of the message; they are kept once, with its last text. */
function contentParts(content: unknown, citations: readonly Citation[]): AssistantPart[] {
  const parts = listOf(content).flatMap(contentPart);
  const last = parts.findLastIndex(({ type }) => type === 'text');
  return parts.map((part, index) =>
    index === last && part.type === 'text' && citations.length > 0 ? { ...part, citations } : part,
  );
}

function contentPart(block: unknown): AssistantPart[] {
  if (!isRecord(block)) return [];
  if (typeof block.thinking === 'string') {
    return [{ type: 'reasoning', text: block.thinking, signature: { origin: 'cohere', value: '' } }];
  }
  if (typeof block.text === 'string') {
    return [{ type: 'text', text: block.text }];
  }
  return [{ type: 'unknown', dialect: 'cohere', value: block }];
}

function callPart(call: unknown): AssistantPart[] {
  if (!isRecord(call) || !isRecord(call.function)) return [];
  const { name, arguments: text } = call.function;
  if (typeof name !== 'string' || typeof call.id !== 'string') return [];
  return [{ type: 'tool-call', id: call.id, name, arguments: asString(text) ?? JSON.stringify(text ?? {}) }];
}

/** Converts log probabilities to the chat format: a list of tokens, or the token of one event. */
export function logprobsOf(value: unknown): TokenLogprobs | undefined {
  const entries = (isRecord(value) ? [value] : listOf(value)).flatMap((entry) => {
    if (!isRecord(entry) || typeof entry.text !== 'string') return [];
    const [logprob] = listOf(entry.logprobs);
    const bytes = [...Buffer.from(entry.text)];
    return typeof logprob === 'number' ? [{ token: entry.text, logprob, bytes, top_logprobs: [] }] : [];
  });
  return entries.length === 0 ? undefined : entries;
}

/** Reads a complete response in canonical form. */
export function parseCohereChat(response: BufferedResponse, { provider, model }: Target): ChatResult {
  const { json } = decodeJson(response, provider);
  const { message } = json;
  if (!isRecord(message)) throw invalidResponse(provider, 'responded without a message.');
  assertUsable(json.finish_reason, json.error, provider);
  const citations = listOf(message.citations).flatMap((value) => readCitation(value) ?? []);
  const plan = asString(message.tool_plan);
  const content = [
    ...(plan ? [toolPlan(plan)] : []),
    ...contentParts(message.content, citations),
    ...listOf(message.tool_calls).flatMap(callPart),
  ];
  const usage = readCohereUsage(json.usage);
  const logprobs = logprobsOf(json.logprobs);
  const id = asString(json.id);
  const finish = readFinish(json.finish_reason);
  return {
    ...(id === undefined ? {} : { id }),
    model,
    choices: [{ index: 0, content, finish, ...(logprobs === undefined ? {} : { logprobs }) }],
    ...(usage === undefined ? {} : { usage }),
  };
}
