import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { type ServiceError, status } from '@grpc/grpc-js';
import { createGate } from '../support/gate.ts';
import {
  collected,
  detailsOf,
  failure,
  type GrpcTestGateway,
  HEALTH,
  KSERVE,
  startGrpcGateway,
  type TestGrpcClient,
  WEIR,
} from '../support/grpc-gateway.ts';
import { chatAnswer, chatEvent } from '../support/inference.ts';
import { type MockUpstream, startMockUpstream } from '../support/mock-upstream.ts';
import { dataEvents, eventStream, hang, json, slow, status as statusScript } from '../support/scripts.ts';
import { mockConfig } from './harness.ts';

let mock: MockUpstream;
let gateway: GrpcTestGateway;
let client: TestGrpcClient;
beforeAll(async () => {
  mock = await startMockUpstream();
  const config = mockConfig(mock.url, {
    limits: { per_ip: null },
    routing: { retry: { attempts: 1 } },
  });
  gateway = await startGrpcGateway({ config });
  client = gateway.connect();
});
afterAll(async () => {
  await gateway.close();
  await mock.close();
  expect(gateway.defects).toEqual([]);
});

const user = (text: string) => ({ role: 'user', content: { text } });
const hello = { model: 'chat', messages: [user('Hi')] };

const lastBody = () => mock.requests.at(-1)?.json();
const metric = async (line: RegExp) => line.exec(await gateway.gateway.metrics.render())?.[1];

