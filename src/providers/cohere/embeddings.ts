import { GatewayError } from '../../core/errors.ts';
import { asCount, isRecord } from '../../core/json.ts';
import { decodeJson, invalidResponse } from '../decode.ts';
import type { EmbeddingFormat } from '../format.ts';
import { apiUrl } from './url.ts';

const IMAGE = /^data:image\//;

/** The use of texts, which the API requires, when the client sends none. */
const DEFAULT_INPUT_TYPE = 'search_document';

/** Cohere's embeddings. */
export const cohereEmbeddings: EmbeddingFormat = {
  build({ inputs, dimensions, inputType, user, extensions }, { provider, model }, { warn }) {
    const texts = inputs.filter((input) => typeof input === 'string');
    if (texts.length !== inputs.length) {
      throw new GatewayError('invalid_request', 'Cohere embeds text and images, not token ids or objects.', {
        param: 'input',
      });
    }
    const images = texts.length > 0 && texts.every((text) => IMAGE.test(text));
    const { truncate, ...rest } = extensions;
    for (const param of [...Object.keys(rest), ...(user === undefined ? [] : ['user'])]) {
      warn({ kind: 'unsupported', param, message: `Cohere's embeddings do not support "${param}".` });
    }
    const body = {
      model,
      ...(images ? { images: texts } : { texts }),
      input_type: inputType ?? (images ? 'image' : DEFAULT_INPUT_TYPE),
      embedding_types: ['float'],
      ...(dimensions === undefined ? {} : { output_dimension: dimensions }),
      ...(truncate === undefined ? {} : { truncate }),
    };
    return { url: apiUrl(provider, '/v2/embed'), body: JSON.stringify(body) };
  },

  parse(response, { provider }, { inputs }) {
    const { json } = decodeJson(response, provider);
    const { embeddings, meta } = json;
    // Without `embedding_types`, the older API responds with a bare list.
    const list: unknown = isRecord(embeddings) ? embeddings.float : embeddings;
    const vectors = Array.isArray(list) ? list.filter(isVector) : [];
    if (vectors.length !== inputs.length) {
      throw invalidResponse(provider, `sent ${vectors.length} embeddings for ${inputs.length} inputs.`);
    }
    const billed = isRecord(meta) && isRecord(meta.billed_units) ? meta.billed_units : {};
    const tokens = asCount(billed.input_tokens);
    return { vectors, usage: { ...(tokens === undefined ? {} : { inputTokens: tokens }), raw: billed } };
  },
};

function isVector(value: unknown): value is number[] {
  return Array.isArray(value) && value.length > 0 && value.every((item) => typeof item === 'number');
}
