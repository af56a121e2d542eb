import { type DocumentedRoute, openApiDocument } from '../http/openapi.ts';
import { dryRunRequest, dryRunResponse } from './admin/dry-run.ts';
import { engineAction, engineList } from './admin/engines.ts';
import { canaryAction, canaryList } from './admin/experiments.ts';
import { overrideRequest, requestExplanation, targetStates } from './admin/routing.ts';
import { usageReport } from './admin/usage.ts';
import {
  countTokensRequest,
  countTokensResponse,
  messagesRequest,
  messagesResponse,
} from './anthropic/endpoints.ts';
import { AUTH_DOCUMENTS } from './auth/documents.ts';
import { modelList, modelObject } from './models/endpoints.ts';
import { promptRequest, promptResponse } from './native/endpoints.ts';
import { rerankRequest, rerankResponse } from './native/rerank.ts';
import { suggestModelRequest, suggestModelResponse } from './native/suggest-model.ts';
import { text2sqlRequest, text2sqlResponse } from './native/text2sql.ts';
import {
  responseDeleted,
  responseInputItems,
  responseObjectSchema,
  responsesRequest,
} from './openai/responses/endpoints.ts';
import {
  chatRequest,
  chatResponse,
  completionRequest,
  completionResponse,
  embeddingRequest,
  embeddingResponse,
  errorResponse,
} from './openai/schemas.ts';
import { healthResponse } from './operations.ts';
import { estimateResponse, ownUsageFilter } from './usage.ts';