describe('weir.v1', () => {
  test('a chat with tools, images and a schema is the JSON of OpenAI upstream', async () => {
    mock.respond(json(JSON.parse(chatAnswer('Hello.', { service_tier: 'flex', vendor: { a: 1 } }))));
    const { message, metadata } = await client.unary(`${WEIR}/ChatCompletion`, {
      ...hello,
      messages: [
        user('Look'),
        {
          role: 'user',
          content: {
            parts: { values: [{ type: 'image_url', image_url: { url: 'data:image/png;base64,AA==' } }] },
          },
        },
        {
          role: 'assistant',
          tool_calls: [{ id: 'c', type: 'function', function: { name: 'f', arguments: '{}' } }],
        },
        { role: 'tool', tool_call_id: 'c', content: { text: '1' } },
      ],
      tools: [{ type: 'function', function: { name: 'f', parameters: { type: 'object', properties: {} } } }],
      tool_choice: { mode: 'auto' },
      response_format: {
        type: 'json_schema',
        json_schema: { name: 's', schema: { type: 'object' }, strict: true },
      },
      seed: '9007199254740993',
      temperature: 0,
      logit_bias: { 7: 1.5 },
      extra: { top_k: 5 },
    });
    expect(lastBody()).toMatchObject({
      model: 'upstream-chat',
      messages: [
        { role: 'user', content: 'Look' },
        { role: 'user', content: [{ type: 'image_url', image_url: { url: 'data:image/png;base64,AA==' } }] },
        {
          role: 'assistant',
          tool_calls: [{ id: 'c', type: 'function', function: { name: 'f', arguments: '{}' } }],
        },
        { role: 'tool', tool_call_id: 'c', content: '1' },
      ],
      tools: [{ type: 'function', function: { name: 'f', parameters: { type: 'object', properties: {} } } }],
      tool_choice: 'auto',
      response_format: {
        type: 'json_schema',
        json_schema: { name: 's', schema: { type: 'object' }, strict: true },
      },
      ...{ temperature: 0, logit_bias: { 7: 1.5 }, top_k: 5, stream: false },
    });
    expect(mock.requests.at(-1)?.text()).toContain('"seed":9007199254740993');
    expect(message).toMatchObject({
      model: 'chat',
      choices: [{ message: { role: 'assistant', content: { text: 'Hello.' } }, finish_reason: 'stop' }],
      usage: { prompt_tokens: '3', completion_tokens: '2' },
      service_tier: 'flex',
      extra: { vendor: { a: 1 } },
    });
    expect(metadata.getMap()).toMatchObject({ 'x-weir-provider': 'mock', 'x-weir-attempts': '1' });
    expect(String(metadata.get('x-request-id')[0])).toStartWith('req_');
  });

  test('a stream carries chunks, usage and the id that the client gave', async () => {
    const usage = { id: 'a', object: 'chat.completion.chunk', created: 7, model: 'up', choices: [] };
    const last = dataEvents([
      { ...usage, usage: { prompt_tokens: 3, completion_tokens: 2, total_tokens: 5 } },
    ]);
    mock.respond(eventStream([chatEvent('Hel'), chatEvent('lo'), chatEvent('', 'stop'), ...last]));
    const {
      messages,
      metadata,
      status: end,
    } = await client.stream(`${WEIR}/StreamChatCompletion`, hello, {
      metadata: { 'x-request-id': 'mine-1' },
    });
    expect(lastBody()).toMatchObject({ stream: true, stream_options: { include_usage: true } });
    expect(end.code).toBe(status.OK);
    expect(metadata?.get('x-request-id')).toEqual(['mine-1']);
    expect(messages.map(({ choices }) => choices)).toMatchObject([
      [{ delta: { content: { text: 'Hel' } } }],
      [{ delta: { content: { text: 'lo' } } }],
      [{ finish_reason: 'stop' }],
      undefined,
    ]);
    expect(messages.at(-1)).toMatchObject({ usage: { total_tokens: '5' } });
  });

  test('completions, embeddings, rerank and models', async () => {
    const { message: completion } = await client.unary(`${WEIR}/Completion`, {
      ...{ model: 'simulator', prompt: { text: 'Once' }, max_tokens: 5 },
    });
    expect(completion).toMatchObject({ choices: [{ text: expect.any(String), finish_reason: 'length' }] });
    const streamed = await client.stream(`${WEIR}/StreamCompletion`, {
      model: 'simulator',
      prompt: { text: 'Once' },
    });
    expect(streamed.status.code).toBe(status.OK);
    expect(streamed.messages.length).toBeGreaterThan(2);
    const { message: vectors } = await client.unary(`${WEIR}/Embeddings`, {
      ...{ model: 'simulator-embedding', input: { texts: { values: ['a', 'b'] } }, dimensions: 8 },
    });
    expect(vectors.data).toMatchObject([
      { embedding: { length: 8 } },
      { index: 1, embedding: { length: 8 } },
    ]);
    const { message: ranked } = await client.unary(`${WEIR}/Rerank`, {
      ...{ model: 'simulator-rerank', query: 'flow', return_documents: true },
      documents: [{ text: 'a weir measures flow' }, { fields: { text: 'cat' } }],
    });
    expect(ranked.results).toMatchObject([{ document: { text: 'a weir measures flow' } }, { index: 1 }]);
    const { message: models } = await client.unary(`${WEIR}/ListModels`, {});
    expect(models.data).toContainEqual(expect.objectContaining({ id: 'chat' }));
    const { message: model } = await client.unary(`${WEIR}/GetModel`, { id: 'mock/upstream-chat' });
    expect(model).toMatchObject({ id: 'mock/upstream-chat', owned_by: 'mock' });
    expect((await failure(client.unary(`${WEIR}/GetModel`, { id: 'none' }))).code).toBe(status.NOT_FOUND);
  });

  test('compressed messages are read', async () => {
    mock.respond(json(JSON.parse(chatAnswer())));
    const compressing = gateway.connect({ 'grpc.default_compression_algorithm': 2 });
    const { message } = await compressing.unary(`${WEIR}/ChatCompletion`, {
      ...hello,
      user: 'u'.repeat(5_000),
    });
    expect(message).toMatchObject({ model: 'chat' });
    const deflating = gateway.connect({ 'grpc.default_compression_algorithm': 1 });
    const error = await failure(
      deflating.unary(`${WEIR}/ChatCompletion`, { ...hello, user: 'u'.repeat(5_000) }),
    );
    expect([error.code, error.metadata.get('grpc-accept-encoding')]).toEqual([
      status.UNIMPLEMENTED,
      ['identity,gzip'],
    ]);
  });
});

