import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { APIError } from 'openai';
import { type Gateway, startGateway } from '../support/gateway.ts';
import { openRaw, requestBytes, sendRaw } from '../support/http-raw.ts';
import { type MockUpstream, startMockUpstream } from '../support/mock-upstream.ts';
import { chat, completion, eventually, expectError, metric, mockConfig, post } from './harness.ts';

const CHAT = '/v1/chat/completions';
let mock: MockUpstream;
let gateway: Gateway;
let auth: Record<string, string>;

beforeAll(async () => {
  mock = await startMockUpstream();
  mock.respondAlways(completion());
  gateway = await startGateway({ config: mockConfig(mock.url) });
  auth = { authorization: `Bearer ${gateway.adminKey}`, 'content-type': 'application/json' };
});

afterAll(async () => {
  await gateway?.stop();
  await mock?.close();
});

/** Runs the work, which must send nothing upstream, and checks that the gateway still answers well afterwards. */
async function nothingUpstream(work: () => Promise<unknown>): Promise<void> {
  const before = mock.requests.length;
  await work();
  expect(mock.requests.length).toBe(before);
  expect((await post(gateway, chat())).status).toBe(200);
}

const refused = (body: string | Uint8Array<ArrayBuffer>, status: number, code: string) =>
  post(gateway, body).then((response) => expectError(response, status, code));

describe('names and keys', () => {
  test('an unknown model is named, with those it may have meant', async () => {
    await nothingUpstream(async () => {
      const error = await refused(chat({ model: 'chta' }), 404, 'model_not_found');
      expect(error.message).toContain('"chta"');
      expect(error.message).toContain('"chat"');
      expect(error.param).toBe('model');
    });
  });

  test('the SDK gets its own error classes', async () => {
    const sdk = gateway.openai();
    const call = sdk.chat.completions.create({ model: 'nosuch', messages: [{ role: 'user', content: 'x' }] });
    const error = await call.catch((thrown: unknown) => thrown);
    if (!(error instanceof APIError)) throw new Error('expected an APIError');
    expect([error.constructor.name, error.status, error.code, error.param]).toEqual([
      'NotFoundError',
      404,
      'model_not_found',
      'model',
    ]);
    const denied = gateway.openai({ apiKey: 'wrong' }).models.list();
    expect(await denied.catch((thrown: unknown) => (thrown instanceof APIError ? thrown.status : 0))).toBe(
      401,
    );
  });

  test.each([
    ['no key', { authorization: '' }, 'missing_api_key'],
    ['an empty key', { authorization: 'Bearer ' }, 'missing_api_key'],
    ['another scheme', { authorization: 'Basic dXNlcjpwYXNz' }, 'missing_api_key'],
    ['a wrong key', { authorization: 'Bearer wr-000000000000000000000000' }, 'invalid_api_key'],
    ['a wrong x-api-key', { authorization: '', 'x-api-key': 'nope' }, 'invalid_api_key'],
    ['a very long key', { authorization: `Bearer ${'k'.repeat(5_000)}` }, 'invalid_api_key'],
  ])('%s is refused before the body is looked at', async (_, headers, code) => {
    await nothingUpstream(async () => {
      const response = await post(gateway, 'not JSON', { headers });
      expect(response.headers.get('www-authenticate')).toStartWith('Bearer');
      const error = await expectError(response, 401, code);
      expect(error.type).toBe('authentication_error');
      expect(JSON.stringify(error)).not.toContain('kkkk');
    });
  });
});

