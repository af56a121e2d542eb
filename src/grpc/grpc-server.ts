import type { HttpRequest } from '../core/http.ts';
import type { ConnectionMemory } from '../server/connection-memory.ts';
import { GrpcCall } from './grpc-call.ts';
import { GrpcFailure } from './grpc-failure.ts';
import { Http2Server, type Http2ServerOptions } from './http2/http2-server.ts';
import type { Http2Stream, StreamHandler } from './http2/http2-stream.ts';
import { PROTO } from './protobuf/generated.ts';
import { MessageType, type Method, Schema } from './protobuf/schema.ts';
import type { HandleRequest } from './router-call.ts';
import { HealthService } from './services/health-service.ts';
import { KserveService } from './services/kserve-service.ts';
import { ReflectionService } from './services/reflection-service.ts';
import { WeirService } from './services/weir-service.ts';

/** What the gRPC port needs of the gateway. */
export interface GrpcGateway {
  /** Handles the requests that calls become, as those of the HTTP port. */
  readonly handle: HandleRequest;
  /** Counts a request for the rate of its client's address. @throws GatewayError `rate_limit_exceeded` */
  readonly countAddress: (request: HttpRequest) => Promise<void>;
  /** Identifies the caller of a request, before its messages are read. @throws GatewayError */
  readonly identify: (request: HttpRequest) => Promise<void>;
  readonly version: string;
}

export interface GrpcServerOptions extends Omit<Http2ServerOptions, 'accept'> {
  readonly gateway: GrpcGateway;
}

type Handler = (call: GrpcCall, method: Method) => void | Promise<void>;

/** Bytes of a message of a service that needs no key. */
const MAX_OPEN_MESSAGE = 16 * 1024;
const GRPC_TYPE = /^application\/grpc(?:\+proto)?\s*(?:;|$)/i;

/**
 * Serves gRPC on a port of its own: `weir.v1`, the Open Inference Protocol, health and reflection.
 * @throws Error with `code` `EADDRINUSE` or `EACCES` when the port is unavailable
 */
export function startGrpcServer({ gateway, ...options }: GrpcServerOptions): Http2Server {
  const services = new Services(gateway, options);
  return new Http2Server({ ...options, accept: (stream, memory) => services.accept(stream, memory) });
}

class Services {
  readonly #schema = new Schema(PROTO);
  readonly #handlers: Readonly<Record<string, Handler>>;

  constructor(
    private readonly gateway: GrpcGateway,
    private readonly options: Omit<Http2ServerOptions, 'accept'>,
  ) {
    const isReady = async (call: GrpcCall) => {
      const { status } = await gateway.handle(call.httpRequest('GET', '/health/ready'));
      return status === 200;
    };
    const weir = new WeirService(gateway);
    const kserve = new KserveService({ ...gateway, isReady });
    const health = new HealthService({ services: this.#schema.services, isReady });
    const reflection = new ReflectionService(this.#schema);
    const reflect = async (call: GrpcCall) => {
      await gateway.countAddress(call.httpRequest('POST', call.method.path));
      await reflection.call(call);
    };
    this.#handlers = {
      'weir.v1.InferenceService': (call, { name }) => weir.call(call, name),
      'inference.GRPCInferenceService': (call, { name }) => kserve.call(call, name),
      'grpc.health.v1.Health': (call, { name }) => health.call(call, name),
      'grpc.reflection.v1.ServerReflection': reflect,
      'grpc.reflection.v1alpha.ServerReflection': reflect,
    };
  }

  accept(stream: Http2Stream, memory: ConnectionMemory): StreamHandler {
    const { head } = stream;
    const { limits, onError } = this.options;
    const status =
      head.method !== 'POST' ? '405' : GRPC_TYPE.test(head.headers.get('content-type') ?? '') ? '' : '415';
    if (status !== '') {
      stream.end([
        [':status', status],
        ['content-length', '0'],
      ]);
      return IGNORED;
    }
    const method = this.#schema.method(head.path);
    const isOpen = method === undefined || !NEEDS_KEY.has(method.service);
    const call = new GrpcCall({
      ...{ stream, memory, limits, onError, method: method ?? UNKNOWN },
      maxMessageBytes: () => (isOpen ? MAX_OPEN_MESSAGE : limits().maxMessageBytes),
    });
    const handler = method && this.#handlers[method.service];
    call.run((running) => (handler && method ? handler(running, method) : this.#unknown(running, head.path)));
    return call;
  }

  async #unknown(call: GrpcCall, path: string): Promise<void> {
    await this.gateway.countAddress(call.httpRequest('POST', path));
    const message = `There is no method "${path.slice(0, 200)}". Server reflection lists what exists.`;
    throw GrpcFailure.simple('UNIMPLEMENTED', 'not_found', message);
  }
}

const NEEDS_KEY = new Set(['weir.v1.InferenceService', 'inference.GRPCInferenceService']);

/** For calls of methods that do not exist: nothing of them is decoded. */
const NOTHING = new MessageType('nothing', [], () => undefined);
const UNKNOWN: Method = {
  ...{ name: '', path: '', service: '', input: NOTHING, output: NOTHING },
  ...{ clientStreams: false, serverStreams: false },
};

/** Of a stream whose response is complete. */
const IGNORED: StreamHandler = {
  received: () => undefined,
  ended: () => undefined,
  drained: () => undefined,
  lost: () => undefined,
  tick: () => undefined,
};
