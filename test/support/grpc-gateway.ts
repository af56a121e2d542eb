import {
  create,
  createFileRegistry,
  fromBinary,
  fromJson,
  type JsonValue,
  toBinary,
  toJson,
} from '@bufbuild/protobuf';
import { FileDescriptorProtoSchema, FileDescriptorSetSchema } from '@bufbuild/protobuf/wkt';
import * as grpc from '@grpc/grpc-js';
import { listenForGrpc } from '../../src/app/grpc.ts';
import { serverLimits } from '../../src/app/settings.ts';
import { PROTO } from '../../src/grpc/protobuf/generated.ts';
import type { TlsCredentials } from '../../src/platform/socket-listener.ts';
import { gatewayInProcess, type InProcessGateway, type InProcessOptions } from './gateway-in-process.ts';

/** A gateway in the process of the test with a port of gRPC, and the official client of Node.js. */

/** The descriptors by an independent implementation of protocol buffers. */
export const registry = createFileRegistry(
  create(FileDescriptorSetSchema, {
    file: PROTO.files.map(({ descriptor }) =>
      fromBinary(FileDescriptorProtoSchema, Buffer.from(descriptor, 'base64')),
    ),
  }),
);

export function messageType(name: string) {
  const found = registry.getMessage(name);
  if (!found) throw new Error(`no message ${name}`);
  return found;
}

function methodOf(path: string) {
  const [, service = '', name] = path.split('/');
  const method = registry.getService(service)?.methods.find((one) => one.name === name);
  if (!method) throw new Error(`no method ${path}`);
  return {
    serialize: (value: JsonValue) =>
      Buffer.from(toBinary(method.input, fromJson(method.input, value, { registry }))),
    deserialize: (bytes: Buffer) =>
      toJson(method.output, fromBinary(method.output, bytes), { useProtoFieldName: true, registry }),
  };
}

export type Json = Record<string, unknown>;

export interface UnaryResult {
  readonly message: Json;
  readonly metadata: grpc.Metadata;
}

export interface StreamResult {
  readonly messages: Json[];
  readonly metadata: grpc.Metadata | undefined;
  readonly status: grpc.StatusObject;
}

export interface CallOptions {
  readonly key?: string | undefined;
  readonly metadata?: Readonly<Record<string, string>>;
  readonly deadlineMs?: number;
}

const asJson = (value: unknown): Json => (typeof value === 'object' && value !== null ? { ...value } : {});

export const WEIR = '/weir.v1.InferenceService';
export const KSERVE = '/inference.GRPCInferenceService';
export const HEALTH = '/grpc.health.v1.Health';

/** A client of one port. */
export class TestGrpcClient {
  readonly client: grpc.Client;

  constructor(
    target: string,
    private readonly defaultKey?: string,
    credentials: grpc.ChannelCredentials = grpc.credentials.createInsecure(),
    options: grpc.ClientOptions = {},
  ) {
    this.client = new grpc.Client(target, credentials, { 'grpc.use_local_subchannel_pool': 1, ...options });
  }

  #metadata({ key = this.defaultKey, metadata = {} }: CallOptions): grpc.Metadata {
    const made = new grpc.Metadata();
    if (key) made.set('authorization', `Bearer ${key}`);
    for (const [name, value] of Object.entries(metadata)) made.set(name, value);
    return made;
  }

  #options({ deadlineMs }: CallOptions): grpc.CallOptions {
    return deadlineMs === undefined ? {} : { deadline: Date.now() + deadlineMs };
  }

  /** @throws grpc.ServiceError */
  unary(path: string, message: JsonValue, options: CallOptions = {}): Promise<UnaryResult> {
    const { serialize, deserialize } = methodOf(path);
    return new Promise((resolve, reject) => {
      let metadata = new grpc.Metadata();
      const call = this.client.makeUnaryRequest(
        path,
        serialize,
        deserialize,
        message,
        this.#metadata(options),
        this.#options(options),
        (error, value) => (error ? reject(error) : resolve({ message: asJson(value), metadata })),
      );
      call.on('metadata', (received: grpc.Metadata) => {
        metadata = received;
      });
    });
  }

  open(path: string, message: JsonValue, options: CallOptions = {}) {
    const { serialize, deserialize } = methodOf(path);
    return this.client.makeServerStreamRequest(
      path,
      serialize,
      deserialize,
      message,
      this.#metadata(options),
      this.#options(options),
    );
  }

  duplex(path: string, options: CallOptions = {}) {
    const { serialize, deserialize } = methodOf(path);
    return this.client.makeBidiStreamRequest(
      path,
      serialize,
      deserialize,
      this.#metadata(options),
      this.#options(options),
    );
  }

  /** Reads a stream to its end. */
  stream(path: string, message: JsonValue, options: CallOptions = {}): Promise<StreamResult> {
    return collected(this.open(path, message, options));
  }

  close(): void {
    this.client.close();
  }
}