describe('bodies', () => {
  test('a JSON error is located', async () => {
    await nothingUpstream(async () => {
      const error = await refused('{"model": "chat",\n  "messages": [}', 400, 'invalid_json');
      expect(error.message).toContain('line 2, column 16 (offset 33)');
    });
  });

  test.each([
    ['an empty body', ''],
    ['a list', '[]'],
    ['null', 'null'],
    ['a number', '7'],
    ['a text', '"x"'],
    ['a trailing comma', '{"model":"chat",}'],
    ['single quotes', "{'model':'chat'}"],
    ['two objects', '{}{}'],
    ['a comment', '{/* no */}'],
    ['NaN', '{"temperature":NaN}'],
  ])('%s is not a JSON object', async (_, body) => {
    await nothingUpstream(() => refused(body, 400, 'invalid_json'));
  });

  test('invalid UTF-8 is refused, not replaced', async () => {
    const body = new Uint8Array(Buffer.from(chat({ messages: [{ role: 'user', content: 'abcdef' }] })));
    body[body.indexOf(0x62)] = 0xff;
    await nothingUpstream(async () => {
      const error = await refused(body, 400, 'invalid_json');
      expect(error.message).toContain('UTF-8');
    });
  });

  test.each([
    ['messages', 'no messages', { messages: undefined }],
    ['messages', 'empty messages', { messages: [] }],
    ['messages', 'messages of a wrong type', { messages: 'Hi' }],
    ['messages[0].role', 'a message without a role', { messages: [{ content: 'Hi' }] }],
    [
      'messages[1].content',
      'content of a wrong type',
      {
        messages: [
          { role: 'user', content: 'a' },
          { role: 'user', content: 5 },
        ],
      },
    ],
    ['model', 'no model', { model: undefined }],
    ['model', 'an empty model', { model: '' }],
    ['model', 'a model of a wrong type', { model: 5 }],
    ['stream', 'stream as text', { stream: 'yes' }],
    ['temperature', 'temperature as text', { temperature: 'hot' }],
    ['max_tokens', 'no tokens', { max_tokens: 0 }],
    ['tools[0].type', 'a tool without a type', { tools: [{}] }],
  ])('`%s` is named: %s', async (param, _, members) => {
    await nothingUpstream(async () => {
      const error = await refused(chat(members), 400, 'invalid_request');
      expect(error.param).toBe(param);
      expect(error.message).toContain(param);
    });
  });

  test('types and encodings that are not read are refused', async () => {
    await nothingUpstream(async () => {
      const typed = await post(gateway, chat(), { headers: { 'content-type': 'text/plain' } });
      await expectError(typed, 415, 'unsupported_media_type');
      const packed = await post(gateway, chat(), { headers: { 'content-encoding': 'compress' } });
      expect((await expectError(packed, 415, 'unsupported_media_type')).message).toContain('"compress"');
    });
  });

  test('JSON types with parameters are read', async () => {
    for (const type of ['application/json; charset=utf-8', 'Application/JSON', 'application/vnd.api+json']) {
      expect((await post(gateway, chat(), { headers: { 'content-type': type } })).status).toBe(200);
    }
  });

  test('deep nesting is forwarded up to its limit, and ends no process', async () => {
    const rest = (depth: number) =>
      `"messages":[{"role":"user","content":"x"}],"deep":${'['.repeat(depth)}${']'.repeat(depth)}}`;
    const before = mock.requests.length;
    expect((await post(gateway, `{"model":"chat",${rest(127)}`)).status).toBe(200);
    expect(mock.requests[before]?.text()).toBe(`{"model":"upstream-chat",${rest(127)}`);
    await nothingUpstream(async () => {
      for (const depth of [128, 50_000, 1_000_000]) {
        const error = await refused(`{"model":"chat",${rest(depth)}`, 400, 'invalid_request');
        expect(error.message).toContain('at most 128 levels');
        expect(error.param).toBe('deep[0][0][0][0][0]...');
      }
      await refused('['.repeat(100_000), 400, 'invalid_request');
      await refused('{"a":'.repeat(100_000), 400, 'invalid_request');
    });
  });

  test('a repeated key is rejected at every endpoint, so that no parser sees another value', async () => {
    const chatBody = (members: string) =>
      `{"model":"chat","messages":[{"role":"user","content":"x"}],${members}}`;
    const bodies: readonly (readonly [path: string, body: string, param: string])[] = [
      [CHAT, '{"model":"other","messages":[{"role":"user","content":"x"}],"model":"chat"}', 'model'],
      [CHAT, chatBody('"max_tokens":50000,"max_tokens":1'), 'max_tokens'],
      [CHAT, chatBody('"max_tokens":50000,"max\\u005ftokens":1'), 'max_tokens'],
      [CHAT, chatBody('"stream":true,"stream":false'), 'stream'],
      ['/v1/completions', '{"model":"chat","prompt":"x","n":100,"n":1}', 'n'],
      ['/v1/embeddings', '{"model":"chat","input":"x","input":"y"}', 'input'],
      ['/v1/rerank', '{"model":"chat","query":"x","documents":["a"],"documents":["b"]}', 'documents'],
      [
        '/v1/responses',
        '{"model":"chat","input":"x","max_output_tokens":9,"max_output_tokens":1}',
        'max_output_tokens',
      ],
      ['/v1/text2sql', chatBody('"schema":"a","schema":"b"'), 'schema'],
      ['/inference', '{"prompt":"x","max_tokens":9,"max_tokens":1}', 'max_tokens'],
      ['/v1/estimate', chatBody('"max_tokens":9,"max_tokens":1'), 'max_tokens'],
      ['/admin/v1/tenants', '{"id":"a","name":"a","id":"b"}', 'id'],
      ['/v1/auth/sign-in', '{"email":"a@b.test","password":"x","password":"y"}', 'password'],
    ];
    const send = (path: string, body: string) =>
      fetch(`${gateway.url}${path}`, { method: 'POST', headers: auth, body });
    await nothingUpstream(async () => {
      for (const [path, body, param] of bodies) {
        const error = await expectError(await send(path, body), 400, 'invalid_request');
        expect([path, error.param, error.message]).toEqual([
          path,
          param,
          expect.stringContaining(`"${param}" twice`),
        ]);
      }
      const thinking = '{"type":"enabled","budget_tokens":9,"budget_tokens":9000}';
      const body = `{"model":"chat","max_tokens":9,"messages":[{"role":"user","content":"x"}],"thinking":${thinking}}`;
      const response = await send('/v1/messages', body);
      expect([response.status, await response.json()]).toMatchObject([
        400,
        { error: { message: expect.stringContaining('"budget_tokens" twice in "thinking"') } },
      ]);
      const url = `${gateway.url}/stream?prompt=x&max_tokens=9&max_tokens=1`;
      await expectError(await fetch(url, { headers: auth }), 400, 'invalid_request');
    });
  });

  test('large numbers are forwarded as they are written', async () => {
    const body = '{"model":"chat","messages":[{"role":"user","content":"x"}],"big":12345678901234567890}';
    const before = mock.requests.length;
    expect((await post(gateway, body)).status).toBe(200);
    expect(mock.requests[before]?.text()).toBe(body.replace('"chat"', '"upstream-chat"'));
  });

  test('a key that is written with escapes is the same key', async () => {
    const body = '{"mod\\u0065l":"chat","messages":[{"role":"user","content":"x"}]}';
    const before = mock.requests.length;
    expect((await post(gateway, body)).status).toBe(200);
    expect(mock.requests[before]?.json()).toEqual({
      model: 'upstream-chat',
      messages: [{ role: 'user', content: 'x' }],
    });
  });
});

