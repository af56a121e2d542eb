import { z } from '@hono/zod-openapi';
import { GatewayError } from '../../core/errors.ts';
import type { InferenceCall, InferenceResult } from '../../core/inference.ts';
import { editMembers } from '../../core/json-edit.ts';
import { type JsonBody, readJsonBody } from '../../http/body.ts';
import type { Door } from '../../http/door.ts';
import type { Exchange } from '../../http/exchange.ts';
import { type InferenceEndpoint, inferenceHandler } from '../inference-handler.ts';
import type { ApiServices, ApiSnapshot } from '../services.ts';
import { validate } from '../validation.ts';
import { answerText, plainUsage, TextWriter, textErrorEvent } from './text-writer.ts';

export const promptRequest = z
  .looseObject({
    prompt: z.string().min(1, 'a prompt is expected'),
    model: z
      .string()
      .min(1)
      .max(400)
      .optional()
      .describe('Without it: `default_model` of the configuration.'),
    system: z.string().optional().describe('Instructions that come before the prompt.'),
    max_tokens: z.number().int().min(1).optional(),
    temperature: z.number().optional(),
  })
  .openapi('PromptRequest', { example: { prompt: 'Say hello.' } });

export const promptResponse = z
  .object({
    id: z.string(),
    model: z.string(),
    text: z.string(),
    finish_reason: z.string().nullable(),
    usage: z
      .object({ input_tokens: z.number().int().optional(), output_tokens: z.number().int().optional() })
      .nullable(),
  })
  .openapi('PromptResponse');

/** The chat request that a prompt stands for; fields that are not ours go on to the upstream. */
function chatCall(body: JsonBody, snapshot: ApiSnapshot, headers: Headers, stream: boolean): InferenceCall {
  const { prompt, model: asked, system, ...rest } = validate(promptRequest, body.json);
  const model = asked ?? snapshot.defaultModel;
  if (model === undefined) {
    throw new GatewayError(
      'invalid_request',
      '"model" is missing, and the configuration names no default_model.',
      {
        param: 'model',
      },
    );
  }
  const messages = [
    ...(system === undefined ? [] : [{ role: 'system', content: system }]),
    { role: 'user', content: prompt },
  ];
  const chat = { ...rest, model, messages, stream };
  return {
    operation: 'chat',
    model,
    stream,
    // Edited rather than written anew, so that what is not ours keeps its spelling and its big integers.
    text: editMembers(body.text, {
      prompt: null,
      system: null,
      model: JSON.stringify(model),
      messages: JSON.stringify(messages),
      stream: String(stream),
    }),
    body: chat,
    headers,
    wantsStreamUsage: false,
    chunkWriter: () => new TextWriter(),
  };
}

function render(
  exchange: Exchange,
  result: InferenceResult,
  call: InferenceCall,
): { text: string; contentType: string } {
  const text = answerText(result.json);
  if (exchange.request.headers.get('accept')?.includes('text/plain'))
    return { text, contentType: 'text/plain; charset=utf-8' };
  const body = {
    id: exchange.requestId,
    model: call.model,
    text,
    finish_reason: result.finishReason ?? null,
    usage: plainUsage(result),
  };
  return { text: JSON.stringify(body), contentType: 'application/json' };
}

const NUMBERS = new Set(['max_tokens', 'temperature', 'top_p', 'seed']);

/** A prompt from the query, for a quick look with a browser or curl. */
function bodyFromQuery(url: string): JsonBody {
  const json: Record<string, unknown> = {};
  for (const [name, value] of new URL(url).searchParams)
    json[name] = NUMBERS.has(name) ? Number(value) : value;
  return { text: JSON.stringify(json), json };
}

export function addNativeRoutes(door: Door, services: ApiServices): void {
  const plain: InferenceEndpoint = {
    operation: 'chat',
    read: (exchange, snapshot) => readJsonBody(exchange.request, snapshot.bodyLimit),
    parse: (body, snapshot, headers) => chatCall(body, snapshot, headers, false),
    render,
  };
  const streamed: InferenceEndpoint = {
    operation: 'chat',
    read: plain.read,
    parse: (body, snapshot, headers) => chatCall(body, snapshot, headers, true),
    renderStreamError: textErrorEvent,
  };
  door.route('POST', '/inference', inferenceHandler(services, plain));
  door.route('POST', '/stream', inferenceHandler(services, streamed));
  door.route(
    'GET',
    '/stream',
    inferenceHandler(services, {
      ...streamed,
      read: async (exchange) => bodyFromQuery(exchange.request.url),
    }),
  );
}
