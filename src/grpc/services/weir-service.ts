import type { HttpRequest } from '../../core/http.ts';
import { isRecord, type JsonObject } from '../../core/json.ts';
import type { GrpcCall } from '../grpc-call.ts';
import {
  type HandleRequest,
  handleByRouter,
  jsonOf,
  type RoutedRequest,
  sendEvents,
} from '../router-call.ts';

/** A method of `weir.v1.InferenceService`. */
interface RoutedMethod {
  readonly target: string;
  /** Members that the body has in addition to those of the message. */
  readonly members: JsonObject;
}

const METHODS: Readonly<Record<string, RoutedMethod>> = {
  ChatCompletion: { target: '/v1/chat/completions', members: { stream: false } },
  StreamChatCompletion: { target: '/v1/chat/completions', members: { stream: true } },
  Completion: { target: '/v1/completions', members: { stream: false } },
  StreamCompletion: { target: '/v1/completions', members: { stream: true } },
  // The message has vectors, not texts.
  Embeddings: { target: '/v1/embeddings', members: { encoding_format: 'float' } },
  Rerank: { target: '/v1/rerank', members: {} },
};

export interface WeirServiceOptions {
  readonly handle: HandleRequest;
  /** Identifies the caller of a request. @throws GatewayError */
  readonly identify: (request: HttpRequest) => Promise<void>;
}

/** Each method is a route of the API, in other bytes. */
export class WeirService {
  constructor(private readonly options: WeirServiceOptions) {}

  /** @param name of the method, without its service */
  async call(call: GrpcCall, name: string): Promise<void> {
    const { handle } = this.options;
    const response = await handleByRouter(handle, call, await this.#routed(call, name));
    const { body, headers } = response;
    if (body === null || typeof body === 'string' || body instanceof Uint8Array) {
      call.sendMetadata(headers);
      call.send(jsonOf(response));
    } else {
      call.sendMetadata(headers);
      await sendEvents(call, body, headers, (event) => event);
    }
    call.finish();
  }

  async #routed(call: GrpcCall, name: string): Promise<RoutedRequest> {
    const method = METHODS[name];
    if (method) {
      const { target, members } = method;
      const body = async () => bodyOf(await call.request(), members);
      return { method: 'POST', target, body };
    }
    await this.options.identify(call.httpRequest('POST', call.method.path));
    const request = await call.request();
    if (name === 'ListModels') return { method: 'GET', target: '/v1/models' };
    return { method: 'GET', target: modelTarget(isRecord(request) ? request.id : '') };
  }
}

/** @returns the route of one model, whose name may hold slashes */
export function modelTarget(id: unknown): string {
  const path = String(id ?? '')
    .split('/')
    .map(encodeURIComponent)
    .join('/');
  return `/v1/models/${path === '' ? '%20' : path}`;
}

function bodyOf(message: unknown, members: JsonObject): JsonObject {
  const json = isRecord(message) ? message : {};
  if (members.stream !== true) {
    // Options of streams are rejected without one.
    const { stream_options: _, ...rest } = json;
    return { ...rest, ...members };
  }
  const options = isRecord(json.stream_options) ? json.stream_options : {};
  return { ...json, ...members, stream_options: { include_usage: true, ...options } };
}
