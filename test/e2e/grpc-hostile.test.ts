import { afterAll, afterEach, beforeAll, describe, expect, test } from 'bun:test';
import {
  ERROR,
  FLAG,
  FRAME,
  frame,
  numberFrame,
  PREFACE,
  settingsFrame,
} from '../../src/grpc/http2/frames.ts';
import { framed } from '../../src/grpc/message-reader.ts';
import { encodeMessage } from '../../src/grpc/protobuf/encode.ts';
import { PROTO } from '../../src/grpc/protobuf/generated.ts';
import { Schema } from '../../src/grpc/protobuf/schema.ts';
import { type GrpcTestGateway, startGrpcGateway } from '../support/grpc-gateway.ts';
import { RawHttp2 } from '../support/http2-raw.ts';

const CHAT = '/weir.v1.InferenceService/ChatCompletion';
const STREAM = '/weir.v1.InferenceService/StreamChatCompletion';
const INFER_STREAM = '/inference.GRPCInferenceService/ModelStreamInfer';
const LIMITS = {
  ...{ per_ip: null, head_timeout: '5s', body_timeout: '8s', write_idle: '6s', min_rate: '500B' },
  ...{
    grpc_streams: 20,
    grpc_frames: 500,
    grpc_idle: '30s',
    max_connections_per_ip: 8,
    request_memory: '2MB',
  },
};

let gateway: GrpcTestGateway;
let open: RawHttp2[] = [];
beforeAll(async () => {
  gateway = await startGrpcGateway({
    config: { limits: LIMITS, server: { body_limit: '1MB' } },
  });
});
afterEach(async () => {
  for (const client of open) client.close();
  open = [];
  // Nothing of any attack is left: no request, no connection, no byte.
  await gateway.idle();
  await gateway.empty();
  expect(gateway.defects).toEqual([]);
});
afterAll(() => gateway.close());

async function connect(hello = true): Promise<RawHttp2> {
  const client = await RawHttp2.open(gateway.port, hello);
  open.push(client);
  return client;
}

const key = () => [['authorization', `Bearer ${gateway.adminKey}`]] as const;
const message = (value: unknown) =>
  framed(encodeMessage(new Schema(PROTO).message('weir.v1.ChatCompletionRequest'), value));
const hello = (more = {}) =>
  message({ model: 'simulator', messages: [{ role: 'user', content: 'Hi' }], ...more });
const call = (stream: number, path = CHAT) => RawHttp2.call(stream, path, key());

/** A call that works, on the same connection: the attack has not harmed it. */
async function expectServed(client: RawHttp2, stream: number): Promise<void> {
  client.send(call(stream), RawHttp2.data(stream, hello(), true));
  expect((await client.statusOf(stream))['grpc-status']).toBe('0');
}

describe('messages', () => {
  test('a message of a length above the limit is rejected by its first bytes', async () => {
    const client = await connect();
    client.send(call(1), RawHttp2.data(1, Uint8Array.of(0, 0x7f, 0xff, 0xff, 0xff)));
    const status = await client.statusOf(1);
    expect([status['grpc-status'], status['grpc-message']]).toEqual([
      '8',
      expect.stringContaining('1000000 bytes'),
    ]);
    await expectServed(client, 3);
  });

  test('a message without a key is rejected before it has arrived', async () => {
    const client = await connect();
    client.send(RawHttp2.call(1, CHAT), RawHttp2.data(1, Uint8Array.of(0, 0, 0x0e, 0, 0)));
    expect((await client.statusOf(1))['grpc-status']).toBe('16');
    expect(await client.resetOf(1)).toBe(ERROR.NO_ERROR);
  });

  test.each([
    ['bytes that are no protocol buffer', framed(Uint8Array.of(0xff, 0xff, 0xff)), '3'],
    ['a flag that does not exist', Uint8Array.of(9, 0, 0, 0, 0), '3'],
    ['a message that ends early', hello().subarray(0, 12), '3'],
    ['two messages', Buffer.concat([hello(), hello()]), '3'],
    ['no message', new Uint8Array(0), '3'],
    ['a compressed message that is not gzip', Uint8Array.of(1, 0, 0, 0, 1, 7), '3'],
  ])('%s', async (_name, bytes, code) => {
    const client = await connect();
    client.send(RawHttp2.call(1, CHAT, [...key(), ['grpc-encoding', 'gzip']]), RawHttp2.data(1, bytes, true));
    expect((await client.statusOf(1))['grpc-status']).toBe(code);
    await expectServed(client, 3);
  });

  test('a message that expands beyond the limit is rejected while it is expanded', async () => {
    const client = await connect();
    const bomb = Bun.gzipSync(new Uint8Array(50_000_000));
    const prefix = Uint8Array.of(1, 0, 0, bomb.length >> 8, bomb.length & 255);
    client.send(RawHttp2.call(1, CHAT, [...key(), ['grpc-encoding', 'gzip']]), RawHttp2.data(1, prefix));
    for (let at = 0; at < bomb.length; at += 16_000) {
      client.send(RawHttp2.data(1, bomb.subarray(at, at + 16_000), at + 16_000 >= bomb.length));
    }
    expect((await client.statusOf(1))['grpc-status']).toBe('8');
  });

  test('a sender that is too slow is ended, also one that sends a byte now and then', async () => {
    const client = await connect();
    client.send(call(1), RawHttp2.data(1, hello().subarray(0, 6)));
    client.send(call(3));
    await client.until(() => (gateway.server.pendingRequests() === 2 ? true : undefined));
    await gateway.settled();
    gateway.tick(8);
    expect((await client.statusOf(1))['grpc-status']).toBe('4');
    expect((await client.statusOf(3))['grpc-status']).toBe('4');
    await expectServed(client, 5);
  });

  test('the memory for requests is shared by all connections', async () => {
    const clients = await Promise.all([connect(), connect(), connect()]);
    const part = new Uint8Array(16_000);
    const prefix = Uint8Array.of(0, 0, 0x0e, 0, 0);
    for (const client of clients) {
      client.send(call(1), RawHttp2.data(1, prefix));
      await client.until(() =>
        client.frames.some(({ type, stream }) => type === FRAME.WINDOW_UPDATE && stream === 1)
          ? true
          : undefined,
      );
      for (let sent = 0; sent < 50; sent += 1) client.send(RawHttp2.data(1, part));
    }
    const statuses = await Promise.race(clients.map((client) => client.statusOf(1)));
    expect([statuses['grpc-status'], statuses['retry-after']]).toEqual(['14', '5']);
  });
});

