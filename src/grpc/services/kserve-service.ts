import type { HttpRequest } from '../../core/http.ts';
import { asString, isRecord, type JsonObject, listOf, records } from '../../core/json.ts';
import type { GrpcCall } from '../grpc-call.ts';
import { GrpcFailure } from '../grpc-failure.ts';
import { type HandleRequest, handleByRouter, jsonOf, sendEvents } from '../router-call.ts';
import { type InferRequest, readInferRequest } from './infer-request.ts';
import { type OutputTensor, writeOutputs } from './tensors.ts';
import { modelTarget } from './weir-service.ts';

export interface KserveOptions {
  readonly handle: HandleRequest;
  /** Identifies the caller of a request. @throws GatewayError */
  readonly identify: (request: HttpRequest) => Promise<void>;
  readonly version: string;
  readonly isReady: (call: GrpcCall) => Promise<boolean>;
}

const TEXT = { datatype: 'BYTES', shape: [1] };

/** `inference.GRPCInferenceService`: the Open Inference Protocol, with text generation and embeddings as tensors. */
export class KserveService {
  constructor(private readonly options: KserveOptions) {}

  /** @param name of the method */
  async call(call: GrpcCall, name: string): Promise<void> {
    // The message decides the route, which identifies the caller again: before that, nothing of it is read.
    if (name.startsWith('Model')) await this.options.identify(call.httpRequest('POST', call.method.path));
    switch (name) {
      case 'ModelStreamInfer':
        await this.#stream(call);
        return;
      case 'ModelInfer':
        await this.#infer(call);
        break;
      case 'ModelMetadata':
        await this.#modelMetadata(call);
        break;
      case 'ModelReady':
        await this.#modelReady(call);
        break;
      case 'ServerReady':
        await call.request();
        call.send({ ready: await this.options.isReady(call) });
        break;
      case 'ServerLive':
        await call.request();
        call.send({ live: true });
        break;
      default:
        await call.request();
        call.send({ name: 'weir', version: this.options.version, extensions: ['model_stream_infer'] });
    }
    call.finish();
  }

  async #infer(call: GrpcCall): Promise<void> {
    const message = await call.request();
    const request = readInferRequest(isRecord(message) ? message : {});
    const response = await this.#send(call, request, false);
    call.sendMetadata(response.headers);
    call.send(inferResponse(request, outputsOf(request, jsonOf(response))));
  }

  #send(call: GrpcCall, { target, body }: InferRequest, stream: boolean) {
    const members = stream ? { stream, stream_options: { include_usage: true } } : {};
    return handleByRouter(this.options.handle, call, {
      ...{ method: 'POST', target },
      body: async () => ({ ...body, ...members }),
    });
  }

  /** The requests of a stream run one after the other: the others wait with the client. */
  async #stream(call: GrpcCall): Promise<void> {
    for (let message = await call.next(); message !== undefined; message = await call.next()) {
      try {
        await this.#respond(call, readInferRequest(isRecord(message) ? message : {}));
      } catch (error) {
        const failure = call.failureOf(error);
        // The first request decides whether the stream may exist: without a key, nothing is served.
        if (failure.code === 'UNAUTHENTICATED' || failure.code === 'PERMISSION_DENIED') throw failure;
        const id = isRecord(message) ? asString(message.id) : undefined;
        const model = isRecord(message) ? asString(message.model_name) : undefined;
        call.send({
          error_message: `${String(failure.error.code ?? failure.code)}: ${failure.message}`,
          infer_response: { id, model_name: model },
        });
      }
      call.requestEnded();
      if (call.isOver) return;
    }
    call.finish();
  }

  async #respond(call: GrpcCall, request: InferRequest): Promise<void> {
    const streams = request.streams && request.task !== 'embedding';
    const response = await this.#send(call, request, streams);
    const { body, headers } = response;
    const send = (outputs: readonly OutputTensor[], isFinal: boolean, more?: JsonObject) =>
      call.send({ infer_response: inferResponse(request, outputs, isFinal, more) });
    if (body === null || typeof body === 'string' || body instanceof Uint8Array) {
      const outputs = outputsOf(request, jsonOf(response));
      send(outputs, !request.wantsEmptyFinal);
      if (request.wantsEmptyFinal) send([], true);
      return;
    }
    if (request.echo !== undefined) send([textOutput(request.echo)], false);
    let end: JsonObject = {};
    await sendEvents(call, body, headers, (event) => {
      end = { ...end, ...usageOf(event), ...finishOf(event) };
      const text = deltaOf(event);
      return text === '' ? undefined : { infer_response: inferResponse(request, [textOutput(text)], false) };
    });
    send(request.wantsEmptyFinal ? [] : [textOutput('')], true, end);
  }

  async #modelReady(call: GrpcCall): Promise<void> {
    const name = nameOf(await call.request());
    try {
      const response = await handleByRouter(this.options.handle, call, {
        method: 'GET',
        target: modelTarget(name),
      });
      call.sendMetadata(response.headers);
      call.send({ ready: true });
    } catch (error) {
      if (!(error instanceof GrpcFailure) || error.code !== 'NOT_FOUND') throw error;
      call.sendMetadata(error.headers);
      call.send({ ready: false });
    }
  }

  async #modelMetadata(call: GrpcCall): Promise<void> {
    const name = nameOf(await call.request());
    const response = await handleByRouter(this.options.handle, call, {
      method: 'GET',
      target: modelTarget(name),
    });
    call.sendMetadata(response.headers);
    const any = { datatype: 'BYTES', shape: [-1] };
    call.send({
      name,
      versions: ['1'],
      platform: 'weir',
      inputs: [
        { name: 'text_input', ...any },
        { name: 'messages', ...TEXT },
        { name: 'sampling_parameters', ...TEXT },
        { name: 'stream', datatype: 'BOOL', shape: [1] },
      ],
      outputs: [
        { name: 'text_output', ...any },
        { name: 'embedding', datatype: 'FP32', shape: [-1, -1] },
      ],
    });
  }
}