describe('errors', () => {
  test('without a key, and with a wrong one', async () => {
    const none = await failure(client.unary(`${WEIR}/ChatCompletion`, hello, { key: '' }));
    expect(none.code).toBe(status.UNAUTHENTICATED);
    expect(detailsOf(none)).toMatchObject({ ErrorInfo: { reason: 'MISSING_API_KEY', domain: 'weir' } });
    const wrong = await failure(
      client.stream(`${WEIR}/StreamChatCompletion`, hello, { key: 'x' }).then(rejectFailed),
    );
    expect(wrong.code).toBe(status.UNAUTHENTICATED);
    const key = { key: '', metadata: { 'x-api-key': gateway.adminKey } };
    expect((await client.unary(`${WEIR}/ListModels`, {}, key)).message).toHaveProperty('data');
    for (const path of [
      `${KSERVE}/ModelInfer`,
      `${KSERVE}/ModelReady`,
      `${KSERVE}/ModelMetadata`,
      `${WEIR}/GetModel`,
    ]) {
      expect((await failure(client.unary(path, {}, { key: '' }))).code).toBe(status.UNAUTHENTICATED);
    }
  });

  test('an invalid request names its field', async () => {
    const error = await failure(client.unary(`${WEIR}/ChatCompletion`, { model: 'chat' }));
    expect([error.code, error.details]).toEqual([
      status.INVALID_ARGUMENT,
      '"messages" is missing; it must be a list.',
    ]);
    expect(detailsOf(error)).toMatchObject({
      BadRequest: { field: 'messages' },
      RequestInfo: expect.stringMatching(/^req_/),
    });
  });

  test('a limit says when to retry', async () => {
    mock.respond(statusScript(429, { error: { message: 'slow down', code: 'x' } }, { 'retry-after': '7' }));
    const error = await failure(client.unary(`${WEIR}/ChatCompletion`, hello));
    expect(error.code).toBe(status.RESOURCE_EXHAUSTED);
    expect(detailsOf(error)).toMatchObject({ RetryInfo: 7 });
    expect(error.metadata.get('retry-after')).toEqual(['7']);
  });

  test('a message in other letters arrives whole', async () => {
    mock.respond(statusScript(400, { error: { message: 'Größe 100% – naïve', type: 'x', code: 'y' } }));
    expect((await failure(client.unary(`${WEIR}/ChatCompletion`, hello))).details).toContain(
      'Größe 100% – naïve',
    );
  });

  test('a stream that breaks has chunks and a status', async () => {
    mock.respond(
      eventStream([
        chatEvent('Hel'),
        ...dataEvents([{ error: { message: 'broke', code: 'x' } }], { done: false }),
      ]),
    );
    const { messages, status: end } = await client.stream(`${WEIR}/StreamChatCompletion`, hello);
    expect(messages).toHaveLength(1);
    expect(end.code).not.toBe(status.OK);
  });

  test('an unknown method, a service that is no route, another content type', async () => {
    const unknown = (path: string) =>
      new Promise<ServiceError | null>((resolve) => {
        const bytes = (value: Buffer) => value;
        client.client.makeUnaryRequest(path, bytes, bytes, Buffer.alloc(0), (error) => resolve(error));
      });
    for (const path of ['/weir.v1.InferenceService/Nope', '/v1/chat/completions', '/admin/v1/tenants', '/']) {
      expect((await unknown(path))?.code).toBe(status.UNIMPLEMENTED);
    }
  });
});

describe('deadline and cancellation', () => {
  test('the deadline of the client ends the request upstream', async () => {
    mock.respond(hang());
    const error = await failure(client.unary(`${WEIR}/ChatCompletion`, hello, { deadlineMs: 200 }));
    expect(error.code).toBe(status.DEADLINE_EXCEEDED);
    expect((await mock.requests.at(-1)?.closed)?.aborted).toBe(true);
  });

  test('a call that is cancelled in mid-stream ends upstream, and is settled exactly once', async () => {
    const counted = () =>
      metric(/^http_requests_total\{method="POST",route="\/v1\/chat\/completions",status="499"\} (\d+)/m);
    const before = Number((await counted()) ?? 0);
    const gate = createGate();
    mock.respond(slow([chatEvent('Hel'), chatEvent('lo'), chatEvent('', 'stop')], gate));
    gate.release();
    const call = client.open(`${WEIR}/StreamChatCompletion`, hello);
    const ended = collected(call);
    await new Promise<void>((resolve) => call.once('data', () => resolve()));
    call.cancel();
    expect((await ended).status.code).toBe(status.CANCELLED);
    expect((await mock.requests.at(-1)?.closed)?.aborted).toBe(true);
    await gateway.idle();
    expect(Number(await counted())).toBe(before + 1);
    expect(gateway.server.pendingRequests()).toBe(0);
  });

  test('a client that reads slowly slows the upstream down', async () => {
    const chunk = chatEvent('x'.repeat(16_000));
    const count = 500;
    mock.respond(
      eventStream([...new Array<string>(count).fill(chunk), chatEvent('', 'stop'), 'data: [DONE]\n\n']),
    );
    const call = client.open(`${WEIR}/StreamChatCompletion`, hello);
    call.pause();
    const ended = collected(call);
    call.pause();
    const request = await mock.waitForRequest(mock.requests.length);
    await gateway.settled();
    expect(gateway.server.stats().unsentBytes).toBeLessThan(2_000_000);
    expect(request.piecesSent()).toBeLessThan(count);
    call.resume();
    const { messages, status: end } = await ended;
    expect([messages.length, end.code]).toEqual([count + 1, status.OK]);
  });
});

