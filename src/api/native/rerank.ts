import { z } from 'zod';
import { GatewayError } from '../../core/errors.ts';
import type { HeaderReader } from '../../core/http.ts';
import type { RerankCall } from '../../core/inference.ts';
import { asString } from '../../core/json.ts';
import type { RerankResult } from '../../core/rerank.ts';
import type { JsonBody } from '../../http/body.ts';
import type { HttpRouter } from '../../http/http-router.ts';
import { addInferenceRoute, type InferenceEndpoint } from '../inference-route.ts';
import { openAiAffinityKey, PromptView } from '../prompt-view.ts';
import { rerankDemand } from '../request-demand.ts';
import type { ApiServices } from '../services.ts';
import { validate } from '../validation.ts';

const MAX_DOCUMENTS = 10_000;
const MAX_RANK_FIELDS = 50;

const document = z.union(
  [z.string(), z.record(z.string(), z.unknown())],
  'text, or an object with a "text", is expected',
);

export const rerankRequest = z
  .looseObject({
    model: z.string().min(1, 'a model name is expected').max(400),
    query: z.string().min(1, 'a query is expected'),
    documents: z.array(document).min(1, 'at least one document is expected').max(MAX_DOCUMENTS),
    texts: z
      .array(document)
      .max(MAX_DOCUMENTS)
      .nullish()
      .describe(
        "`documents` by the name of Text Embeddings Inference. Without `documents`, the response is that server's list of `index`, `score` and, with `return_text`, `text`.",
      ),
    return_text: z.boolean().nullish().describe('With `texts`: whether results repeat their text.'),
    top_n: z.number().int().min(1).nullish().describe('How many results are wanted; all of them by default.'),
    return_documents: z.boolean().nullish().describe('Whether results repeat the text of their documents.'),
    rank_fields: z
      .array(z.string())
      .max(MAX_RANK_FIELDS)
      .nullish()
      .describe('Of documents that are objects: the fields to rank by, in this order; `text` by default.'),
  })
  .meta({
    id: 'RerankRequest',
    example: {
      model: 'simulator-rerank',
      query: 'What measures a flow?',
      documents: ['A weir is a low dam.', 'A cat sleeps.'],
    },
  });

export const rerankResponse = z
  .looseObject({
    id: z.string(),
    model: z.string(),
    results: z.array(
      z.looseObject({
        index: z.number().int(),
        relevance_score: z.number(),
        document: z.object({ text: z.string() }).optional(),
      }),
    ),
    usage: z.looseObject({ total_tokens: z.number().int() }).optional(),
  })
  .meta({ id: 'RerankResponse' });

const OWN_FIELDS = new Set([
  'model',
  'query',
  'documents',
  'texts',
  'return_text',
  'top_n',
  'return_documents',
  'rank_fields',
  'stream',
]);

/** A document as the text that is ranked. */
function textOf(
  given: string | Readonly<Record<string, unknown>>,
  index: number,
  fields: readonly string[] | undefined,
): string {
  if (typeof given === 'string') return given;
  const wanted = fields ?? ['text'];
  const found = wanted.flatMap((name) => {
    const value = given[name];
    if (value === undefined || value === null) return [];
    const text = typeof value === 'string' ? value : JSON.stringify(value);
    return [fields ? `${name}: ${text}` : text];
  });
  if (found.length > 0) return found.join('\n');
  throw new GatewayError(
    'invalid_request',
    `documents[${index}]: has none of the fields to rank by (${wanted.map((name) => `"${name}"`).join(', ')}).`,
    { param: `documents[${index}]` },
  );
}

function rerankCall({ text, json }: JsonBody, headers: HeaderReader, requestId: string): RerankCall {
  const isTextForm = json.documents === undefined && json.texts !== undefined;
  const body = validate(rerankRequest, isTextForm ? { ...json, documents: json.texts } : json);
  const documents = body.documents.map((item, index) => textOf(item, index, body.rank_fields ?? undefined));
  const model = asString(json.model) ?? '';
  return {
    operation: 'rerank',
    model,
    stream: false,
    text,
    body: json,
    headers,
    view: () =>
      new PromptView({
        affinityKey: openAiAffinityKey(json),
        requestDemand: () => rerankDemand(json, body.query, documents.length),
      }),
    rerank: {
      query: body.query,
      documents,
      ...(body.top_n ? { topN: body.top_n } : {}),
      extensions: Object.fromEntries(Object.entries(json).filter(([name]) => !OWN_FIELDS.has(name))),
    },
    render: (result) =>
      isTextForm
        ? renderList(result, body.return_text ? documents : undefined)
        : render(result, { model, requestId, documents: body.return_documents ? documents : undefined }),
  };
}

/** The shape of Text Embeddings Inference, which clients that send `texts` read. */
function renderList({ results }: RerankResult, texts: readonly string[] | undefined): string {
  return JSON.stringify(
    results.map(({ index, score }) => {
      const text = texts?.[index];
      return { index, score, ...(text === undefined ? {} : { text }) };
    }),
  );
}

/** The shape that clients of Cohere's and of Jina's rerankers read. */
function render(
  { id, results, usage, searchUnits }: RerankResult,
  renderContext: {
    readonly model: string;
    readonly requestId: string;
    readonly documents: readonly string[] | undefined;
  },
): string {
  const tokens = usage?.inputTokens;
  const billed = {
    ...(searchUnits === undefined ? {} : { search_units: searchUnits }),
    ...(tokens === undefined ? {} : { input_tokens: tokens }),
  };
  return JSON.stringify({
    id: id ?? renderContext.requestId,
    model: renderContext.model,
    results: results.map(({ index, score }) => {
      const text = renderContext.documents?.[index];
      return { index, relevance_score: score, ...(text === undefined ? {} : { document: { text } }) };
    }),
    meta: { api_version: { version: '2' }, billed_units: billed },
    ...(tokens === undefined ? {} : { usage: { prompt_tokens: tokens, total_tokens: tokens } }),
  });
}

export function addRerankRoutes(router: HttpRouter, services: ApiServices): void {
  const endpoint: InferenceEndpoint = {
    operation: 'rerank',
    parse: (body, _snapshot, { request, requestId }) => rerankCall(body, request.headers, requestId),
  };
  addInferenceRoute(router, services, '/v1/rerank', endpoint);
  // Cohere's SDK reads it from here.
  addInferenceRoute(router, services, '/v2/rerank', endpoint);
}
