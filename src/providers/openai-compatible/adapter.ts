import { asString, isRecord } from '../../core/json.ts';
import type { UpstreamRequest } from '../../core/transport.ts';
import { createAdapter } from '../adapter.ts';
import { decodeJson, invalidResponse } from '../decode.ts';
import type { RerankFormat } from '../format.ts';
import { OLLAMA_STREAM, ollamaChatFormat } from '../ollama/index.ts';
import { responsesChatFormat, responsesPassthrough } from '../openai-responses/index.ts';
import { jinaRerank } from '../rerank-jina.ts';
import { rerankThroughEmbeddings } from '../rerank-through-embeddings.ts';
import type { BufferedResponse, Provider, ProviderAdapter, Target, UpstreamModel } from '../types.ts';
import { openAiChatFormat } from './chat-format.ts';
import { openAiEmbeddingFormat } from './embedding-format.ts';
import { engineTokenCount } from './engine-token-count.ts';
import { errorFromResponse } from './errors.ts';
import { openAiModeration } from './moderation.ts';
import { type Endpoint, openAiEmbeddingPassthrough, openAiPassthrough } from './passthrough.ts';

const at =
  (path: string): Endpoint =>
  ({ provider }) =>
    provider.baseUrl + path;

const chatPassthrough = openAiPassthrough(at('/chat/completions'), openAiChatFormat(at('/chat/completions')));
const completionPassthrough = openAiPassthrough(at('/completions'));

/** @returns an `authorize` function that adds the credential as a bearer token */
export function bearerAuthorization(): (request: UpstreamRequest, provider: Provider) => UpstreamRequest {
  /** By headers that all requests of a provider share, which are frozen. */
  const authorized = new WeakMap<UpstreamRequest['headers'], UpstreamRequest['headers']>();
  return (request, { credential }) => {
    if (credential === undefined) return request;
    const isShared = Object.isFrozen(request.headers);
    const known = isShared ? authorized.get(request.headers) : undefined;
    if (known) return { ...request, headers: known };
    const headers = { ...request.headers, authorization: `Bearer ${credential}` };
    if (isShared) authorized.set(request.headers, Object.freeze(headers));
    return { ...request, headers };
  };
}

/** Builds the request for the model list. */
export function buildModelsRequest(provider: Provider): UpstreamRequest {
  return buildGetRequest(provider, '/models');
}

function buildAccessRequest(provider: Provider): UpstreamRequest | undefined {
  const { accessPath } = provider.profile;
  return accessPath === undefined ? undefined : buildGetRequest(provider, accessPath);
}

function buildGetRequest(provider: Provider, path: string): UpstreamRequest {
  return {
    method: 'GET',
    url: provider.baseUrl + path,
    headers: { accept: 'application/json', 'accept-encoding': 'identity', ...provider.headers },
  };
}

/**
 * Reads the model list.
 * @throws GatewayError `upstream_invalid_response`
 */
export function parseModels(response: BufferedResponse, provider: Provider): UpstreamModel[] {
  const { json } = decodeJson(response, provider);
  if (!Array.isArray(json.data)) throw invalidResponse(provider, 'responded without a model list.');
  return json.data.flatMap((item: unknown) =>
    isRecord(item) && typeof item.id === 'string' && item.id !== ''
      ? [{ id: item.id, ownedBy: asString(item.owned_by) }]
      : [],
  );
}

const embeddings = openAiEmbeddingFormat(at('/embeddings'));
const throughEmbeddings = rerankThroughEmbeddings(embeddings);
const jina = jinaRerank(({ provider }) => provider.baseUrl + (provider.profile.rerankPath ?? ''));

/** The server's reranker if it has one; otherwise similarity of embeddings. */
const rerankByProfile: RerankFormat = {
  build: (request, target, context) => rerankOf(target).build(request, target, context),
  parse: (response, target, request) => rerankOf(target).parse(response, target, request),
};

function rerankOf({ provider }: Target): RerankFormat {
  return provider.profile.rerankPath === undefined ? throughEmbeddings : jina;
}

/** The APIs of a server. */
export interface OpenAiApis {
  /** The API for translated requests. `native` is Ollama's own, which also serves requests in OpenAI's chat format. */
  readonly api: 'chat' | 'responses' | 'native';
  /** The server has the Responses API; requests in that format are forwarded. */
  readonly responses: boolean;
}

const CHAT_FORMATS = {
  chat: openAiChatFormat(at('/chat/completions')),
  responses: responsesChatFormat,
  native: ollamaChatFormat,
} as const;

/** Creates the adapter for OpenAI's format and all its vendors, which differ by their profiles. */
export function createOpenAiAdapter({ api, responses }: OpenAiApis): ProviderAdapter {
  return createAdapter({
    kind: 'openai-compatible',
    chat: CHAT_FORMATS[api],
    ...(api === 'native' ? { streamMediaType: OLLAMA_STREAM } : {}),
    passthrough: (wire) => {
      if (wire === 'openai-chat') return api === 'chat' ? chatPassthrough : undefined;
      if (wire === 'openai-responses') return responses ? responsesPassthrough : undefined;
      return wire === 'openai-completions' && api !== 'native' ? completionPassthrough : undefined;
    },
    embeddings,
    embeddingPassthrough: openAiEmbeddingPassthrough(at('/embeddings')),
    rerank: rerankByProfile,
    moderation: openAiModeration,
    tokenCountStep: (call, target, context) =>
      engineTokenCount(CHAT_FORMATS.chat, call.chat(), target, {
        ...context,
        stream: false,
        headers: call.headers,
      }),
    authorize: bearerAuthorization(),
    mapError: errorFromResponse,
    buildModelsRequest,
    parseModels,
    buildAccessRequest,
  });
}

/** The adapter for servers without a known vendor or engine. */
export const openAiCompatibleAdapter: ProviderAdapter = createOpenAiAdapter({
  api: 'chat',
  responses: false,
});
