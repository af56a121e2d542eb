import { isRecord } from '../../core/json.ts';
import { decodeJson, invalidResponse } from '../decode.ts';
import type { EmbeddingFormat } from '../format.ts';
import type { Target } from '../types.ts';
import { errorFromObject } from './errors.ts';
import type { Endpoint } from './passthrough.ts';
import { readUsage } from './usage.ts';

/** Embeddings for the gateway's own use, such as ranking; clients' requests are forwarded. */
export function openAiEmbeddingFormat(endpoint: Endpoint): EmbeddingFormat {
  return {
    build({ inputs, dimensions, user }, target) {
      const body = {
        model: target.model,
        input: inputs,
        encoding_format: 'float',
        ...(dimensions === undefined ? {} : { dimensions }),
        ...(user === undefined ? {} : { user }),
      };
      return { url: endpoint(target), body: JSON.stringify(body) };
    },

    parse(response, target, { inputs }) {
      const { provider } = target;
      const { json } = decodeJson(response, provider);
      if (json.error !== undefined && json.error !== null) {
        throw errorFromObject(json, provider.id, provider.credential);
      }
      const data: unknown[] = Array.isArray(json.data) ? json.data : [];
      const vectors: (readonly number[])[] = [];
      data.forEach((item, position) => {
        const index = isRecord(item) && typeof item.index === 'number' ? item.index : position;
        vectors[index] = vectorOf(item, target);
      });
      if (vectors.length !== inputs.length || Object.keys(vectors).length !== inputs.length) {
        throw invalidResponse(provider, `sent ${data.length} embeddings for ${inputs.length} inputs.`);
      }
      const usage = readUsage(json.usage);
      return { vectors, ...(usage === undefined ? {} : { usage }) };
    },
  };
}

function vectorOf(item: unknown, { provider }: Target): number[] {
  const vector: unknown = isRecord(item) ? item.embedding : undefined;
  if (Array.isArray(vector) && vector.every((value) => typeof value === 'number')) return vector;
  throw invalidResponse(provider, 'sent an embedding that is not a list of numbers.');
}