describe('the Open Inference Protocol', () => {
  const text = (value: string) => Buffer.from(value).toString('base64');
  const input = (name: string, datatype: string, contents: Record<string, unknown[]>) => ({
    ...{ name, datatype, shape: [1], contents: JSON.parse(JSON.stringify(contents)) },
  });
  const prompt = input('text_input', 'BYTES', { bytes_contents: [text('Hi')] });

  test('text generation, with parameters as Triton’s clients send them', async () => {
    mock.respond(json(JSON.parse(chatAnswer('Hello.'))));
    const sampling = JSON.stringify({ temperature: '0.5', max_tokens: 20, stop: ['x'] });
    const { message } = await client.unary(`${KSERVE}/ModelInfer`, {
      ...{ model_name: 'chat', id: '7', parameters: { top_p: { double_param: 0.5 } } },
      inputs: [prompt, input('sampling_parameters', 'BYTES', { bytes_contents: [text(sampling)] })],
    });
    expect(lastBody()).toMatchObject({
      ...{
        messages: [{ role: 'user', content: 'Hi' }],
        temperature: 0.5,
        max_tokens: 20,
        stop: ['x'],
        top_p: 0.5,
      },
    });
    expect(message).toMatchObject({
      ...{ model_name: 'chat', id: '7' },
      outputs: [
        { name: 'text_output', datatype: 'BYTES', contents: { bytes_contents: [text('Hello.')] } },
        {},
      ],
    });
  });

  test('raw data is answered with raw data', async () => {
    mock.respond(json(JSON.parse(chatAnswer('Hello.'))));
    const raw = Buffer.from('\x02\0\0\0Hi').toString('base64');
    const { message } = await client.unary(`${KSERVE}/ModelInfer`, {
      ...{ model_name: 'chat', raw_input_contents: [raw] },
      inputs: [{ name: 'text_input', datatype: 'BYTES', shape: [1] }],
    });
    expect(message.raw_output_contents).toMatchObject([
      Buffer.from('\x06\0\0\0Hello.').toString('base64'),
      Buffer.from('\x04\0\0\0stop').toString('base64'),
    ]);
  });

  test('embeddings', async () => {
    const { message } = await client.unary(`${KSERVE}/ModelInfer`, {
      ...{ model_name: 'simulator-embedding', outputs: [{ name: 'embedding' }] },
      inputs: [{ ...prompt, shape: [2], contents: { bytes_contents: [text('a'), text('b')] } }],
      parameters: { dimensions: { int64_param: '4' } },
    });
    expect(message.outputs).toMatchObject([{ name: 'embedding', datatype: 'FP32', shape: ['2', '4'] }]);
  });

  test('tensors that do not fit are named', async () => {
    const bad = [
      [{ inputs: [] }, 'inputs'],
      [{ inputs: [{ ...prompt, shape: [2] }] }, 'inputs[0]'],
      [{ inputs: [prompt, prompt] }, 'inputs[1]'],
      [
        { inputs: [{ name: 'text_input', datatype: 'BYTES', shape: [1] }], raw_input_contents: ['/////w=='] },
        'inputs[0]',
      ],
      [{ inputs: [prompt], raw_input_contents: ['', ''] }, 'raw_input_contents'],
    ] as const;
    for (const [request, param] of bad) {
      const message = JSON.parse(JSON.stringify({ model_name: 'chat', ...request }));
      const error = await failure(client.unary(`${KSERVE}/ModelInfer`, message));
      expect([error.code, detailsOf(error).BadRequest]).toEqual([status.INVALID_ARGUMENT, { field: param }]);
    }
  });

  test('a stream of requests: parts, an error, and a final response for each', async () => {
    mock.respond(eventStream([chatEvent('Hel'), chatEvent('lo'), chatEvent('', 'stop'), 'data: [DONE]\n\n']));
    const call = client.duplex(`${KSERVE}/ModelStreamInfer`);
    const stream = input('stream', 'BOOL', { bool_contents: [true] });
    call.write(JSON.parse(JSON.stringify({ model_name: 'chat', id: '1', inputs: [prompt, stream] })));
    call.write({ model_name: 'none', id: '2', inputs: [prompt] });
    call.end();
    const { messages, status: end } = await collected(call);
    expect(end.code).toBe(status.OK);
    expect(messages).toMatchObject([
      { infer_response: { id: '1', outputs: [{ contents: { bytes_contents: [text('Hel')] } }] } },
      { infer_response: { id: '1', outputs: [{ contents: { bytes_contents: [text('lo')] } }] } },
      { infer_response: { id: '1', parameters: { triton_final_response: { bool_param: true } } } },
      { error_message: expect.stringContaining('model_not_found'), infer_response: { id: '2' } },
    ]);
  });

  test('a long stream keeps nothing of the requests that have ended', async () => {
    const compressing = gateway.connect({ 'grpc.default_compression_algorithm': 2 });
    const call = compressing.duplex(`${KSERVE}/ModelStreamInfer`);
    call.on('error', () => undefined);
    const kept: number[] = [];
    const inputs = [input('text_input', 'BYTES', { bytes_contents: [text('x'.repeat(20_000))] })];
    for (let at = 0; at < 10; at += 1) {
      mock.respond(json(JSON.parse(chatAnswer('Hello.'))));
      call.write({ model_name: 'chat', id: String(at), inputs });
      await new Promise<void>((resolve) => call.once('data', () => resolve()));
      await gateway.settled();
      kept.push(gateway.server.stats().requestBytes);
    }
    expect(Math.max(...kept)).toBe(0);
    const ended = collected(call);
    call.end();
    expect((await ended).status.code).toBe(status.OK);
    expect(gateway.server.stats().requestBytes).toBe(0);
  });

  test('server and models describe themselves', async () => {
    const call = async (name: string, message = {}) =>
      (await client.unary(`${KSERVE}/${name}`, message)).message;
    expect(await call('ServerLive')).toEqual({ live: true });
    expect(await call('ServerReady')).toEqual({ ready: true });
    expect(await call('ServerMetadata')).toMatchObject({ name: 'weir', version: '0.0.0' });
    expect(await call('ModelReady', { name: 'chat' })).toEqual({ ready: true });
    expect(await call('ModelReady', { name: 'none' })).toEqual({});
    expect(await call('ModelMetadata', { name: 'chat' })).toMatchObject({ name: 'chat', platform: 'weir' });
  });
});