/** @returns all messages and the status of a stream */
export function collected(
  call: grpc.ClientReadableStream<unknown> | grpc.ClientDuplexStream<JsonValue, unknown>,
): Promise<StreamResult> {
  return new Promise((resolve) => {
    const messages: Json[] = [];
    let metadata: grpc.Metadata | undefined;
    call.on('metadata', (received: grpc.Metadata) => {
      metadata = received;
    });
    call.on('data', (message: unknown) => messages.push(asJson(message)));
    // The status says the same.
    call.on('error', () => undefined);
    call.on('status', (status: grpc.StatusObject) => resolve({ messages, metadata, status }));
  });
}

export interface GrpcTestGateway extends InProcessGateway {
  readonly port: number;
  readonly server: Awaited<ReturnType<typeof listenForGrpc>>;
  readonly defects: unknown[];
  /** A second passes for the limits of connections and streams. */
  tick(seconds?: number): void;
  connect(options?: grpc.ClientOptions): TestGrpcClient;
  /** Resolves when no request is in flight. */
  idle(): Promise<void>;
  /** Resolves when there is no connection, no call and no byte of either. */
  empty(): Promise<void>;
  /** Resolves when the bytes that wait for clients have stopped changing. */
  settled(): Promise<void>;
}

const nextTurn = () => new Promise<void>((resolve) => setTimeout(resolve, 1));

export interface GrpcGatewayOptions extends InProcessOptions {
  readonly tls?: TlsCredentials;
}

export async function startGrpcGateway({
  tls,
  ...options
}: GrpcGatewayOptions = {}): Promise<GrpcTestGateway> {
  const config = { limits: { per_ip: null }, ...options.config };
  const inProcess = await gatewayInProcess({ ...options, config });
  const { gateway, adminKey } = inProcess;
  const ticks = new Set<() => void>();
  const defects: unknown[] = [];
  const server = await listenForGrpc({
    ...{ host: '127.0.0.1', port: 0, shared: false, tls, version: '0.0.0' },
    gateway: Promise.resolve(gateway),
    current: () => gateway,
    handle: (request) => gateway.router.handle(request),
    initialLimits: serverLimits(gateway.config, undefined),
    onError: (error) => defects.push(error),
    everySecond: (tick) => {
      ticks.add(tick);
      return () => ticks.delete(tick);
    },
  });
  const clients: TestGrpcClient[] = [];
  return {
    ...inProcess,
    ...{ port: server.port, server, defects },
    tick: (seconds = 1) => {
      for (let left = seconds; left > 0; left -= 1) for (const tick of [...ticks]) tick();
    },
    connect: (more = {}) => {
      const client = new TestGrpcClient(`127.0.0.1:${server.port}`, adminKey, undefined, more);
      clients.push(client);
      return client;
    },
    idle: async () => {
      while (gateway.lifecycle.active > 0) await nextTurn();
    },
    empty: async () => {
      while (Object.values(server.stats()).some((count) => count !== 0)) await nextTurn();
    },
    settled: async () => {
      for (let before = -1, same = 0; same < 50; ) {
        await nextTurn();
        const { unsentBytes } = server.stats();
        same = unsentBytes === before ? same + 1 : 0;
        before = unsentBytes;
      }
    },
    close: async () => {
      for (const client of clients) client.close();
      server.close();
      await inProcess.close();
    },
  };
}

/** The details of a status: `ErrorInfo` and others, read without the schema of Google's. */
export function detailsOf({ metadata }: grpc.ServiceError): Json {
  const bytes = metadata.get('grpc-status-details-bin')[0];
  if (!(bytes instanceof Buffer)) return {};
  const details: Json = {};
  for (const any of fieldsOf(bytes).get(3) ?? []) {
    const fields = fieldsOf(Buffer.from(any));
    const name = String(fields.get(1)?.[0]).replace('type.googleapis.com/google.rpc.', '');
    const value = fieldsOf(Buffer.from(fields.get(2)?.[0] ?? ''));
    const first = Buffer.from(value.get(1)?.[0] ?? '');
    if (name === 'ErrorInfo') details[name] = { reason: String(first), domain: String(value.get(2)?.[0]) };
    else if (name === 'RetryInfo') details[name] = first[1];
    else if (name === 'BadRequest') details[name] = { field: String(fieldsOf(first).get(1)?.[0]) };
    else details[name] = String(first);
  }
  return details;
}

/** The length-delimited fields of a message by number. Numbers are skipped; all are below 128 here but lengths. */
function fieldsOf(bytes: Buffer): Map<number, Buffer[]> {
  const fields = new Map<number, Buffer[]>();
  for (let at = 0; at < bytes.length; ) {
    const tag = bytes[at] ?? 0;
    at += 1;
    let length = 0;
    for (let shift = 0; ; shift += 7) {
      const byte = bytes[at] ?? 0;
      at += 1;
      length |= (byte & 127) << shift;
      if (byte < 128) break;
    }
    if ((tag & 7) !== 2) continue;
    fields.set(tag >> 3, [...(fields.get(tag >> 3) ?? []), bytes.subarray(at, at + length)]);
    at += length;
  }
  return fields;
}

/** @returns the error of a call @throws Error for one that succeeds */
export async function failure(call: Promise<unknown>): Promise<grpc.ServiceError> {
  const error = await call.then(
    () => undefined,
    (thrown: grpc.ServiceError) => thrown,
  );
  if (!error) throw new Error('the call succeeded');
  return error;
}