describe('floods', () => {
  test.each([
    ['PING', frame(FRAME.PING, 0, 0, new Uint8Array(8))],
    ['SETTINGS', settingsFrame([[4, 65_535]])],
    ['PRIORITY', frame(FRAME.PRIORITY, 0, 1, new Uint8Array(5))],
    ['WINDOW_UPDATE', numberFrame(FRAME.WINDOW_UPDATE, 0, 1)],
    ['frames of an unknown type', frame(0x77, 0, 0)],
  ])('%s', async (_name, bytes) => {
    const client = await connect();
    client.send(Buffer.concat(new Array<Uint8Array>(600).fill(bytes)));
    expect(await client.goAway()).toMatchObject({ code: ERROR.ENHANCE_YOUR_CALM });
    await client.closed();
  });

  test.each([0, 1])('DATA of %d bytes', async (length) => {
    const client = await connect();
    client.send(
      call(1),
      Buffer.concat(new Array<Uint8Array>(600).fill(RawHttp2.data(1, new Uint8Array(length)))),
    );
    expect(await client.goAway()).toMatchObject({ code: ERROR.ENHANCE_YOUR_CALM });
  });

  test('streams that are opened and reset at once', async () => {
    const client = await connect();
    for (let stream = 1; stream < 2_200; stream += 2) {
      client.send(call(stream), numberFrame(FRAME.RST_STREAM, stream, ERROR.CANCEL));
    }
    expect(await client.goAway()).toMatchObject({ code: ERROR.ENHANCE_YOUR_CALM });
  });

  test('streams that are refused', async () => {
    const client = await connect();
    for (let stream = 1; stream < 2_200; stream += 2) client.send(call(stream));
    expect(await client.goAway()).toMatchObject({ code: ERROR.ENHANCE_YOUR_CALM });
  });

  test('a header block without an end', async () => {
    const client = await connect();
    client.send(frame(FRAME.HEADERS, 0, 1, new Uint8Array(10)));
    for (let sent = 0; sent < 20; sent += 1)
      client.send(frame(FRAME.CONTINUATION, 0, 1, new Uint8Array(1_000)));
    expect(await client.goAway()).toMatchObject({ code: ERROR.ENHANCE_YOUR_CALM });
  });

  test('more streams than allowed are refused, and the others are served', async () => {
    const client = await connect();
    for (let stream = 1; stream <= 41; stream += 2) client.send(call(stream));
    expect(await client.resetOf(41)).toBe(ERROR.REFUSED_STREAM);
    client.send(RawHttp2.data(1, hello(), true));
    expect((await client.statusOf(1))['grpc-status']).toBe('0');
  });

  test('more connections than allowed are closed with the reason', async () => {
    for (let count = 0; count < 8; count += 1) await connect();
    await gateway.settled();
    const refused = await connect();
    expect((await refused.goAway()).reason).toContain('limits.max_connections_per_ip');
    await refused.closed();
  });
});

