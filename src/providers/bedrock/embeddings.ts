import { GatewayError } from '../../core/errors.ts';
import { asCount, isRecord } from '../../core/json.ts';
import { decodeJson, invalidResponse } from '../decode.ts';
import type { EmbeddingFormat } from '../format.ts';
import { modelUrl } from './url.ts';

const IS_COHERE = /(?:^|[./])cohere\./;

function isVector(value: unknown): value is number[] {
  return Array.isArray(value) && value.length > 0 && value.every((item) => typeof item === 'number');
}

/** InvokeModel of Amazon's Titan models, which embed one text per request, and of Cohere's models, which accept several. */
export const bedrockEmbeddings: EmbeddingFormat = {
  maxInputs: ({ model }) => (IS_COHERE.test(model) ? undefined : 1),

  build({ inputs, dimensions, inputType, user, extensions }, target, { warn }) {
    const texts = inputs.filter((input) => typeof input === 'string');
    if (texts.length !== inputs.length) {
      throw new GatewayError('invalid_request', 'This target embeds text, not token ids or objects.', {
        param: 'input',
      });
    }
    const { normalize, truncate, ...rest } = extensions;
    for (const param of [...Object.keys(rest), ...(user === undefined ? [] : ['user'])]) {
      warn({ kind: 'unsupported', param, message: `The target does not support "${param}".` });
    }
    if (IS_COHERE.test(target.model)) {
      const body = {
        texts,
        input_type: inputType ?? 'search_document',
        ...(dimensions === undefined ? {} : { output_dimension: dimensions }),
        ...(truncate === undefined ? {} : { truncate }),
      };
      return { url: modelUrl(target, 'invoke'), body: JSON.stringify(body) };
    }
    if (texts.length > 1) {
      throw new GatewayError(
        'invalid_request',
        `"input" has ${texts.length} texts; the model "${target.model}" embeds one text for each request.`,
        { param: 'input' },
      );
    }
    const body = {
      inputText: texts[0],
      ...(dimensions === undefined ? {} : { dimensions }),
      ...(normalize === undefined ? {} : { normalize }),
    };
    return { url: modelUrl(target, 'invoke'), body: JSON.stringify(body) };
  },

  parse(response, { provider }, { inputs }) {
    const { json } = decodeJson(response, provider);
    const { embeddings } = json;
    const list: unknown = isVector(json.embedding)
      ? [json.embedding]
      : isRecord(embeddings)
        ? embeddings.float
        : embeddings;
    const vectors = Array.isArray(list) ? list.filter(isVector) : [];
    if (vectors.length !== inputs.length) {
      throw invalidResponse(provider, `sent ${vectors.length} embeddings for ${inputs.length} inputs.`);
    }
    const fromHeader = response.headers.get('x-amzn-bedrock-input-token-count');
    const tokens =
      asCount(json.inputTextTokenCount) ?? (fromHeader === null ? undefined : asCount(Number(fromHeader)));
    return { vectors, usage: { ...(tokens === undefined ? {} : { inputTokens: tokens }), raw: {} } };
  },
};
