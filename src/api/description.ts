import { z } from 'zod';
import { type DocumentedRoute, openApiDocument } from '../http/openapi.ts';
import { dryRunRequest, dryRunResponse } from './admin/dry-run.ts';
import { engineAction, engineList } from './admin/engines.ts';
import { eventStreamQuery } from './admin/event-stream.ts';
import { canaryAction, canaryList } from './admin/experiments.ts';
import { liveQuery } from './admin/live.ts';
import { overrideRequest, targetStates } from './admin/routing.ts';
import { ownUsageReport } from './admin/usage-report.ts';
import {
  anthropicErrorResponse,
  countTokensRequest,
  countTokensResponse,
  messagesRequest,
  messagesResponse,
} from './anthropic/endpoints.ts';
import { AUTH_DOCUMENTS } from './auth/documents.ts';
import { BACKGROUND_DOCUMENTS } from './background-documents.ts';
import { cacheCleared, cacheClearQuery, cacheStats, cacheStatsQuery } from './cache.ts';
import { modelList, modelObject } from './models/endpoints.ts';
import { promptRequest, promptResponse } from './native/endpoints.ts';
import { rerankRequest, rerankResponse } from './native/rerank.ts';
import { suggestModelRequest, suggestModelResponse } from './native/suggest-model.ts';
import { text2sqlRequest, text2sqlResponse } from './native/text2sql.ts';
import { moderationRequest, moderationResponse } from './openai/moderations.ts';
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
import { healthResponse, liveResponse, readyResponse } from './operations.ts';
import { estimateResponse, ownUsageFilter, userUsageFilter } from './usage.ts';

