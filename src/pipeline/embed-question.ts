import { normalised } from '../cache/embedders/embedder.ts';
import { readVectors } from '../cache/embedding-vectors.ts';
import { LATE, withinDeadline } from '../cache/within-deadline.ts';
import { GatewayError } from '../core/errors.ts';
import { drainStream } from '../core/stream/drain.ts';
import type { ModelRoute } from '../routing/directory.ts';
import type { SemanticServices } from './cache-services.ts';
import type { CallScope, Next } from './interceptor.ts';
import type { InterceptorServices } from './interceptor-services.ts';
import { settleAs } from './settle-call.ts';

/** How a text is embedded for one request. */
export interface QuestionEmbedding {
  /** Names the model: vectors of others are never compared with its own. */
  readonly id: string;
  /** @returns undefined where there is no vector in time; the request goes on without */
  embed(text: string, timeoutMs: number): Promise<Float32Array | undefined>;
}

/** The embedder of this installation. */
export function builtInEmbedding({ embedder }: SemanticServices): QuestionEmbedding | undefined {
  return embedder && { id: embedder.id, embed: async (text, timeoutMs) => embedder.embed(text, timeoutMs) };
}

/**
 * Asks an embeddings model of the configuration. The call is a request of its own, with the same key: it is routed, limited,
 * cached and settled like others.
 * @param id names the model and its targets
 */
export function modelEmbedding(
  id: string,
  route: ModelRoute,
  { scope, next }: { readonly scope: CallScope; readonly next: Next },
  { embeddingOf }: SemanticServices,
  services: InterceptorServices,
): QuestionEmbedding {
  return {
    id,
    embed: async (text, timeoutMs) => {
      const { clock } = services;
      const detached = scope.detach(Math.min(scope.deadlineAt, clock.now() + timeoutMs + 1_000), 'embedding');
      const { request } = detached;
      const call = embeddingOf(route.id, text);
      request.controls = {
        ...scope.request.controls,
        model: route.id,
        stream: false,
        strict: false,
        tags: [],
      };
      request.routing.route = route;
      settleAs(request, undefined, call, services);
      const response = await withinDeadline(next(call, detached), timeoutMs, clock);
      if (response === LATE) {
        request.abort(new GatewayError('client_closed_request', 'The vector came too late for its request.'));
        return undefined;
      }
      const { body } = response;
      if (body.kind === 'complete') return normalised(readVectors(body.result.text)[0] ?? []);
      drainStream(body.stream);
      return undefined;
    },
  };
}
