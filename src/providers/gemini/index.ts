import { warnOfCacheMarks } from '../../core/chat/cache-marks.ts';
import type { ChatRequest } from '../../core/chat/request.ts';
import { asCount, asString, isRecord } from '../../core/json.ts';
import type { UpstreamRequest } from '../../core/transport.ts';
import type { Warn } from '../../core/warning.ts';
import { createAdapter } from '../adapter.ts';
import { decodeJson, invalidResponse } from '../decode.ts';
import type { ChatFormat, TokenCountFormat } from '../format.ts';
import { familyOf } from '../model-families.ts';
import type { TokenSource } from '../oauth-tokens.ts';
import type { Provider, ProviderAdapter, Target, UpstreamModel } from '../types.ts';
import { geminiEmbeddings } from './embeddings.ts';
import { geminiError } from './errors.ts';
import { wireContents } from './messages.ts';
import { wireParameters } from './parameters.ts';
import { GeminiEventReader } from './reader.ts';
import { parseGenerateContent } from './response.ts';
import { type GeminiHost, methodUrl, modelsUrl } from './url.ts';

/** Base URLs of Vertex AI, which may also be called with an API key. */
const VERTEX = /\baiplatform\.googleapis\.com/;

/** URLs of files that Google downloads itself. */
const OWN_FILES =
  /^(?:gs:\/\/|https:\/\/(?:generativelanguage\.googleapis\.com|(?:www\.)?youtube\.com|youtu\.be)\/)/;

function body(
  request: ChatRequest,
  { provider, model }: Target,
  host: GeminiHost,
  warn: Warn,
): Record<string, unknown> {
  const family = familyOf(model);
  warnOfCacheMarks(request, warn);
  const signsCalls = family.thinkingLevels !== undefined;
  const hasIds = !host.vertex && !VERTEX.test(provider.baseUrl);
  const { systemInstruction, contents } = wireContents(request, { signsCalls, hasIds }, warn);
  return {
    ...(systemInstruction === undefined ? {} : { systemInstruction }),
    contents,
    ...wireParameters(request, family, warn),
  };
}

/** Gemini's generateContent as a chat format. */
export function geminiChatFormat(host: GeminiHost): ChatFormat {
  return {
    build(request, target, { stream, warn }) {
      const method = stream ? 'streamGenerateContent?alt=sse' : 'generateContent';
      return {
        url: methodUrl(target, host, method),
        body: JSON.stringify(body(request, target, host, warn)),
      };
    },
    parse: parseGenerateContent,
    reader: ({ provider }) => new GeminiEventReader(provider),
    needsInline: ({ source }) => source.kind === 'url' && !OWN_FILES.test(source.url),
  };
}

function tokenCount(host: GeminiHost): TokenCountFormat {
  return {
    build(request, target, { warn }) {
      const { systemInstruction, contents, tools } = body(request, target, host, warn);
      const counted = host.vertex
        ? { systemInstruction, contents, tools }
        : {
            generateContentRequest: {
              model: `models/${target.model.replace(/^models\//, '')}`,
              systemInstruction,
              contents,
              tools,
            },
          };
      return { url: methodUrl(target, host, 'countTokens'), body: JSON.stringify(counted) };
    },
    parse(response, { provider }) {
      const count = asCount(decodeJson(response, provider).json.totalTokens);
      if (count === undefined) throw invalidResponse(provider, 'responded without a token count.');
      return count;
    },
  };
}

/** Options of the adapter. */
export interface GeminiOptions {
  /** Tokens of a Google Cloud project; with them, Vertex AI is called. */
  readonly tokens?: TokenSource;
}

function bearer(request: UpstreamRequest, token: string): UpstreamRequest {
  return { ...request, headers: { ...request.headers, authorization: `Bearer ${token}` } };
}

/** Creates the adapter for Google's Gemini, through the Gemini API or Vertex AI. */
export function createGeminiAdapter({ tokens }: GeminiOptions): ProviderAdapter {
  const host: GeminiHost = { vertex: tokens !== undefined };
  return createAdapter({
    kind: 'gemini',
    chat: geminiChatFormat(host),
    embeddings: geminiEmbeddings(host),
    tokenCount: tokenCount(host),

    authorize(request, { credential }) {
      if (tokens) {
        const token = tokens.token();
        return typeof token === 'string'
          ? bearer(request, token)
          : token.then((late) => bearer(request, late));
      }
      if (credential === undefined) return request;
      return { ...request, headers: { ...request.headers, 'x-goog-api-key': credential } };
    },

    mapError: geminiError,
    // Vertex AI has no list of the models of a project.
    ...(host.vertex ? {} : { buildModelsRequest, parseModels }),
  });
}

function buildModelsRequest(provider: Provider): UpstreamRequest {
  return {
    method: 'GET',
    url: modelsUrl(provider),
    headers: { accept: 'application/json', 'accept-encoding': 'identity', ...provider.headers },
  };
}

function parseModels(
  response: Parameters<NonNullable<ProviderAdapter['parseModels']>>[0],
  provider: Provider,
): UpstreamModel[] {
  const { json } = decodeJson(response, provider);
  if (!Array.isArray(json.models)) throw invalidResponse(provider, 'responded without a model list.');
  return json.models.flatMap((item: unknown) => {
    const name = isRecord(item) ? asString(item.name) : undefined;
    return name ? [{ id: name.replace(/^models\//, ''), ownedBy: 'google' }] : [];
  });
}