const ROUTES: readonly DocumentedRoute[] = [
  {
    method: 'post',
    path: '/v1/chat/completions',
    tag: 'Inference',
    summary: 'Create a chat completion',
    description:
      "OpenAI's chat completions. With `stream: true` the response is an event stream of chunks that ends with `[DONE]`.",
    request: chatRequest,
    response: chatResponse,
    streams: true,
  },
  {
    method: 'post',
    path: '/v1/completions',
    tag: 'Inference',
    summary: 'Create a completion of a text',
    request: completionRequest,
    response: completionResponse,
    streams: true,
  },
  {
    method: 'post',
    path: '/v1/embeddings',
    tag: 'Inference',
    summary: 'Create embeddings of texts',
    request: embeddingRequest,
    response: embeddingResponse,
  },
  {
    method: 'post',
    path: '/v1/moderations',
    tag: 'Inference',
    summary: 'Classify content',
    description:
      "OpenAI's format. A provider with such a model classifies. Without one, Weir does by rules: English words and phrases, in texts alone.",
    request: moderationRequest,
    response: moderationResponse,
  },
  {
    method: 'post',
    path: '/v1/responses',
    tag: 'Inference',
    summary: 'Create a response and store it',
    description:
      "OpenAI's Responses API, for models of any provider. Responses are stored for 30 days unless `store` is false, and `previous_response_id` continues a stored one. With `stream: true` the response is a stream of numbered events.",
    request: responsesRequest,
    response: responseObjectSchema,
    streams: true,
  },
  {
    method: 'get',
    path: '/v1/responses/{id}',
    tag: 'Inference',
    summary: 'Get a stored response',
    parameters: ['id'],
    response: responseObjectSchema,
  },
  {
    method: 'get',
    path: '/v1/responses/{id}/input_items',
    tag: 'Inference',
    summary: 'List the input items of a stored response',
    parameters: ['id'],
    response: responseInputItems,
  },
  {
    method: 'delete',
    path: '/v1/responses/{id}',
    tag: 'Inference',
    summary: 'Delete a stored response',
    parameters: ['id'],
    response: responseDeleted,
  },
  ...BACKGROUND_DOCUMENTS,
  {
    method: 'post',
    path: '/v1/messages',
    tag: 'Inference',
    summary: "Create a message in Anthropic's format",
    description:
      "Anthropic's Messages API, for models of any provider. Errors have Anthropic's format too. With `stream: true` the response is an event stream that ends with `message_stop`.",
    request: messagesRequest,
    response: messagesResponse,
    error: anthropicErrorResponse,
    streams: true,
  },
  {
    method: 'post',
    path: '/v1/messages/count_tokens',
    tag: 'Inference',
    summary: 'Count the tokens of a conversation',
    description:
      'The provider counts if it can. Otherwise Weir estimates with a tokenizer, and a warning says so.',
    request: countTokensRequest,
    response: countTokensResponse,
    error: anthropicErrorResponse,
  },
  {
    method: 'post',
    path: '/v1/rerank',
    tag: 'Inference',
    summary: 'Rank documents by relevance to a query',
    description:
      "Cohere's and Jina's format; `/v2/rerank` is the same. Without a reranker, Weir compares embeddings, and a warning says so.",
    request: rerankRequest,
    response: rerankResponse,
  },
  {
    method: 'post',
    path: '/v2/rerank',
    tag: 'Inference',
    summary: "Rank documents, at the path of Cohere's API",
    description: 'The same as `/v1/rerank`.',
    request: rerankRequest,
    response: rerankResponse,
  },
  {
    method: 'post',
    path: '/v1/text2sql',
    tag: 'Inference',
    summary: 'Generate a validated SQL statement from a question',
    description:
      'A chat completion with an additional `sql` object: the statement, whether it parses, and whether it was rejected because it writes.',
    request: text2sqlRequest,
    response: text2sqlResponse,
  },
  {
    method: 'get',
    path: '/v1/models',
    tag: 'Models',
    summary: 'List models',
    description: "With an `anthropic-version` header, the list has the format of Anthropic's SDK.",
    response: modelList,
  },
  {
    method: 'get',
    path: '/v1/models/{id}',
    tag: 'Models',
    summary: 'Get a model',
    parameters: ['id'],
    response: modelObject,
  },
  {
    method: 'post',
    path: '/v1/suggest-model',
    tag: 'Models',
    summary: 'Suggest models for a task',
    description: 'Ranks the models of this gateway by their known facts, with reasons.',
    request: suggestModelRequest,
    response: suggestModelResponse,
  },
  {
    method: 'post',
    path: '/inference',
    tag: 'Simple',
    summary: 'Generate text from a prompt',
    description: 'With `accept: text/plain` the response is the text alone.',
    request: promptRequest,
    response: promptResponse,
  },
  {
    method: 'post',
    path: '/stream',
    tag: 'Simple',
    summary: 'Stream text from a prompt',
    description:
      'Events: `{"text"}` for each piece, `event: reasoning`, and at the end `event: done` or `event: error`.',
    request: promptRequest,
    responseType: 'text/event-stream',
  },
  {
    method: 'get',
    path: '/stream',
    tag: 'Simple',
    summary: 'Stream text from a prompt in the query',
    query: promptRequest,
    responseType: 'text/event-stream',
  },
  {
    method: 'get',
    path: '/v1/usage',
    tag: 'Usage',
    summary: 'Get the usage and cost of this API key',
    query: ownUsageFilter,
    response: ownUsageReport,
  },
  {
    method: 'get',
    path: '/cache/stats',
    tag: 'Operations',
    summary: 'Get hits and misses of the cache over the last 24 hours, by model',
    description: 'Those of the gateway that responds. An API key sees the numbers of its tenant.',
    query: cacheStatsQuery,
    response: cacheStats,
  },
  {
    method: 'post',
    path: '/cache/clear',
    tag: 'Operations',
    summary: 'Remove entries of the cache',
    description: 'Needs an admin key.',
    query: cacheClearQuery,
    response: cacheCleared,
  },
  {
    method: 'get',
    path: '/v1/usage/{user}',
    tag: 'Usage',
    summary: 'Get the usage and cost of a user',
    description:
      'An API key reads the usage of the user or service account that owns it, the admin key that of all.',
    parameters: ['user'],
    query: userUsageFilter,
    response: ownUsageReport,
  },
  {
    method: 'post',
    path: '/v1/models/{id}/completions',
    tag: 'Inference',
    summary: 'Create a completion, with the model in the path',
    parameters: ['id'],
    request: completionRequest.omit({ model: true }).meta({ id: 'ModelCompletionRequest' }),
    response: completionResponse,
    streams: true,
  },
  {
    method: 'post',
    path: '/v1/estimate',
    tag: 'Usage',
    summary: 'Estimate the cost of a chat completion without sending it',
    description: 'The body is that of the chat completion. A tokenizer counts its tokens.',
    request: chatRequest,
    response: estimateResponse,
  },
  {
    method: 'get',
    path: '/admin/v1/targets',
    tag: 'Admin',
    summary: 'List targets with their health and load',
    response: targetStates,
  },
  {
    method: 'post',
    path: '/admin/v1/targets',
    tag: 'Admin',
    summary: 'Override the state of a target',
    request: overrideRequest,
    response: targetStates.shape.data.element,
  },
  {
    method: 'get',
    path: '/admin/v1/engines',
    tag: 'Admin',
    summary: 'List engines that start on demand',
    response: engineList,
  },
  {
    method: 'post',
    path: '/admin/v1/engines',
    tag: 'Admin',
    summary: 'Load an engine now, or unload it once no request is in flight',
    request: engineAction,
    response: engineList.shape.data.element,
  },
  {
    method: 'get',
    path: '/admin/v1/canaries',
    tag: 'Admin',
    summary: 'List canaries with the results of both sides',
    response: canaryList,
  },
  {
    method: 'post',
    path: '/admin/v1/canaries',
    tag: 'Admin',
    summary: 'Stop a canary, or resume it after a rollback',
    request: canaryAction,
    response: canaryList.shape.data.element,
  },
  {
    method: 'post',
    path: '/admin/v1/route',
    tag: 'Admin',
    summary: 'Route a request without sending it',
    request: dryRunRequest,
    response: dryRunResponse,
  },
  {
    method: 'get',
    path: '/admin/v1/live',
    tag: 'Admin',
    summary: 'Watch requests as they complete',
    description:
      'Server-sent events: `request` with a completed request, as the list of requests shows it, at most 50 each second; `totals` of each second, with the number of requests that were `skipped`; `end` after five minutes, when the client connects again. Members without `requests:read` see their own requests. A reader that takes nothing for 10 seconds is cut off.',
    query: liveQuery,
    responseType: 'text/event-stream',
  },
  ...['/admin/v1/events/stream', '/admin/v1/tenants/{tenant}/events/stream'].map(
    (path): DocumentedRoute => ({
      method: 'get',
      path,
      tag: 'Admin',
      summary: 'Follow durable events',
      description:
        'Server-sent events with the id and type of each event; the data is the payload that webhooks get. Begins after `last-event-id` or `after`, else with new events. Ends after five minutes, when the client connects again with the last id.',
      parameters: path.includes('{tenant}') ? ['tenant'] : [],
      query: eventStreamQuery,
      responseType: 'text/event-stream',
    }),
  ),
  {
    method: 'get',
    path: '/health',
    tag: 'Operations',
    summary: 'Get the state of the gateway and its providers',
    description:
      'Details of providers, models and requests are for callers with the permission `platform:read`. 503: the gateway is starting, draining or stopped.',
    response: healthResponse,
    open: true,
    errors: ['503'],
    error: healthResponse,
  },
  {
    method: 'get',
    path: '/health/live',
    tag: 'Operations',
    summary: 'Liveness: the process responds',
    open: true,
    response: liveResponse,
  },
  {
    method: 'get',
    path: '/health/ready',
    tag: 'Operations',
    summary: 'Readiness: the gateway accepts requests',
    description: '503: the gateway is starting, draining or stopped.',
    open: true,
    response: readyResponse,
    errors: ['503'],
    error: readyResponse,
  },
  {
    method: 'get',
    path: '/metrics',
    tag: 'Operations',
    summary: 'Get Prometheus metrics',
    description: 'Needs an admin key. The metrics port serves them without one.',
    responseType: 'text/plain',
    errors: ['401', '403', '429'],
  },
  {
    method: 'get',
    path: '/openapi.json',
    tag: 'Operations',
    summary: 'Get this description',
    response: z.record(z.string(), z.unknown()),
    open: true,
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