function nameOf(message: unknown): string {
  return isRecord(message) ? (asString(message.name) ?? '') : '';
}

function inferResponse(
  { id, model, isRaw }: InferRequest,
  outputs: readonly OutputTensor[],
  isFinal?: boolean,
  more: JsonObject = {},
): JsonObject {
  const parameters = { ...more, ...(isFinal === undefined ? {} : { triton_final_response: isFinal }) };
  return { id, model_name: model, model_version: '1', parameters, ...writeOutputs(outputs, isRaw) };
}

const textOutput = (text: string): OutputTensor => ({
  ...{ name: 'text_output', datatype: 'BYTES', shape: [1], values: [text] },
});

function outputsOf(request: InferRequest, json: unknown): readonly OutputTensor[] {
  if (!isRecord(json)) return [];
  if (request.task === 'embedding') {
    const vectors = records(json.data).map(({ embedding }) => listOf(embedding).map(Number));
    const shape = [vectors.length, vectors[0]?.length ?? 0];
    return [{ name: 'embedding', datatype: 'FP32', shape, values: vectors.flat() }];
  }
  const choices = records(json.choices);
  const texts = choices.map((choice) => `${request.echo ?? ''}${textOf(choice)}`);
  const reasons = choices.map(({ finish_reason }) => String(finish_reason ?? ''));
  const { length } = choices;
  return [
    { name: 'text_output', datatype: 'BYTES', shape: [length], values: texts },
    { name: 'finish_reason', datatype: 'BYTES', shape: [length], values: reasons },
    ...callsOf(choices),
  ];
}

function textOf({ text, message }: JsonObject): string {
  if (typeof text === 'string') return text;
  return isRecord(message) ? (asString(message.content) ?? '') : '';
}

/** Calls of tools, as JSON; none for responses without any. */
function callsOf(choices: readonly JsonObject[]): readonly OutputTensor[] {
  const calls = choices.map(({ message }) => (isRecord(message) ? listOf(message.tool_calls) : []));
  if (calls.every(({ length }) => length === 0)) return [];
  const values = calls.map((list) => JSON.stringify(list));
  return [{ name: 'tool_calls', datatype: 'BYTES', shape: [values.length], values }];
}

function firstChoice(event: unknown): JsonObject {
  return (isRecord(event) ? records(event.choices)[0] : undefined) ?? {};
}

function deltaOf(event: unknown): string {
  const { text, delta } = firstChoice(event);
  if (typeof text === 'string') return text;
  return isRecord(delta) ? (asString(delta.content) ?? '') : '';
}

function finishOf(event: unknown): JsonObject {
  const { finish_reason: reason } = firstChoice(event);
  return typeof reason === 'string' ? { finish_reason: reason } : {};
}

function usageOf(event: unknown): JsonObject {
  const usage = isRecord(event) && isRecord(event.usage) ? event.usage : {};
  const { prompt_tokens, completion_tokens } = usage;
  return {
    ...(typeof prompt_tokens === 'number' ? { num_input_tokens: prompt_tokens } : {}),
    ...(typeof completion_tokens === 'number' ? { num_output_tokens: completion_tokens } : {}),
  };
}
