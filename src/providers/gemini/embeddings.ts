import type { EmbeddingRequest } from '../../core/embedding.ts';
import { GatewayError } from '../../core/errors.ts';
import { asCount, isRecord, ownValue } from '../../core/json.ts';
import { decodeJson, invalidResponse } from '../decode.ts';
import type { EmbeddingFormat } from '../format.ts';
import type { AttemptContext } from '../types.ts';
import { type GeminiHost, methodUrl } from './url.ts';

/** Google's task types for the input types that clients send. */
const TASKS: Readonly<Record<string, string>> = {
  search_query: 'RETRIEVAL_QUERY',
  query: 'RETRIEVAL_QUERY',
  search_document: 'RETRIEVAL_DOCUMENT',
  passage: 'RETRIEVAL_DOCUMENT',
  document: 'RETRIEVAL_DOCUMENT',
  classification: 'CLASSIFICATION',
  clustering: 'CLUSTERING',
};

function texts({ inputs }: EmbeddingRequest): string[] {
  const found = inputs.filter((input) => typeof input === 'string');
  if (found.length === inputs.length) return found;
  throw new GatewayError('invalid_request', 'This target embeds text, not token ids or objects.', {
    param: 'input',
  });
}

function taskType({ inputType }: EmbeddingRequest): string | undefined {
  return inputType === undefined ? undefined : (ownValue(TASKS, inputType) ?? inputType.toUpperCase());
}

function warnUnsupported({ user, extensions }: EmbeddingRequest, { warn }: AttemptContext): void {
  for (const param of [...Object.keys(extensions), ...(user === undefined ? [] : ['user'])]) {
    warn({ kind: 'unsupported', param, message: `Google's embeddings do not support "${param}".` });
  }
}

function isVector(value: unknown): value is number[] {
  return Array.isArray(value) && value.length > 0 && value.every((item) => typeof item === 'number');
}

/** Embeddings through `batchEmbedContents` of the Gemini API, or `predict` of Vertex AI. */
export function geminiEmbeddings(host: GeminiHost): EmbeddingFormat {
  return host.vertex ? vertexEmbeddings(host) : batchEmbedContents(host);
}

function batchEmbedContents(host: GeminiHost): EmbeddingFormat {
  return {
    build(request, target, context) {
      warnUnsupported(request, context);
      const task = taskType(request);
      const requests = texts(request).map((text) => ({
        model: `models/${target.model.replace(/^models\//, '')}`,
        content: { parts: [{ text }] },
        ...(task === undefined ? {} : { taskType: task }),
        ...(request.dimensions === undefined ? {} : { outputDimensionality: request.dimensions }),
      }));
      return { url: methodUrl(target, host, 'batchEmbedContents'), body: JSON.stringify({ requests }) };
    },

    parse(response, { provider }, { inputs }) {
      const { json } = decodeJson(response, provider);
      const list: unknown[] = Array.isArray(json.embeddings) ? json.embeddings : [];
      const vectors = list.map((item) => (isRecord(item) ? item.values : undefined)).filter(isVector);
      if (vectors.length !== inputs.length) {
        throw invalidResponse(provider, `sent ${vectors.length} embeddings for ${inputs.length} inputs.`);
      }
      return { vectors };
    },
  };
}

function vertexEmbeddings(host: GeminiHost): EmbeddingFormat {
  return {
    build(request, target, context) {
      warnUnsupported(request, context);
      const task = taskType(request);
      const instances = texts(request).map((content) => ({
        content,
        ...(task === undefined ? {} : { task_type: task }),
      }));
      const parameters = request.dimensions === undefined ? {} : { outputDimensionality: request.dimensions };
      return { url: methodUrl(target, host, 'predict'), body: JSON.stringify({ instances, parameters }) };
    },

    parse(response, { provider }, { inputs }) {
      const { json } = decodeJson(response, provider);
      const list: unknown[] = Array.isArray(json.predictions) ? json.predictions : [];
      let tokens = 0;
      const vectors = list.flatMap((item) => {
        const embedding = isRecord(item) && isRecord(item.embeddings) ? item.embeddings : {};
        const statistics = isRecord(embedding.statistics) ? embedding.statistics : {};
        tokens += asCount(statistics.token_count) ?? 0;
        return isVector(embedding.values) ? [embedding.values] : [];
      });
      if (vectors.length !== inputs.length) {
        throw invalidResponse(provider, `sent ${vectors.length} embeddings for ${inputs.length} inputs.`);
      }
      return { vectors, usage: { ...(tokens === 0 ? {} : { inputTokens: tokens }), raw: {} } };
    },
  };
}
