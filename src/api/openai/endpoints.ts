import type { HeaderReader } from '../../core/http.ts';
import type { InferenceCall, Operation } from '../../core/inference.ts';
import { editMembers } from '../../core/json-edit.ts';
import type { JsonBody } from '../../http/body.ts';
import type { HttpRouter } from '../../http/http-router.ts';
import { chatCall } from '../chat-call.ts';
import { addInferenceRoute, type InferenceEndpoint } from '../inference-route.ts';
import type { ApiServices } from '../services.ts';
import { validate } from '../validation.ts';
import { openAiChatDialect } from './chat/dialect.ts';
import { openAiCompletionsDialect } from './completions/dialect.ts';
import { embeddingCall } from './embedding-call.ts';
import { isPlainChat } from './quick-check.ts';
import { chatRequest, completionRequest, embeddingRequest } from './schemas.ts';

/** @throws GatewayError when the body is not a sound request */
type Check = (body: Readonly<Record<string, unknown>>) => void;
type MakeCall = (body: JsonBody, headers: HeaderReader) => InferenceCall;

const CHAT_FIELDS = new Set(Object.keys(chatRequest.shape));

const checkChat: Check = (body) => {
  if (!isPlainChat(body, CHAT_FIELDS)) validate(chatRequest, body);
};

/** An endpoint whose validated requests are forwarded unchanged to targets with OpenAI's format. */
function endpoint(operation: Operation, check: Check, call: MakeCall): InferenceEndpoint {
  return {
    operation,
    parse: (body, _snapshot, { request }) => {
      check(body.json);
      return call(body, request.headers);
    },
  };
}

const chat: MakeCall = (body, headers) => chatCall('chat', openAiChatDialect, body, headers);
const completion: MakeCall = (body, headers) =>
  chatCall('completion', openAiCompletionsDialect, body, headers);

export function addOpenAiRoutes(router: HttpRouter, services: ApiServices): void {
  const add = (path: string, served: InferenceEndpoint) => addInferenceRoute(router, services, path, served);
  add('/v1/chat/completions', endpoint('chat', checkChat, chat));
  add(
    '/v1/completions',
    endpoint('completion', (body) => void validate(completionRequest, body), completion),
  );
  add('/v1/models/:id{.+}/completions', {
    operation: 'completion',
    parse: (body, _snapshot, { request, params }) => {
      const model = params.id ?? '';
      const json = { ...body.json, model };
      validate(completionRequest, json);
      return completion(
        { text: editMembers(body.text, { model: JSON.stringify(model) }), json },
        request.headers,
      );
    },
  });
  add(
    '/v1/embeddings',
    endpoint('embedding', (body) => void validate(embeddingRequest, body), embeddingCall),
  );
}
