import { z } from 'zod';
import { GatewayError } from '../../core/errors.ts';
import type { HeaderReader, HttpRequest } from '../../core/http.ts';
import type { ChatCall } from '../../core/inference.ts';
import type { JsonBody } from '../../http/body.ts';
import { openAiErrorBody } from '../../http/error-body.ts';
import type { HttpContext } from '../../http/http-context.ts';
import type { HttpRouter } from '../../http/http-router.ts';
import { queryOf } from '../../http/query.ts';
import { chatCall } from '../chat-call.ts';
import { addInferenceRoute, type InferenceEndpoint } from '../inference-route.ts';
import type { ApiServices, ApiSnapshot } from '../services.ts';
import { validate } from '../validation.ts';
import { promptDialect } from './prompt-dialect.ts';

export const promptRequest = z
  .looseObject({
    prompt: z.string().min(1, 'a prompt is expected'),
    model: z.string().min(1).max(400).optional().describe('Default: `default_model` of the configuration.'),
    system: z.string().optional().describe('Instructions before the prompt.'),
    max_tokens: z.number().int().min(1).optional(),
    temperature: z.number().optional(),
  })
  .meta({ id: 'PromptRequest', example: { prompt: 'Say hello.' } });

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
  .meta({ id: 'PromptResponse' });

const PROMPT_EXAMPLE = 'POST /inference {"prompt": "Say hello."}';
const STREAM_EXAMPLE = 'GET /stream?prompt=Say+hello, or POST /stream {"prompt": "Say hello."}';

function promptCall(
  body: JsonBody,
  snapshot: ApiSnapshot,
  { request }: HttpContext,
  stream: boolean,
): ChatCall {
  if (body.json.prompt === undefined) {
    const example = stream ? STREAM_EXAMPLE : PROMPT_EXAMPLE;
    throw new GatewayError('invalid_request', `"prompt" is missing. Example: ${example}`, {
      param: 'prompt',
    });
  }
  const { model: asked } = validate(promptRequest, body.json);
  const model = asked ?? snapshot.defaultModel;
  if (model === undefined) {
    throw new GatewayError(
      'invalid_request',
      '"model" is missing, and the configuration names no default_model.',
      { param: 'model' },
    );
  }
  const dialect = promptDialect(acceptsPlainText(request.headers));
  const json = { ...body.json, model, stream };
  // The last event of a stream always contains the usage.
  return {
    ...chatCall('chat', dialect, { text: body.text, json }, request.headers),
    includesStreamUsage: true,
  };
}

function acceptsPlainText(headers: HeaderReader): boolean {
  return headers.get('accept')?.includes('text/plain') ?? false;
}

const NUMBERS = new Set(['max_tokens', 'temperature', 'top_p', 'seed']);

/** Reads a prompt from the query, for use with a browser or curl. */
function bodyFromQuery(request: HttpRequest): JsonBody {
  const json: Record<string, unknown> = {};
  for (const [name, value] of queryOf(request)) {
    if (Object.hasOwn(json, name)) {
      throw new GatewayError(
        'invalid_request',
        `The query has "${name.slice(0, 200)}" twice. Send it once.`,
        {
          param: name.slice(0, 200),
        },
      );
    }
    json[name] = NUMBERS.has(name) ? Number(value) : value;
  }
  return { text: JSON.stringify(json), json };
}

function textErrorEvent(error: GatewayError): Uint8Array {
  return new TextEncoder().encode(`event: error\ndata: ${openAiErrorBody(error)}\n\n`);
}

export function addNativeRoutes(router: HttpRouter, services: ApiServices): void {
  const plain: InferenceEndpoint = {
    operation: 'chat',
    example: PROMPT_EXAMPLE,
    parse: (body, snapshot, httpContext) => promptCall(body, snapshot, httpContext, false),
    contentType: ({ request }) =>
      acceptsPlainText(request.headers) ? 'text/plain; charset=utf-8' : undefined,
  };
  const streamed: InferenceEndpoint = {
    operation: 'chat',
    example: STREAM_EXAMPLE,
    parse: (body, snapshot, httpContext) => promptCall(body, snapshot, httpContext, true),
    renderStreamError: textErrorEvent,
  };
  addInferenceRoute(router, services, '/inference', plain);
  addInferenceRoute(router, services, '/stream', streamed);
  addInferenceRoute(router, services, '/stream', {
    ...streamed,
    readQuery: ({ request }) => bodyFromQuery(request),
  });
}
