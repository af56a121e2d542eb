import { z } from 'zod';
import type { HeaderReader } from '../../core/http.ts';
import type { CountTokensCall } from '../../core/inference.ts';
import { asString } from '../../core/json.ts';
import { once } from '../../core/once.ts';
import type { JsonBody } from '../../http/body.ts';
import type { HttpRouter } from '../../http/http-router.ts';
import { chatCall } from '../chat-call.ts';
import { addInferenceRoute, type InferenceEndpoint } from '../inference-route.ts';
import type { ApiServices } from '../services.ts';
import { validate } from '../validation.ts';
import { anthropicMessagesDialect } from './dialect.ts';
import { anthropicErrorBody, anthropicErrorEvent } from './errors.ts';

const content = z.union(
  [z.string(), z.array(z.object({ type: z.string() }))],
  'text or a list of content blocks is expected',
);
const conversation = {
  model: z.string().min(1, 'a model name is expected').max(400),
  messages: z
    .array(z.object({ role: z.enum(['user', 'assistant', 'system']), content }))
    .min(1, 'at least one message is expected'),
  system: content.nullish(),
  tools: z.array(z.object({ name: z.string().optional() })).nullish(),
};

/** What the gateway itself relies on; everything else is the upstream's to judge, or the converter's. */
export const messagesRequest = z
  .object({
    ...conversation,
    max_tokens: z.number().int().min(1),
    stream: z.boolean().nullish(),
    temperature: z.number().nullish(),
    top_p: z.number().nullish(),
    top_k: z.number().nullish(),
    stop_sequences: z.array(z.string()).nullish(),
    tool_choice: z.object({ type: z.string() }).nullish(),
    thinking: z.object({ type: z.string() }).nullish(),
  })
  .meta({
    id: 'MessagesRequest',
    example: { model: 'simulator', max_tokens: 100, messages: [{ role: 'user', content: 'Say hello.' }] },
  });

export const countTokensRequest = z.object(conversation).meta({
  id: 'CountTokensRequest',
  example: { model: 'simulator', messages: [{ role: 'user', content: 'Say hello.' }] },
});

export const messagesResponse = z
  .looseObject({
    id: z.string(),
    type: z.literal('message'),
    role: z.literal('assistant'),
    model: z.string(),
    content: z.array(z.looseObject({ type: z.string() })),
    stop_reason: z.string().nullable(),
    usage: z.looseObject({ input_tokens: z.number().int(), output_tokens: z.number().int() }),
  })
  .meta({ id: 'Message' });

/** Errors of these endpoints. */
export const anthropicErrorResponse = z
  .object({
    type: z.literal('error'),
    error: z.looseObject({ type: z.string(), message: z.string() }),
    request_id: z.string(),
  })
  .meta({ id: 'AnthropicError' });

export const countTokensResponse = z.object({ input_tokens: z.number().int() }).meta({ id: 'TokenCount' });

const COMMON = {
  renderError: anthropicErrorBody,
  renderStreamError: anthropicErrorEvent,
  keepAlive: new TextEncoder().encode('event: ping\ndata: {"type":"ping"}\n\n'),
  requestIdHeader: 'request-id',
} satisfies Partial<InferenceEndpoint>;

function countCall({ text, json }: JsonBody, headers: HeaderReader): CountTokensCall {
  return {
    operation: 'count-tokens',
    stream: false,
    dialect: anthropicMessagesDialect,
    model: asString(json.model) ?? '',
    text,
    body: json,
    headers,
    view: () => anthropicMessagesDialect.requestView(json),
    chat: once(() => anthropicMessagesDialect.toChat(json)),
    render: (tokens) => JSON.stringify({ input_tokens: tokens }),
  };
}

export function addAnthropicRoutes(router: HttpRouter, services: ApiServices): void {
  const messages: InferenceEndpoint = {
    ...COMMON,
    operation: 'chat',
    parse(body, _snapshot, { request }) {
      validate(messagesRequest, body.json);
      return {
        ...chatCall('chat', anthropicMessagesDialect, body, request.headers),
        includesStreamUsage: true,
      };
    },
  };
  const count: InferenceEndpoint = {
    ...COMMON,
    operation: 'count-tokens',
    parse(body, _snapshot, { request }) {
      validate(countTokensRequest, body.json);
      return countCall(body, request.headers);
    },
  };
  router.unmatchedUnder('/v1/messages', (httpContext) => {
    httpContext.renderError = COMMON.renderError;
    httpContext.requestIdHeader = COMMON.requestIdHeader;
  });
  addInferenceRoute(router, services, '/v1/messages', messages);
  addInferenceRoute(router, services, '/v1/messages/count_tokens', count);
}
