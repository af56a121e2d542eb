import type { ChatRequest } from '../../core/chat/request.ts';
import { asCount, asString, isRecord } from '../../core/json.ts';
import type { UpstreamRequest } from '../../core/transport.ts';
import type { Warn } from '../../core/warning.ts';
import { createAdapter } from '../adapter.ts';
import { decodeJson, invalidResponse } from '../decode.ts';
import type { ChatFormat, PassthroughFormat, TokenCountFormat } from '../format.ts';
import { familyOf } from '../model-families.ts';
import type { Provider, ProviderAdapter } from '../types.ts';
import { withBreakpoints } from './breakpoints.ts';
import { limitedCacheMarks } from './cache-marks.ts';
import { anthropicError } from './errors.ts';
import { wireConversation } from './messages.ts';
import { forcesJsonTool, JSON_TOOL, wireParameters } from './parameters.ts';
import { anthropicPassthrough } from './passthrough.ts';
import { MessageEventReader } from './reader.ts';
import { parseMessage } from './response.ts';
import { apiUrl, betaHeaders, messagesUrl } from './url.ts';

const JSON_IN_WORDS = {
  type: 'text',
  text: 'Answer with one JSON object and nothing else: no explanation, no code block.',
};

/** Builds the body of a Messages request. */
function messagesBody(request: ChatRequest, model: string, warn: Warn): Record<string, unknown> {
  const { system, messages } = wireConversation(request, warn);
  const requested = request.responseFormat?.type === 'json' ? [...system, JSON_IN_WORDS] : system;
  const body = {
    model,
    ...(requested.length === 0 ? {} : { system: requested }),
    messages,
    ...wireParameters(request, familyOf(model), warn),
  };
  return { ...body, ...limitedCacheMarks(body, warn) };
}

function jsonToolOf(request: ChatRequest, model: string): string | undefined {
  return forcesJsonTool(request, familyOf(model)) ? JSON_TOOL : undefined;
}

/** The Messages API as a chat format. */
export const anthropicChatFormat: ChatFormat = {
  wire: 'anthropic-messages',
  build(request, { provider, model }, { stream, warn, promptCache }) {
    const body = { ...messagesBody(request, model, warn), ...(stream ? { stream: true } : {}) };
    const text = withBreakpoints(JSON.stringify(body), body, model, promptCache);
    return { url: messagesUrl(provider), headers: betaHeaders(undefined), body: text };
  },
  parse: (response, { provider, model }, request) =>
    parseMessage(decodeJson(response, provider).json, provider, jsonToolOf(request, model)),
  reader: ({ provider, model }, request) => new MessageEventReader(provider, jsonToolOf(request, model)),
};

/** Members of a request that the token counter accepts. */
const COUNTED = ['model', 'system', 'messages', 'tools', 'tool_choice', 'thinking'];

const tokenCount: TokenCountFormat = {
  build(request, { provider, model }, { warn }) {
    const body = Object.entries(messagesBody(request, model, warn)).filter(([name]) =>
      COUNTED.includes(name),
    );
    return {
      url: apiUrl(provider, '/messages/count_tokens'),
      headers: betaHeaders(undefined),
      body: JSON.stringify(Object.fromEntries(body)),
    };
  },
  parse(response, { provider }) {
    const count = asCount(decodeJson(response, provider).json.input_tokens);
    if (count === undefined) throw invalidResponse(provider, 'responded without a token count.');
    return count;
  },
};

const forwarded: PassthroughFormat = { ...anthropicPassthrough(), canonical: anthropicChatFormat };

/** The adapter for Anthropic's Messages API. */
export const anthropicAdapter: ProviderAdapter = createAdapter({
  kind: 'anthropic',
  chat: anthropicChatFormat,
  passthrough: (wire) => (wire === 'anthropic-messages' ? forwarded : undefined),
  tokenCount,

  authorize(request, { credential }): UpstreamRequest {
    if (credential === undefined) return request;
    return { ...request, headers: { ...request.headers, 'x-api-key': credential } };
  },

  mapError: anthropicError,

  buildModelsRequest: (provider: Provider): UpstreamRequest => ({
    method: 'GET',
    url: apiUrl(provider, '/models?limit=1000'),
    headers: {
      accept: 'application/json',
      'accept-encoding': 'identity',
      ...betaHeaders(undefined),
      ...provider.headers,
    },
  }),

  parseModels(response, provider) {
    const { json } = decodeJson(response, provider);
    if (!Array.isArray(json.data)) throw invalidResponse(provider, 'responded without a model list.');
    return json.data.flatMap((item: unknown) => {
      const id = isRecord(item) ? asString(item.id) : undefined;
      return id ? [{ id, ownedBy: 'anthropic' }] : [];
    });
  },
});