describe('bytes that are not HTTP/2', () => {
  test('another protocol gets a text', async () => {
    const client = await RawHttp2.openText(gateway.port, 'GET / HTTP/1.1\r\nhost: x\r\n\r\n');
    expect(client).toContain('This port serves gRPC over HTTP/2');
  });

  test.each([
    ['a frame that is too large', Uint8Array.of(0, 0x40, 1, 0, 0, 0, 0, 0, 1), ERROR.FRAME_SIZE_ERROR],
    ['DATA of no stream', RawHttp2.data(1, new Uint8Array(1)), ERROR.PROTOCOL_ERROR],
    ['a stream with an even number', RawHttp2.call(2, CHAT), ERROR.PROTOCOL_ERROR],
    [
      'padding longer than the frame',
      frame(FRAME.HEADERS, FLAG.PADDED, 1, Uint8Array.of(9)),
      ERROR.PROTOCOL_ERROR,
    ],
    [
      'a header block that is no HPACK',
      frame(FRAME.HEADERS, FLAG.END_HEADERS, 1, Uint8Array.of(0xff)),
      ERROR.COMPRESSION_ERROR,
    ],
    ['a push', frame(FRAME.PUSH_PROMISE, 0, 1, new Uint8Array(8)), ERROR.PROTOCOL_ERROR],
    ['a PING of seven bytes', frame(FRAME.PING, 0, 0, new Uint8Array(7)), ERROR.FRAME_SIZE_ERROR],
    [
      'a window that is too large',
      numberFrame(FRAME.WINDOW_UPDATE, 0, 0x7fff_ffff),
      ERROR.FLOW_CONTROL_ERROR,
    ],
    ['a setting that is not allowed', settingsFrame([[5, 1]]), ERROR.PROTOCOL_ERROR],
    ['an end that continues nothing', frame(FRAME.CONTINUATION, FLAG.END_HEADERS, 1), ERROR.PROTOCOL_ERROR],
  ])('%s', async (_name, bytes, code) => {
    const client = await connect();
    client.send(bytes);
    expect(await client.goAway()).toMatchObject({ code });
    await client.closed();
  });

  test.each([
    ['a header of HTTP/1.1', [['connection', 'close']]],
    ['a name in upper case', [['X-A', 'b']]],
    ['a line end in a value', [['x-a', 'b\r\nc: d']]],
    ['a pseudo-header after others', [[':path', '/x']]],
  ] as const)('%s ends only its stream', async (_name, more) => {
    const client = await connect();
    client.send(RawHttp2.call(1, CHAT, [...key(), ...more]));
    expect(await client.resetOf(1)).toBe(ERROR.PROTOCOL_ERROR);
    await expectServed(client, 3);
  });

  test('requests that are not gRPC get a status of HTTP', async () => {
    const client = await connect();
    const request = (method: string, type: string) =>
      [
        [':method', method],
        [':scheme', 'http'],
        [':path', CHAT],
        ['content-type', type],
      ] as const;
    client.send(RawHttp2.request(1, request('GET', 'application/grpc')));
    client.send(RawHttp2.request(3, request('POST', 'application/json')));
    expect([(await client.statusOf(1))[':status'], (await client.statusOf(3))[':status']]).toEqual([
      '405',
      '415',
    ]);
  });

  test('headers that are too large are refused, and the connection goes on', async () => {
    const client = await connect();
    client.send(RawHttp2.call(1, CHAT, [...key(), ['x-a', 'a'.repeat(15_000)], ['x-b', 'b'.repeat(1_000)]]));
    expect(await client.resetOf(1)).toBe(ERROR.ENHANCE_YOUR_CALM);
    await expectServed(client, 3);
  });
});

describe('time', () => {
  test('a connection that says nothing', async () => {
    const client = await connect(false);
    await gateway.settled();
    gateway.tick(5);
    await client.closed();
  });

  test('a preface that does not end, and a frame that does not', async () => {
    const first = await connect(false);
    first.send(PREFACE.subarray(0, 10));
    const second = await connect();
    second.send(Uint8Array.of(0, 0, 8, FRAME.PING));
    await gateway.settled();
    gateway.tick(5);
    await first.closed();
    expect(await second.goAway()).toMatchObject({ reason: 'limits.head_timeout' });
  });

  test('a connection without a call is asked to end, and ends', async () => {
    const client = await connect();
    await gateway.settled();
    gateway.tick(31);
    expect(await client.goAway()).toMatchObject({ code: ERROR.NO_ERROR });
    await client.closed();
  });

  test('a stream of requests without a message ends', async () => {
    const client = await connect();
    client.send(call(1, INFER_STREAM));
    await client.until(() => (gateway.server.pendingRequests() === 1 ? true : undefined));
    await gateway.settled();
    gateway.tick(30);
    expect((await client.statusOf(1))['grpc-message']).toContain('limits.grpc_idle');
  });

  test('a client that takes nothing of its response is disconnected, and what waits for it is bounded', async () => {
    const client = await connect();
    client.send(settingsFrame([[4, 0]]), call(1, STREAM));
    client.send(RawHttp2.data(1, hello({ max_tokens: 500 }), true));
    await client.until(() => (gateway.server.stats().unsentBytes > 0 ? true : undefined));
    await gateway.settled();
    expect(gateway.server.stats().unsentBytes).toBeLessThan(200_000);
    gateway.tick(8);
    await client.closed();
  });

  test('the deadline of a call that sends nothing ends it', async () => {
    const client = await connect();
    client.send(RawHttp2.call(1, CHAT, [...key(), ['grpc-timeout', '50m']]));
    expect((await client.statusOf(1))['grpc-status']).toBe('4');
    client.send(RawHttp2.call(3, CHAT, [...key(), ['grpc-timeout', 'soon']]));
    expect((await client.statusOf(3))['grpc-status']).toBe('3');
  });
});