describe('large and half-finished bodies', () => {
  const MB = 1_000_000;

  test('30 MB with Content-Length are refused unread', async () => {
    await nothingUpstream(async () => {
      const connection = await openRaw(gateway.url);
      const headers = { ...auth, 'content-length': String(30 * MB) };
      await connection.send(requestBytes({ method: 'POST', target: CHAT, headers }));
      const error = await expectError(await connection.readResponse(), 413, 'request_too_large');
      expect(error.message).toContain('20000000');
      connection.destroy();
    });
  });

  test('30 MB that are sent anyway get the same answer', async () => {
    await nothingUpstream(async () => {
      const connection = await openRaw(gateway.url);
      const head = requestBytes({
        method: 'POST',
        target: CHAT,
        headers: { ...auth, 'content-length': String(30 * MB) },
      });
      await connection.send(head);
      const sending = sendPieces(connection, new Uint8Array(MB).fill(32), 30);
      await expectError(await connection.readResponse(), 413, 'request_too_large');
      connection.destroy();
      await sending;
    });
  });

  test('30 MB in chunks are refused as soon as they are too many', async () => {
    await nothingUpstream(async () => {
      const connection = await openRaw(gateway.url);
      const headers = { ...auth, 'transfer-encoding': 'chunked' };
      await connection.send(requestBytes({ method: 'POST', target: CHAT, headers }));
      const piece = Buffer.concat([Buffer.from('f4240\r\n'), Buffer.alloc(MB, 32), Buffer.from('\r\n')]);
      const sending = sendPieces(connection, piece, 30);
      await expectError(await connection.readResponse(), 413, 'request_too_large');
      connection.destroy();
      await sending;
    });
  });

  async function sendPieces(
    connection: Awaited<ReturnType<typeof openRaw>>,
    piece: Uint8Array,
    count: number,
  ): Promise<void> {
    let open = true;
    void connection.closed.then(() => {
      open = false;
    });
    for (let sent = 0; sent < count && open; sent += 1) await connection.send(piece);
  }

  test('a body of almost the limit passes', async () => {
    const content = 'x'.repeat(19 * MB);
    const before = mock.requests.length;
    expect((await post(gateway, chat({ messages: [{ role: 'user', content }] }))).status).toBe(200);
    expect(mock.requests[before]?.body.length).toBeGreaterThan(19 * MB);
  });

  test.each([
    ['Content-Length', { 'content-length': '500' }, chat()],
    ['chunks', { 'transfer-encoding': 'chunked' }, `40\r\n${chat().slice(0, 0x40)}\r\n`],
  ])(
    'a client that leaves in the middle of its body (%s) leaves nothing behind',
    async (_, framing, part) => {
      await nothingUpstream(async () => {
        const connections = await Promise.all(Array.from({ length: 10 }, () => openRaw(gateway.url)));
        for (const connection of connections) {
          await connection.send(
            requestBytes({ method: 'POST', target: CHAT, headers: { ...auth, ...framing } }),
            part,
          );
        }
        await eventually(
          'all are being handled',
          async () => (await metric(gateway, 'llm_requests_in_flight')) === 10,
        );
        for (const [index, connection] of connections.entries()) {
          if (index % 2 === 0) connection.destroy();
          else connection.reset();
        }
        await eventually('none is left', async () => (await metric(gateway, 'llm_requests_in_flight')) === 0);
      });
    },
  );

  test('clients that send slowly do not delay others', async () => {
    const body = chat();
    const head = requestBytes({
      method: 'POST',
      target: CHAT,
      headers: { ...auth, 'content-length': String(body.length) },
    });
    const slow = await Promise.all(Array.from({ length: 50 }, () => openRaw(gateway.url)));
    for (const connection of slow) await connection.send(head, body.slice(0, 10));
    const others = await Promise.all(Array.from({ length: 20 }, () => post(gateway, chat())));
    expect(others.map(({ status }) => status)).toEqual(others.map(() => 200));
    for (const connection of slow) {
      await connection.send(body.slice(10));
      expect((await connection.readResponse()).status).toBe(200);
      connection.destroy();
    }
  });
});