const ROUTES: readonly DocumentedRoute[] = [
  {
    method: 'post',
    path: '/v1/chat/completions',
    tag: 'Inference',
    summary: 'Answer a conversation',
    description:
      "OpenAI's chat completions. With `stream: true` the answer is an event stream of chunks that ends with `[DONE]`.",
    request: chatRequest,
    response: chatResponse,
    streams: true,
  },
  {
    method: 'post',
    path: '/v1/completions',
    tag: 'Inference',
    summary: 'Continue a text',
    request: completionRequest,
    response: completionResponse,
    streams: true,
  },
  {
    method: 'post',
    path: '/v1/embeddings',
    tag: 'Inference',
    summary: 'Turn texts into vectors',
    request: embeddingRequest,
    response: embeddingResponse,
  },
  {
    method: 'post',
    path: '/v1/responses',
    tag: 'Inference',
    summary: 'Answer a conversation, and keep it',
    description:
      "OpenAI's responses, at any provider. What was answered is kept for 30 days unless `store` is false, so that `previous_response_id` can go on from it. With `stream: true` the answer is a stream of numbered events.",
    request: responsesRequest,
    response: responseObjectSchema,
    streams: true,
  },
  {
    method: 'get',
    path: '/v1/responses/{id}',
    tag: 'Inference',
    summary: 'Look a kept response up',
    parameters: ['id'],
    response: responseObjectSchema,
  },
  {
    method: 'get',
    path: '/v1/responses/{id}/input_items',
    tag: 'Inference',
    summary: 'List what a kept response answered',
    parameters: ['id'],
    response: responseInputItems,
  },
  {
    method: 'delete',
    path: '/v1/responses/{id}',
    tag: 'Inference',
    summary: 'Forget a kept response',
    parameters: ['id'],
    response: responseDeleted,
  },
  {
    method: 'post',
    path: '/v1/messages',
    tag: 'Inference',
    summary: "Answer a conversation in Anthropic's form",
    description:
      "Anthropic's messages, at any provider; errors come in Anthropic's form too. With `stream: true` the answer is an event stream that ends with `message_stop`.",
    request: messagesRequest,
    response: messagesResponse,
    streams: true,
  },
  {
    method: 'post',
    path: '/v1/messages/count_tokens',
    tag: 'Inference',
    summary: 'Count the tokens of a conversation',
    description:
      'By the provider where it counts; else an estimate with a real tokenizer, which a warning says.',
    request: countTokensRequest,
    response: countTokensResponse,
  },
  {
    method: 'post',
    path: '/v1/rerank',
    tag: 'Inference',
    summary: 'Order documents by how well they answer a query',
    description:
      "In Cohere's and Jina's form; `/v2/rerank` is the same. Where a provider has no reranker, embeddings are compared, which a warning says.",
    request: rerankRequest,
    response: rerankResponse,
  },
  {
    method: 'post',
    path: '/v1/text2sql',
    tag: 'Inference',
    summary: 'Turn a question into a checked SQL statement',
    description:
      'A chat completion with an additional `sql` object: the statement, whether it parses, and whether it was refused because it does more than read.',
    request: text2sqlRequest,
    response: text2sqlResponse,
  },
  {
    method: 'get',
    path: '/v1/models',
    tag: 'Models',
    summary: 'List the models',
    description: "With an `anthropic-version` header, in the form that Anthropic's SDK reads.",
    response: modelList,
  },
  {
    method: 'get',
    path: '/v1/models/{id}',
    tag: 'Models',
    summary: 'Look one model up',
    parameters: ['id'],
    response: modelObject,
  },
  {
    method: 'post',
    path: '/v1/suggest-model',
    tag: 'Models',
    summary: 'Find the models that suit a task',
    description: 'Ranked, with reasons, from what is known of the models that this gateway offers.',
    request: suggestModelRequest,
    response: suggestModelResponse,
  },
  {
    method: 'post',
    path: '/inference',
    tag: 'Simple',
    summary: 'A prompt in, text out',
    description: 'With `accept: text/plain` the answer is the bare text.',
    request: promptRequest,
    response: promptResponse,
  },
  {
    method: 'post',
    path: '/stream',
    tag: 'Simple',
    summary: 'A prompt in, a stream of text out',
    description:
      'Events: `{"text"}` as it comes, `event: reasoning`, and at the end `event: done` or `event: error`.',
    request: promptRequest,
    responseType: 'text/event-stream',
  },
  {
    method: 'get',
    path: '/stream',
    tag: 'Simple',
    summary: 'The same, with the prompt in the query',
    query: promptRequest,
    responseType: 'text/event-stream',
  },
  {
    method: 'get',
    path: '/v1/usage',
    tag: 'Usage',
    summary: 'What this API key has used, and what it cost',
    query: ownUsageFilter,
    response: usageReport,
  },
  {
    method: 'post',
    path: '/v1/estimate',
    tag: 'Usage',
    summary: 'What a chat completion would cost, without sending it',
    description: 'The body is that of the chat completion. Tokens are counted with a real tokenizer.',
    request: chatRequest,
    response: estimateResponse,
  },
  {
    method: 'get',
    path: '/admin/v1/targets',
    tag: 'Admin',
    summary: 'The condition of every target',
    response: targetStates,
  },
  {
    method: 'post',
    path: '/admin/v1/targets',
    tag: 'Admin',
    summary: 'Take a target out of use, or back',
    request: overrideRequest,
    response: targetStates.shape.data.element,
  },
  {
    method: 'get',
    path: '/admin/v1/engines',
    tag: 'Admin',
    summary: 'Engines that are started when they are needed',
    response: engineList,
  },
  {
    method: 'post',
    path: '/admin/v1/engines',
    tag: 'Admin',
    summary: 'Load an engine now, or unload it when nothing is in flight on it',
    request: engineAction,
    response: engineList.shape.data.element,
  },
  {
    method: 'get',
    path: '/admin/v1/canaries',
    tag: 'Admin',
    summary: 'How canaries do beside the stable side',
    response: canaryList,
  },
  {
    method: 'post',
    path: '/admin/v1/canaries',
    tag: 'Admin',
    summary: 'Stop a canary, or resume it after its withdrawal',
    request: canaryAction,
    response: canaryList.shape.data.element,
  },
  {
    method: 'post',
    path: '/admin/v1/route',
    tag: 'Admin',
    summary: 'Where a request would go now, without sending it',
    request: dryRunRequest,
    response: dryRunResponse,
  },
  {
    method: 'get',
    path: '/admin/v1/requests/{id}',
    tag: 'Admin',
    summary: 'Why a request went where it went',
    description: 'Of the last 2,000 requests of this process, by `x-request-id`.',
    parameters: ['id'],
    response: requestExplanation,
  },
  {
    method: 'get',
    path: '/health',
    tag: 'Operations',
    summary: 'How the gateway is',
    response: healthResponse,
    open: true,
  },
  {
    method: 'get',
    path: '/health/live',
    tag: 'Operations',
    summary: 'Is the process alive',
    open: true,
    responseType: 'application/json',
  },
  {
    method: 'get',
    path: '/health/ready',
    tag: 'Operations',
    summary: 'May requests be sent here',
    open: true,
    responseType: 'application/json',
  },
  {
    method: 'get',
    path: '/metrics',
    tag: 'Operations',
    summary: 'Prometheus metrics',
    responseType: 'text/plain',
  },
];

/**
 * The API description of everything that this gateway serves over HTTP. Its schemas take tens of milliseconds to convert,
 * so this module is loaded when the description is first requested.
 * @param admin routes of the admin API, which describe themselves
 * @returns an OpenAPI 3.1 document as JSON text
 */
export function describeApi(version: string, admin: readonly DocumentedRoute[]): string {
  const routes = [...ROUTES, ...AUTH_DOCUMENTS, ...admin];
  return openApiDocument({ version, routes, error: errorResponse });
}
