import { asString, isRecord } from '../../core/json.ts';
import type { UpstreamRequest } from '../../core/transport.ts';
import { createAdapter } from '../adapter.ts';
import { decodeJson, invalidResponse } from '../decode.ts';
import type { ChatFormat } from '../format.ts';
import type { BufferedResponse, Provider, ProviderAdapter, UpstreamModel } from '../types.ts';
import { cohereEmbeddings } from './embeddings.ts';
import { cohereError } from './errors.ts';
import { cohereConversation } from './messages.ts';
import { cohereParameters } from './parameters.ts';
import { cohereRerank } from './rerank.ts';
import { parseCohereChat } from './response.ts';
import { CohereEventReader } from './stream.ts';
import { apiUrl } from './url.ts';

/** Cohere's v2 chat as a chat format. */
export const cohereChatFormat: ChatFormat = {
  build(request, { provider, model }, { stream, warn }) {
    const { messages, documents } = cohereConversation(request, warn);
    const { documents: given, ...parameters } = cohereParameters(request, warn);
    const all = [...(Array.isArray(given) ? given : []), ...documents];
    const body = { model, messages, ...(all.length === 0 ? {} : { documents: all }), ...parameters, stream };
    return { url: apiUrl(provider, '/v2/chat'), body: JSON.stringify(body) };
  },
  parse: parseCohereChat,
  reader: ({ provider }) => new CohereEventReader(provider),
};

/** The adapter for Cohere's v2 API. */
export const cohereAdapter: ProviderAdapter = createAdapter({
  kind: 'cohere',
  chat: cohereChatFormat,
  embeddings: cohereEmbeddings,
  rerank: cohereRerank,

  authorize(request, { credential }): UpstreamRequest {
    if (credential === undefined) return request;
    return { ...request, headers: { ...request.headers, authorization: `Bearer ${credential}` } };
  },

  mapError: cohereError,

  buildModelsRequest(provider: Provider): UpstreamRequest {
    return {
      method: 'GET',
      url: apiUrl(provider, '/v1/models?page_size=1000'),
      headers: { accept: 'application/json', 'accept-encoding': 'identity', ...provider.headers },
    };
  },

  parseModels(response: BufferedResponse, provider: Provider): UpstreamModel[] {
    const { json } = decodeJson(response, provider);
    if (!Array.isArray(json.models)) throw invalidResponse(provider, 'responded without a model list.');
    return json.models.flatMap((item: unknown) => {
      const id = isRecord(item) ? asString(item.name) : undefined;
      return id ? [{ id, ownedBy: 'cohere' }] : [];
    });
  },
});