describe('paths, methods and headers', () => {
  test('an unknown path', async () => {
    const response = await fetch(`${gateway.url}/v1/nothing`, { method: 'POST', headers: auth, body: '{}' });
    expect((await expectError(response, 404, 'not_found')).message).toContain('/v1/nothing');
  });

  test('a method that does not fit says which ones do', async () => {
    const response = await fetch(gateway.url + CHAT, { headers: auth });
    expect(response.headers.get('allow')).toBe('POST');
    await expectError(response, 405, 'method_not_allowed');
    const removed = await fetch(`${gateway.url}/v1/models`, { method: 'DELETE', headers: auth });
    expect(removed.headers.get('allow')).toContain('GET');
    await expectError(removed, 405, 'method_not_allowed');
    const odd = await sendRaw(gateway.url, requestBytes({ method: 'PROPFIND', target: CHAT, headers: auth }));
    await expectError(odd, 405, 'method_not_allowed');
  });

  test.each(['soon', '-1s', '0s', '10', '1e3ms', '5 m', ''])(
    'x-weir-timeout: "%s" is refused',
    async (value) => {
      await nothingUpstream(async () => {
        const request = requestBytes({
          method: 'POST',
          target: CHAT,
          headers: { ...auth, 'x-weir-timeout': value },
          body: chat(),
        });
        const error = await expectError(await sendRaw(gateway.url, request), 400, 'invalid_request');
        expect(error.param).toBe('x-weir-timeout');
      });
    },
  );

  test.each([
    ['spaces', 'a b'],
    ['markup', '<script>alert(1)</script>'],
    ['too long', 'x'.repeat(129)],
    ['bytes beyond ASCII', 'caf\xe9'],
    ['an escaped line end', 'a%0d%0aset-cookie:x'],
  ])('a request id with %s is replaced', async (_, id) => {
    const response = await sendRaw(
      gateway.url,
      Buffer.from(`GET /health/live HTTP/1.1\r\nhost: x\r\nx-request-id: ${id}\r\n\r\n`, 'latin1'),
    );
    expect(response.headers.get('x-request-id')).toMatch(/^req_[0-9a-f]{32}$/);
    expect(response.headers.get('set-cookie')).toBeNull();
  });

  test.each([
    [
      'a bare CR in a header',
      'GET /health/live HTTP/1.1\r\nhost: x\r\nx-request-id: a\rset-cookie: b=c\r\n\r\n',
    ],
    [
      'a bare LF in a header',
      'GET /health/live HTTP/1.1\r\nhost: x\r\nx-request-id: a\nset-cookie: b=c\r\n\r\n',
    ],
    [
      'both framings',
      `POST ${CHAT} HTTP/1.1\r\nhost: x\r\ncontent-length: 4\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\nGET /smuggled HTTP/1.1\r\nhost: x\r\n\r\n`,
    ],
    [
      'two lengths',
      `POST ${CHAT} HTTP/1.1\r\nhost: x\r\ncontent-length: 4\r\ncontent-length: 40\r\n\r\nabcd`,
    ],
    ['no HTTP', '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\r\n\r\n'],
  ])('%s splits no response', async (_, bytes) => {
    const connection = await openRaw(gateway.url);
    await connection.send(Buffer.from(bytes, 'latin1'));
    connection.halfClose();
    await connection.closed;
    const text = Buffer.from(connection.received()).toString('latin1');
    expect(text).not.toMatch(/^set-cookie/im);
    expect(text).not.toContain('smuggled');
    expect(text.match(/HTTP\/1\.1 200/g)?.length ?? 0).toBeLessThanOrEqual(1);
    expect((await fetch(`${gateway.url}/health/live`)).status).toBe(200);
  });
});

test('nothing of this was a defect, and nothing is left open', async () => {
  await eventually('no request is left', async () => (await metric(gateway, 'llm_requests_in_flight')) === 0);
  expect(mock.openRequests()).toBe(0);
  expect(gateway.logs().filter(({ level }) => level === 'error')).toEqual([]);
  expect(gateway.stderr()).toBe('');
});
