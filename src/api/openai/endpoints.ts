import type { z } from '@hono/zod-openapi';
import { GatewayError } from '../../core/errors.ts';
import type { InferenceCall, Operation } from '../../core/inference.ts';
import { type JsonBody, readJsonBody } from '../../http/body.ts';
import type { Door } from '../../http/door.ts';
import { jsonResponse } from '../../http/response.ts';
import { presentedKey } from '../../tenancy/key-ring.ts';
import { type InferenceEndpoint, inferenceHandler } from '../inference-handler.ts';
import type { ApiServices } from '../services.ts';
import { validate } from '../validation.ts';
import { chatRequest, completionRequest, embeddingRequest } from './schemas.ts';

interface Parsed {
  readonly model: string;
  readonly stream?: boolean | null | undefined;
  readonly stream_options?: { readonly include_usage?: boolean | null | undefined } | null | undefined;
}

function callFrom(operation: Operation, body: JsonBody, parsed: Parsed, headers: Headers): InferenceCall {
  return {
    operation,
    model: parsed.model,
    // Embeddings have no stream; should the field be there, it is the upstream's to judge.
    stream: parsed.stream === true && operation !== 'embedding',
    text: body.text,
    body: body.json,
    headers,
    wantsStreamUsage: parsed.stream_options?.include_usage === true,
  };
}

/** An endpoint whose requests go on as they came, once they are known to be sound. */
export function openAiEndpoint(operation: Operation, schema: z.ZodType<Parsed>): InferenceEndpoint {
  return {
    operation,
    read: (door, snapshot) => readJsonBody(door.req.raw, snapshot.bodyLimit),
    parse: (body, _snapshot, headers) => callFrom(operation, body, validate(schema, body.json), headers),
  };
}

export function addOpenAiRoutes(door: Door, services: ApiServices): void {
  const add = (path: string, endpoint: InferenceEndpoint) =>
    door.route('POST', path, inferenceHandler(services, endpoint));
  add('/v1/chat/completions', openAiEndpoint('chat', chatRequest));
  add('/v1/completions', openAiEndpoint('completion', completionRequest));
  add('/v1/embeddings', openAiEndpoint('embedding', embeddingRequest));

  const describe = ({ id, ownedBy }: { id: string; ownedBy: string }) => ({
    id,
    object: 'model',
    created: services.startedAtSeconds,
    owned_by: ownedBy,
  });
  door.route('GET', '/v1/models', (context) => {
    services.keys.authenticate(presentedKey(context.req.raw.headers));
    const data = services.snapshot().directory.list().map(describe);
    return jsonResponse(context.req.raw, 200, JSON.stringify({ object: 'list', data }), {});
  });
  door.route('GET', '/v1/models/:id{.+}', (context) => {
    services.keys.authenticate(presentedKey(context.req.raw.headers));
    const id = context.req.param('id') ?? '';
    const { directory } = services.snapshot();
    const listed = directory.list().find((model) => model.id === id);
    const target = directory.resolve(id)?.targets[0];
    const found = listed ?? (target ? { id, ownedBy: target.provider.id } : undefined);
    if (!found) {
      const near = directory.suggest(id);
      const hint = near.length > 0 ? ` Did you mean ${near.map((name) => `"${name}"`).join(' or ')}?` : '';
      throw new GatewayError('model_not_found', `The model "${id.slice(0, 200)}" does not exist.${hint}`, {
        param: 'model',
      });
    }
    return jsonResponse(context.req.raw, 200, JSON.stringify(describe(found)), {});
  });
}