describe('health and reflection need no key', () => {
  const open = { key: '' };

  test('health of the server and of its services', async () => {
    expect((await client.unary(`${HEALTH}/Check`, {}, open)).message).toEqual({ status: 'SERVING' });
    const one = await client.unary(`${HEALTH}/Check`, { service: 'weir.v1.InferenceService' }, open);
    expect(one.message).toEqual({ status: 'SERVING' });
    expect((await failure(client.unary(`${HEALTH}/Check`, { service: 'x' }, open))).code).toBe(
      status.NOT_FOUND,
    );
    const { message } = await client.unary(`${HEALTH}/List`, {}, open);
    expect(message.statuses).toMatchObject({ '': { status: 'SERVING' }, 'weir.v1.InferenceService': {} });
  });

  test.each(['v1', 'v1alpha'])(
    'reflection %s describes every service, so that a client needs no file',
    async (version) => {
      const call = client.duplex(`/grpc.reflection.${version}.ServerReflection/ServerReflectionInfo`, open);
      call.write({ list_services: '' });
      call.write({ file_containing_symbol: 'weir.v1.InferenceService.ChatCompletion' });
      call.write({ file_by_filename: 'google/protobuf/struct.proto' });
      call.write({ file_containing_symbol: 'nope' });
      call.end();
      const { messages } = await collected(call);
      expect(messages).toMatchObject([
        { list_services_response: { service: { length: 5 } } },
        { file_descriptor_response: { file_descriptor_proto: { length: 2 } } },
        { file_descriptor_response: { file_descriptor_proto: { length: 1 } } },
        { error_response: { error_code: 5 } },
      ]);
    },
  );
});

function rejectFailed({ status: end }: { readonly status: { readonly code: number } }): never {
  throw end;
}
