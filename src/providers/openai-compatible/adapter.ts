import { GatewayError } from '../../core/errors.ts';
import type { InferenceCall, InferenceResult, Operation, StreamDecoder } from '../../core/inference.ts';
import { asString, isRecord } from '../../core/json.ts';
import { editMembers } from '../../core/json-edit.ts';
import type { UpstreamRequest } from '../../core/transport.ts';
import type { BufferedResponse, Provider, ProviderAdapter, Target, UpstreamModel } from '../types.ts';
import { reencodeEmbeddings } from './embeddings.ts';
import { errorFromObject, errorFromResponse } from './errors.ts';
import { PassthroughWriter } from './passthrough-writer.ts';
import { OpenAiStreamDecoder } from './stream.ts';
import { readUsage } from './usage.ts';

const utf8 = new TextDecoder('utf-8', { fatal: true });

const PATHS: Readonly<Record<Operation, string>> = {
  chat: '/chat/completions',
  completion: '/completions',
  embedding: '/embeddings',
};

/** The member that an answer to each operation can't be without. */
const ANSWER_LIST: Readonly<Record<Operation, string>> = {
  chat: 'choices',
  completion: 'choices',
  embedding: 'data',
};

function wantedEncoding(call: InferenceCall): 'float' | 'base64' {
  return call.body.encoding_format === 'base64' ? 'base64' : 'float';
}

function requestsUsage(call: InferenceCall, target: Target): boolean {
  return call.stream && !call.wantsStreamUsage && target.provider.profile.streamUsage === 'on-request';
}

function requestEdits(call: InferenceCall, target: Target): Record<string, string> {
  const edits: Record<string, string> = {};
  if (call.body.model !== target.model) edits.model = JSON.stringify(target.model);
  if (requestsUsage(call, target)) {
    const options = isRecord(call.body.stream_options) ? call.body.stream_options : {};
    edits.stream_options = JSON.stringify({ ...options, include_usage: true });
  }
  const { floatEmbeddingsOnly } = target.provider.profile;
  if (call.operation === 'embedding' && floatEmbeddingsOnly && wantedEncoding(call) === 'base64') {
    edits.encoding_format = '"float"';
  }
  return edits;
}

function edited(text: string, edits: Readonly<Record<string, string>>): string {
  for (const _ in edits) return editMembers(text, edits);
  return text;
}

function decodeJson(
  response: BufferedResponse,
  provider: Provider,
): { text: string; json: Record<string, unknown> } {
  const invalid = (what: string) =>
    new GatewayError('upstream_invalid_response', `Provider "${provider.id}" ${what}`, {
      provider: provider.id,
    });
  let text: string;
  try {
    text = utf8.decode(response.body);
  } catch {
    throw invalid('answered with bytes that are not UTF-8.');
  }
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    const kind =
      text.trim() === '' ? 'an empty body' : /^\s*</.test(text) ? 'an HTML page' : 'a body that is not JSON';
    throw invalid(`answered HTTP ${response.status} with ${kind}. Check its base_url.`);
  }
  if (!isRecord(json)) throw invalid('answered with JSON that is not an object.');
  return { text, json };
}

/** The adapter for OpenAI's format and everybody who speaks it; what differs is in the provider's profile. */
export const openAiCompatibleAdapter: ProviderAdapter = {
  kind: 'openai-compatible',

  buildRequest(call, target): UpstreamRequest {
    const { provider } = target;
    const headers: Record<string, string> = {
      'content-type': 'application/json',
      accept: call.stream ? 'text/event-stream' : 'application/json',
      'accept-encoding': 'identity',
    };
    for (const name of provider.profile.forwardHeaders ?? []) {
      const value = call.headers.get(name);
      if (value !== null) headers[name] = value;
    }
    for (const name in provider.headers) headers[name] = provider.headers[name] ?? '';
    return {
      method: 'POST',
      url: provider.baseUrl + PATHS[call.operation],
      headers,
      body: edited(call.text, requestEdits(call, target)),
    };
  },

  authorize(request, provider): UpstreamRequest {
    if (provider.credential === undefined) return request;
    return { ...request, headers: { ...request.headers, authorization: `Bearer ${provider.credential}` } };
  },

  parseResponse(response, call, target): InferenceResult {
    const { provider } = target;
    const { text, json } = decodeJson(response, provider);
    if (json.error !== undefined && json.error !== null)
      throw errorFromObject(json, provider.id, provider.credential);
    const list = ANSWER_LIST[call.operation];
    if (!Array.isArray(json[list])) {
      throw new GatewayError(
        'upstream_invalid_response',
        `Provider "${provider.id}" answered without "${list}"; this is not an answer to a ${call.operation} request.`,
        { provider: provider.id },
      );
    }
    const edits: Record<string, string> = {};
    if (json.model !== call.model) edits.model = JSON.stringify(call.model);
    if (call.operation === 'embedding') {
      const data = reencodeEmbeddings(json.data, wantedEncoding(call));
      if (data) edits.data = JSON.stringify(data);
    }
    const choice: unknown = Array.isArray(json.choices) ? json.choices[0] : undefined;
    return {
      text: edited(text, edits),
      json,
      usage: readUsage(json.usage),
      finishReason: isRecord(choice) ? asString(choice.finish_reason) : undefined,
    };
  },

  streamDecoder(call, target, fallbackId): StreamDecoder {
    const usage = call.wantsStreamUsage ? 'last' : requestsUsage(call, target) ? 'strip' : 'as-is';
    const writer = call.chunkWriter?.() ?? new PassthroughWriter({ model: call.model, fallbackId, usage });
    return new OpenAiStreamDecoder(target.provider, writer);
  },

  mapError: errorFromResponse,

  buildModelsRequest(provider): UpstreamRequest {
    return {
      method: 'GET',
      url: `${provider.baseUrl}/models`,
      headers: { accept: 'application/json', 'accept-encoding': 'identity', ...provider.headers },
    };
  },

  parseModels(response, provider): UpstreamModel[] {
    const { json } = decodeJson(response, provider);
    if (!Array.isArray(json.data)) {
      throw new GatewayError(
        'upstream_invalid_response',
        `Provider "${provider.id}" answered without a model list.`,
        {
          provider: provider.id,
        },
      );
    }
    return json.data.flatMap((item: unknown) =>
      isRecord(item) && typeof item.id === 'string' && item.id !== ''
        ? [{ id: item.id, ownedBy: asString(item.owned_by) }]
        : [],
    );
  },
};
