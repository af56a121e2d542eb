import type { EmbeddingInput, EmbeddingRequest, EmbeddingResult } from '../../core/embedding.ts';
import type { HeaderReader } from '../../core/http.ts';
import type { EmbeddingCall } from '../../core/inference.ts';
import { asString, isRecord } from '../../core/json.ts';
import type { JsonBody } from '../../http/body.ts';
import { openAiAffinityKey, PromptView } from '../prompt-view.ts';
import { embeddingDemand } from '../request-demand.ts';

const KNOWN = new Set(['model', 'input', 'dimensions', 'encoding_format', 'user', 'input_type', 'stream']);

function inputsOf(given: unknown): EmbeddingRequest['inputs'] {
  if (typeof given === 'string' || isRecord(given)) return [given];
  const list: readonly unknown[] = Array.isArray(given) ? given : [];
  // Token ids, with texts between them or not, are one input.
  if (list.some((item) => typeof item === 'number')) return [pieces(list)];
  const inputs: EmbeddingInput[] = [];
  for (const item of list) {
    if (typeof item === 'string' || isRecord(item)) inputs.push(item);
    else if (Array.isArray(item)) inputs.push(pieces(item));
  }
  return inputs;
}

function pieces(list: readonly unknown[]): readonly (string | number)[] {
  return list.filter((item) => typeof item === 'number' || typeof item === 'string');
}

/** Little-endian 32-bit floats, as OpenAI's clients decode them. */
function toBase64(vector: readonly number[]): string {
  return Buffer.from(Float32Array.from(vector).buffer).toString('base64');
}

/** Creates the call of a validated body of `/v1/embeddings`. */
export function embeddingCall({ text, json }: JsonBody, headers: HeaderReader): EmbeddingCall {
  const model = asString(json.model) ?? '';
  const encoding = json.encoding_format === 'base64' ? 'base64' : 'float';
  const inputType = asString(json.input_type);
  const user = asString(json.user);
  return {
    operation: 'embedding',
    model,
    // Embeddings have no stream; should the field be there, it is the upstream's to judge.
    stream: false,
    text,
    body: json,
    headers,
    view: () =>
      new PromptView({
        affinityKey: openAiAffinityKey(json),
        messages: json.input,
        requestDemand: () => embeddingDemand(json),
      }),
    embedding: {
      inputs: inputsOf(json.input),
      encoding,
      ...(typeof json.dimensions === 'number' ? { dimensions: json.dimensions } : {}),
      ...(inputType === undefined ? {} : { inputType }),
      ...(user === undefined ? {} : { user }),
      extensions: Object.fromEntries(Object.entries(json).filter(([name]) => !KNOWN.has(name))),
    },
    render: (result) => renderEmbeddings(result, model, encoding),
  };
}

function renderEmbeddings(
  { vectors, usage }: EmbeddingResult,
  model: string,
  encoding: 'float' | 'base64',
): string {
  const data = vectors.map((vector, index) => ({
    object: 'embedding',
    index,
    embedding: encoding === 'base64' ? toBase64(vector) : vector,
  }));
  // Clients read it unasked, so it is there even where a provider counts something else, such as pictures.
  const tokens = usage?.inputTokens ?? 0;
  return JSON.stringify({
    object: 'list',
    data,
    model,
    usage: { prompt_tokens: tokens, total_tokens: tokens },
  });
}
