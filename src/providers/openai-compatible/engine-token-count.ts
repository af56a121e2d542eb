import type { ChatRequest } from '../../core/chat/request.ts';
import { asCount, asString, isRecord, type JsonObject } from '../../core/json.ts';
import type { UpstreamRequest } from '../../core/transport.ts';
import { decodeJson, invalidResponse } from '../decode.ts';
import type { ChatBuildOptions, ChatFormat } from '../format.ts';
import type { Provider, Target, TokenCountStep } from '../types.ts';

/** Members of a chat request that its template reads. */
const TEMPLATE_MEMBERS = ['messages', 'tools', 'tool_choice', 'reasoning_effort', 'chat_template_kwargs'];

/**
 * Counts tokens with the tokenizer and the chat template of an engine, beside its API in OpenAI's format.
 * @param chat builds the request whose prompt is counted
 * @returns undefined for servers without such an endpoint
 * @see https://docs.vllm.ai/en/stable/serving/openai_compatible_server.html
 * @see https://github.com/ggml-org/llama.cpp/blob/master/tools/server/README.md
 */
export function engineTokenCount(
  chat: ChatFormat,
  request: ChatRequest,
  target: Target,
  options: ChatBuildOptions,
): TokenCountStep | undefined {
  const { provider, model } = target;
  const { tokenizes } = provider.profile;
  if (tokenizes === undefined) return undefined;
  const built: unknown = JSON.parse(chat.build(request, target, options).body);
  const body = isRecord(built) ? built : {};
  const prompt = Object.fromEntries(Object.entries(body).filter(([name]) => TEMPLATE_MEMBERS.includes(name)));
  if (tokenizes === 'messages') {
    return step(provider, '/tokenize', { model, ...prompt, add_generation_prompt: true }, (json) =>
      countOf(json, provider),
    );
  }
  return step(provider, '/apply-template', { model, ...prompt }, (json) => {
    const content = asString(json.prompt);
    if (content === undefined) throw invalidResponse(provider, 'responded without a prompt.');
    // As the engine itself reads a prompt that its template has made.
    const parsed = { add_special: true, parse_special: true };
    return step(provider, '/tokenize', { content, ...parsed }, (tokens) => countOf(tokens, provider));
  });
}

function step(
  provider: Provider,
  path: string,
  body: JsonObject,
  read: (json: JsonObject) => number | TokenCountStep,
): TokenCountStep {
  const request: UpstreamRequest = {
    method: 'POST',
    url: new URL(path, `${provider.baseUrl}/`).href,
    headers: {
      ...{ 'content-type': 'application/json', accept: 'application/json', 'accept-encoding': 'identity' },
      ...provider.headers,
    },
    body: JSON.stringify(body),
  };
  return { request, read: (response) => read(decodeJson(response, provider).json) };
}

function countOf(json: JsonObject, provider: Provider): number {
  const count = asCount(json.count) ?? (Array.isArray(json.tokens) ? json.tokens.length : undefined);
  if (count === undefined) throw invalidResponse(provider, 'responded without a token count.');
  return count;
}
