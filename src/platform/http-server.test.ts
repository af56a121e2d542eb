import { afterEach, describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import { openRaw, type RawConnection, requestBytes } from '../../test/support/http-raw.ts';
import {
  BodyError,
  HeaderBlock,
  type HeaderValue,
  type HttpReply,
  type HttpRequest,
  ReplyHeaders,
} from '../core/http.ts';
import { PushStream } from '../core/push-stream.ts';
import { type HttpServer, startHttpServer } from './http-server.ts';

const BASE = new HeaderBlock({ 'x-base': '1' });
const reply = (
  status: number,
  body: HttpReply['body'],
  headers: Readonly<Record<string, HeaderValue>> = {},
): HttpReply => ({
  status,
  base: BASE,
  headers: ReplyHeaders.of(headers),
  body,
});
const text = (bytes: Uint8Array) => Buffer.from(bytes).toString();
/** Tells what was received. */
const echo = async (request: HttpRequest) =>
  reply(200, `${request.method} ${request.target} ${text(await request.readBody(1_000_000))}`);

let servers: HttpServer[] = [];
let connections: RawConnection[] = [];
afterEach(() => {
  for (const connection of connections) connection.destroy();
  for (const server of servers) server.terminate();
  servers = [];
  connections = [];
});

function start(handle: (request: HttpRequest) => HttpReply | Promise<HttpReply> = echo) {
  const errors: unknown[] = [];
  let tick = (): void => undefined;
  const server = startHttpServer({
    host: '127.0.0.1',
    port: 0,
    handle,
    refuse: (status, message) => reply(status, message),
    onError: (error) => errors.push(error),
    everySecond: (callback) => {
      tick = callback;
      return () => undefined;
    },
  });
  servers.push(server);
  const open = async () => {
    const connection = await openRaw(`http://127.0.0.1:${server.port}`);
    connections.push(connection);
    return connection;
  };
  const seconds = (count: number) => {
    for (let second = 0; second < count; second += 1) tick();
  };
  return { server, open, errors, seconds };
}

const post = (body: string, headers: Record<string, string> = {}) =>
  requestBytes({ method: 'POST', target: '/p', body, headers });

describe('requests', () => {
  test('one after the other on a connection', async () => {
    const connection = await start().open();
    for (const body of ['one', '', 'ünï']) {
      await connection.send(post(body));
      const response = await connection.readResponse();
      expect([response.status, response.text()]).toEqual([200, `POST /p ${body}`]);
      expect(response.headers.get('x-base')).toBe('1');
      expect(Date.parse(response.headers.get('date') ?? '')).toBeGreaterThan(0);
    }
  });

  test('cut anywhere, and sent ahead of the answers, are the same requests', async () => {
    const { open } = start(async (request) => {
      const { status, base, headers, body } = await echo(request);
      return { status, base, headers, body };
    });
    const chunked =
      'POST /c HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\nA;x=1\r\n0123456789\r\n0\r\n\r\n';
    const all = Buffer.concat([
      post('first'),
      Buffer.from(chunked),
      requestBytes({ target: '/g?q=%20' }),
      Buffer.from('\r\nGET http://other.test/abs HTTP/1.1\r\nhost: x\r\n\r\n'),
      post('x'.repeat(300)),
    ]);
    const expected = [
      'POST /p first',
      'POST /c abc0123456789',
      'GET /g?q=%20 ',
      'GET /abs ',
      `POST /p ${'x'.repeat(300)}`,
    ];
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.integer({ min: 1, max: all.length - 1 }), { maxLength: 8 }),
        async (cuts) => {
          const connection = await open();
          let from = 0;
          for (const cut of [...cuts.sort((a, b) => a - b), all.length]) {
            if (cut > from) await connection.send(all.subarray(from, cut));
            from = cut;
          }
          const bodies: string[] = [];
          for (const _ of expected) bodies.push((await connection.readResponse()).text());
          expect(bodies).toEqual(expected);
          connection.destroy();
        },
      ),
      { numRuns: 60 },
    );
  });

  test('thousands at once are answered in their order', async () => {
    const connection = await start((request) => reply(200, request.target)).open();
    const COUNT = 3_000;
    const sent = Array.from({ length: COUNT }, (_, at) => requestBytes({ target: `/${at}` }));
    const sending = connection.send(...sent);
    for (let at = 0; at < COUNT; at += 1) expect((await connection.readResponse()).text()).toBe(`/${at}`);
    await sending;
  });

  test('know where they come from and what they ask for', async () => {
    let seen: HttpRequest | undefined;
    const connection = await start((request) => {
      seen = request;
      return reply(200, null);
    }).open();
    await connection.send('GET /a?b=c HTTP/1.1\r\nHost: weir.test:81\r\nX-Two: 1\r\nx-two: 2\r\n\r\n');
    expect((await connection.readResponse()).headers.get('content-length')).toBe('0');
    expect(seen).toMatchObject({
      remoteAddress: '127.0.0.1',
      url: 'http://weir.test:81/a?b=c',
      target: '/a?b=c',
    });
    expect([seen?.headers.get('x-two'), seen?.headers.get('none'), seen?.headers.has('x-two')]).toEqual([
      '1, 2',
      null,
      true,
    ]);
  });

  test.each([
    ['HTTP/1.0 is closed after the answer', 'GET / HTTP/1.0\r\n\r\n', 'close'],
    ['HTTP/1.0 that asks for more', 'GET / HTTP/1.0\r\nconnection: keep-alive\r\n\r\n', 'keep-alive'],
    ['a client that asks for the end', 'GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n', 'close'],
    ['a client that says nothing', 'GET / HTTP/1.1\r\nhost: x\r\n\r\n', null],
  ])('%s', async (_, bytes, connectionHeader) => {
    const connection = await start().open();
    await connection.send(bytes);
    const { headers, status } = await connection.readResponse();
    expect([status, headers.get('connection')]).toEqual([200, connectionHeader]);
    if (connectionHeader === 'close') expect(await connection.closed).toMatchObject({ by: 'server' });
    else {
      await connection.send(bytes);
      expect((await connection.readResponse()).status).toBe(200);
    }
  });

  test('a client that waits to be asked for the body is asked, if it is wanted', async () => {
    const { open } = start((request) => (request.target === '/p' ? echo(request) : reply(403, 'no')));
    const wanted = await open();
    await wanted.send('POST /p HTTP/1.1\r\nhost: x\r\nexpect: 100-continue\r\ncontent-length: 2\r\n\r\n');
    await wanted.waitForText('100 Continue');
    await wanted.send('ok');
    expect((await wanted.readResponse()).text()).toBe('POST /p ok');
    const unwanted = await open();
    await unwanted.send('POST /no HTTP/1.1\r\nhost: x\r\nexpect: 100-continue\r\ncontent-length: 2\r\n\r\n');
    const { status, headers } = await unwanted.readResponse();
    expect([status, headers.get('connection')]).toEqual([403, 'close']);
    expect(text(unwanted.received())).not.toContain('100 Continue');
    expect(await unwanted.closed).toMatchObject({ by: 'server' });
  });
});

describe('what is no request is refused, and its connection closed', () => {
  test.each([
    ['no HTTP at all', 'hello there\r\n\r\n', 400],
    ['TLS', '\x16\x03\x01\x02\x00\x01\x00\r\n\r\n', 400],
    ['HTTP/2', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 505],
    ['HTTP/3.1', 'GET / HTTP/3.1\r\nhost: x\r\n\r\n', 505],
    ['a target that is none', 'GET weir HTTP/1.1\r\nhost: x\r\n\r\n', 400],
    ['CONNECT', 'CONNECT weir.test:80 HTTP/1.1\r\nhost: x\r\n\r\n', 400],
    ['no host', 'GET / HTTP/1.1\r\n\r\n', 400],
    ['two hosts', 'GET / HTTP/1.1\r\nhost: a\r\nhost: b\r\n\r\n', 400],
    ['a host with a path', 'GET / HTTP/1.1\r\nhost: a/b\r\n\r\n', 400],
    ['a host with a user', 'GET / HTTP/1.1\r\nhost: a@b\r\n\r\n', 400],
    ['a port beyond all', 'GET / HTTP/1.1\r\nhost: a:70000\r\n\r\n', 400],
    ['a bare line feed', 'GET / HTTP/1.1\nhost: x\r\n\r\n', 400],
    ['a folded header', 'GET / HTTP/1.1\r\nhost: x\r\nx-a: 1\r\n 2\r\n\r\n', 400],
    ['a space before the colon', 'GET / HTTP/1.1\r\nhost: x\r\nx-a : 1\r\n\r\n', 400],
    ['a zero byte', 'GET / HTTP/1.1\r\nhost: x\r\nx-a: \0\r\n\r\n', 400],
    [
      'two framings',
      'POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 3\r\ntransfer-encoding: chunked\r\n\r\n',
      400,
    ],
    ['two lengths', 'POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 3\r\ncontent-length: 4\r\n\r\n', 400],
    ['a signed length', 'POST / HTTP/1.1\r\nhost: x\r\ncontent-length: +3\r\n\r\n', 400],
    ['another coding', 'POST / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: gzip, chunked\r\n\r\n', 501],
    ['a coding in HTTP/1.0', 'POST / HTTP/1.0\r\ntransfer-encoding: chunked\r\n\r\n', 400],
    [
      'a chunk size that is none',
      'POST / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n0x3\r\n',
      400,
    ],
    ['another expectation', 'GET / HTTP/1.1\r\nhost: x\r\nexpect: wonders\r\n\r\n', 417],
    ['an endless head', `GET / HTTP/1.1\r\nhost: x\r\nx-a: ${'a'.repeat(200_000)}`, 431],
    ['too many headers', `GET / HTTP/1.1\r\nhost: x\r\n${'a: b\r\n'.repeat(201)}\r\n`, 400],
  ])('%s', async (_, bytes, status) => {
    const handled: string[] = [];
    const { open, errors, server } = start(async (request) => {
      // A bad chunk is found while its request is handled already.
      await request.readBody(1_000);
      handled.push(request.target);
      return reply(200, null);
    });
    const connection = await open();
    await connection.send(Buffer.from(bytes, 'latin1'));
    const response = await connection.readResponse();
    expect([response.status, response.headers.get('connection')]).toEqual([status, 'close']);
    expect(response.text().length).toBeGreaterThan(10);
    expect(await connection.closed).toEqual({ atMs: expect.any(Number), by: 'server' });
    expect([handled, server.pendingRequests()]).toEqual([[], 0]);
    expect(errors.filter((error) => !(error instanceof BodyError))).toEqual([]);
  });

  test('what follows a request is no part of it', async () => {
    const connection = await start().open();
    await connection.send(post('ok'), 'garbage\r\n\r\n');
    expect((await connection.readResponse()).text()).toBe('POST /p ok');
    expect((await connection.readResponse()).status).toBe(400);
    expect(await connection.closed).toMatchObject({ by: 'server' });
  });
});

describe('bodies', () => {
  const limited = async (request: HttpRequest) => {
    try {
      return reply(200, String((await request.readBody(10)).length));
    } catch (error) {
      return reply(413, error instanceof BodyError ? error.reason : String(error));
    }
  };

  test.each([
    ['declared', post('x'.repeat(11))],
    [
      'while it comes',
      Buffer.from(
        'POST / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n6\r\n123456\r\n6\r\n123456\r\n0\r\n\r\n',
      ),
    ],
  ])('that are too large are refused, %s', async (_, bytes) => {
    const { open } = start(limited);
    const connection = await open();
    await connection.send(post('x'.repeat(10)));
    expect((await connection.readResponse()).text()).toBe('10');
    for (const at of [40, bytes.length]) {
      const other = await open();
      await other.send(bytes.subarray(0, at));
      await other.send(bytes.subarray(at));
      expect(await other.readResponse()).toMatchObject({ status: 413, complete: true });
    }
  });

  test('much too large ones still get their answer', async () => {
    const connection = await start(limited).open();
    const sending = connection.send(post('x'.repeat(20_000_000)));
    const response = await connection.readResponse();
    expect([response.status, response.headers.get('connection')]).toEqual([413, 'close']);
    await sending;
    expect(await connection.closed).toEqual({ atMs: expect.any(Number), by: 'server' });
  });

  test('that nobody has asked for yet wait at the client, and arrive whole', async () => {
    const gate = Promise.withResolvers<void>();
    const { open } = start(async (request) => {
      await gate.promise;
      return reply(200, String((await request.readBody(50_000_000)).length));
    });
    const connection = await open();
    let taken = false;
    const sending = connection.send(post('x'.repeat(30_000_000))).then(() => {
      taken = true;
    });
    const other = await open();
    await other.send('POST / HTTP/1.1\r\nhost: x\r\n');
    expect(taken).toBe(false);
    gate.resolve();
    await sending;
    expect((await connection.readResponse()).text()).toBe('30000000');
  });

  test('that break off are told to who waits for them', async () => {
    const outcome = Promise.withResolvers<unknown>();
    let gone = 0;
    const { open, server } = start(async (request) => {
      request.onGone(() => {
        gone += 1;
      });
      await Promise.resolve(request.readBody(100)).then(outcome.resolve, outcome.resolve);
      return reply(200, null);
    });
    const connection = await open();
    await connection.send('POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 5\r\n\r\nab');
    connection.destroy();
    expect(await outcome.promise).toMatchObject({ reason: 'ended_early' });
    expect([gone, server.pendingRequests()]).toEqual([1, 0]);
  });
});

describe('answers', () => {
  test('to HEAD have no body, and the length of it', async () => {
    const connection = await start(() => reply(200, 'hello')).open();
    await connection.send(requestBytes({ method: 'HEAD' }));
    const { headers } = await connection.readResponse({ headOnly: true });
    expect(headers.get('content-length')).toBe('5');
    await connection.send(requestBytes({}));
    expect((await connection.readResponse()).text()).toBe('hello');
  });

  test('without a body say so', async () => {
    const connection = await start(() => reply(204, null)).open();
    await connection.send(requestBytes({}));
    const { status, headers } = await connection.readResponse();
    expect([status, headers.get('content-length'), headers.get('transfer-encoding')]).toEqual([
      204,
      null,
      null,
    ]);
  });

  test('send a header several times where it has several values', async () => {
    const connection = await start(() => reply(200, '', { 'set-cookie': ['a=1', 'b=2'] })).open();
    await connection.send(requestBytes({}));
    expect((await connection.readResponse()).headers.getSetCookie()).toEqual(['a=1', 'b=2']);
  });

  test.each([
    ['x-a', 'b\r\nx-injected: 1'],
    ['x-a', 'ü'],
    ['x a', 'b'],
  ])('with a header that can not be sent (%j: %j) are not sent', async (name, value) => {
    const { open, errors } = start(() => reply(200, 'secret', { [name]: value }));
    const connection = await open();
    await connection.send(requestBytes({}));
    const response = await connection.readResponse();
    expect([response.status, response.headers.has('x-injected')]).toEqual([500, false]);
    expect(response.text()).not.toContain('secret');
    expect(errors).toHaveLength(1);
  });

  test('that could not be made are a bare 500', async () => {
    for (const handle of [
      () => {
        throw new Error('secret');
      },
      () => Promise.reject(new Error('secret')),
    ]) {
      const { open, errors } = start(handle);
      const connection = await open();
      await connection.send(requestBytes({}));
      const response = await connection.readResponse();
      expect([response.status, response.text().includes('secret'), errors.length]).toEqual([500, false, 1]);
      await connection.send(requestBytes({}));
      expect((await connection.readResponse()).status).toBe(500);
    }
  });

  test('any size, as text and as bytes', async () => {
    const sizes = [0, 1, 16_000, 70_000, 5_000_000];
    const connection = await start(({ target }) => {
      const body = 'ü'.repeat(Number(target.slice(2)));
      return reply(200, target[1] === 't' ? body : Buffer.from(body));
    }).open();
    for (const kind of ['t', 'b']) {
      for (const size of sizes) {
        await connection.send(requestBytes({ target: `/${kind}${size}` }));
        const response = await connection.readResponse();
        expect([response.complete, response.body.length]).toEqual([true, size * 2]);
        expect(response.text()).toBe('ü'.repeat(size));
      }
    }
  });
});

/** A stream that is written to from outside. */
function controlled() {
  let controller: ReadableStreamDefaultController<Uint8Array> | undefined;
  const cancelled = Promise.withResolvers<void>();
  const stream = new ReadableStream<Uint8Array>({
    start: (made) => {
      controller = made;
    },
    cancel: () => cancelled.resolve(),
  });
  return { stream, cancelled: cancelled.promise, control: () => controller };
}

describe('streams', () => {
  test('are sent as they come, and end as they should', async () => {
    const { stream, control } = controlled();
    const connection = await start(() => reply(200, stream)).open();
    await connection.send(requestBytes({}));
    for (const piece of ['one', 'two', 'x'.repeat(100_000)]) {
      control()?.enqueue(Buffer.from(piece));
      await connection.waitForText(piece);
    }
    control()?.enqueue(new Uint8Array(0));
    control()?.close();
    const response = await connection.readResponse();
    expect([response.complete, response.headers.get('transfer-encoding')]).toEqual([true, 'chunked']);
    expect(response.text()).toBe(`onetwo${'x'.repeat(100_000)}`);
    await connection.send(requestBytes({}));
  });

  test('to HTTP/1.0 end with the connection', async () => {
    const connection = await start(() => reply(200, new Blob(['a', 'b']).stream())).open();
    await connection.send('GET / HTTP/1.0\r\nconnection: keep-alive\r\n\r\n');
    const response = await connection.readResponse();
    expect([response.text(), response.headers.get('transfer-encoding')]).toEqual(['ab', null]);
    expect(await connection.closed).toMatchObject({ by: 'server' });
  });

  test('that fail are cut off, so that nobody takes them for whole', async () => {
    const { stream, control } = controlled();
    const { open, errors } = start(() => reply(200, stream));
    const connection = await open();
    await connection.send(requestBytes({}));
    control()?.enqueue(Buffer.from('half'));
    await connection.waitForText('half');
    control()?.error(new Error('broken'));
    expect((await connection.readResponse()).complete).toBe(false);
    expect(errors).toHaveLength(1);
  });

  test('are cancelled when their client goes, and when it was gone before they came', async () => {
    const first = controlled();
    const late = controlled();
    const gate = Promise.withResolvers<void>();
    const asked = Promise.withResolvers<void>();
    const { open, server, errors } = start(async ({ target, signal }) => {
      if (target === '/') return reply(200, first.stream);
      signal.addEventListener('abort', () => gate.resolve());
      asked.resolve();
      await gate.promise;
      return reply(200, late.stream);
    });
    const connection = await open();
    await connection.send(requestBytes({}));
    first.control()?.enqueue(Buffer.from('x'));
    await connection.waitForText('x');
    connection.destroy();
    await first.cancelled;
    const other = await open();
    await other.send(requestBytes({ target: '/late' }));
    await asked.promise;
    other.reset();
    await late.cancelled;
    expect([server.pendingRequests(), errors]).toEqual([0, []]);
  });

  test('wait for a client that reads slowly', async () => {
    let pulled = 0;
    const COUNT = 400;
    const stream = new ReadableStream<Uint8Array>(
      {
        pull: (controller) => {
          pulled += 1;
          controller.enqueue(Buffer.alloc(100_000, 'x'));
          if (pulled === COUNT) controller.close();
        },
      },
      { highWaterMark: 1 },
    );
    const connection = await start(() => reply(200, stream)).open();
    connection.pause();
    await connection.send(requestBytes({}));
    let before = -1;
    while (pulled !== before || pulled === 0) {
      before = pulled;
      for (let turn = 0; turn < 50; turn += 1) await new Promise((resolve) => setImmediate(resolve));
    }
    expect(pulled).toBeLessThan(COUNT / 2);
    connection.resume();
    expect((await connection.readResponse()).body.length).toBe(COUNT * 100_000);
  });
});

describe('pushed streams', () => {
  const pushed = () => {
    const told: string[] = [];
    const cancelled = Promise.withResolvers<void>();
    let onRoom = (): void => undefined;
    const stream = new PushStream({
      onRoom: () => {
        told.push('room');
        onRoom();
      },
      onCancel: () => cancelled.resolve(),
    });
    const whenRoom = (callback: () => void) => {
      onRoom = callback;
    };
    return { stream, told, cancelled: cancelled.promise, whenRoom };
  };

  test('are sent as they come, from the beginning, and another request can follow', async () => {
    const { stream } = pushed();
    const connection = await start(({ target }) => reply(200, target === '/' ? stream : 'next')).open();
    stream.push(Buffer.from('one'));
    await connection.send(requestBytes({}));
    await connection.waitForText('one');
    stream.push(new Uint8Array(0));
    stream.push(Buffer.from('x'.repeat(100_000)));
    await connection.waitForText('x'.repeat(100_000));
    stream.close();
    const response = await connection.readResponse();
    expect([response.complete, response.text()]).toEqual([true, `one${'x'.repeat(100_000)}`]);
    await connection.send(requestBytes({ target: '/next' }));
    expect((await connection.readResponse()).text()).toBe('next');
  });

  test('that are over before they are asked for, and those to HTTP/1.0 and HEAD', async () => {
    const { open } = start(() => {
      const { stream } = pushed();
      stream.push(Buffer.from('all'));
      stream.close();
      return reply(200, stream);
    });
    const connection = await open();
    await connection.send(requestBytes({ method: 'HEAD' }));
    expect((await connection.readResponse({ headOnly: true })).status).toBe(200);
    await connection.send(requestBytes({}));
    expect((await connection.readResponse()).text()).toBe('all');
    await connection.send('GET / HTTP/1.0\r\n\r\n');
    expect((await connection.readResponse()).text()).toBe('all');
    expect(await connection.closed).toMatchObject({ by: 'server' });
  });

  test('are cancelled when their client goes', async () => {
    const { stream, cancelled } = pushed();
    const { open, server } = start(() => reply(200, stream));
    const connection = await open();
    await connection.send(requestBytes({}));
    stream.push(Buffer.from('x'));
    await connection.waitForText('x');
    connection.destroy();
    await cancelled;
    expect(server.pendingRequests()).toBe(0);
  });

  test('wait for a client that reads slowly, and lose nothing', async () => {
    const { stream, whenRoom } = pushed();
    const COUNT = 400;
    const PIECE = 100_000;
    let sent = 0;
    const push = () => {
      while (sent < COUNT) {
        sent += 1;
        if (!stream.push(Buffer.alloc(PIECE, sent % 256))) return;
      }
      stream.close();
    };
    whenRoom(push);
    const connection = await start(() => reply(200, stream)).open();
    connection.pause();
    await connection.send(requestBytes({}));
    push();
    let before = -1;
    while (sent !== before) {
      before = sent;
      for (let turn = 0; turn < 50; turn += 1) await new Promise((resolve) => setImmediate(resolve));
    }
    expect(sent).toBeLessThan(COUNT / 2);
    connection.resume();
    const { body } = await connection.readResponse();
    expect(body.length).toBe(COUNT * PIECE);
    for (let at = 0; at < COUNT; at += 1) expect(body[at * PIECE]).toBe((at + 1) % 256);
  });
});

describe('time', () => {
  test('closes what is quiet, and refuses a head that does not come', async () => {
    const { open, seconds } = start();
    const quiet = await open();
    await quiet.send(requestBytes({}));
    await quiet.readResponse();
    const slow = await open();
    await slow.send('GET / HTTP/1.1\r\n');
    await slow.send('host: ');
    // Once its bytes are there, so is the head's beginning.
    const other = await open();
    await other.send(requestBytes({}));
    await other.readResponse();
    seconds(30);
    expect((await slow.readResponse()).status).toBe(408);
    expect(await slow.closed).toMatchObject({ by: 'server' });
    seconds(90);
    expect(await quiet.closed).toMatchObject({ by: 'server' });
  });

  test('does not end an answer that takes long', async () => {
    const { stream, control } = controlled();
    const gate = Promise.withResolvers<void>();
    const { open, seconds } = start(async ({ target }) => {
      if (target === '/') return reply(200, stream);
      await gate.promise;
      return reply(200, 'late');
    });
    const [streaming, waiting] = [await open(), await open()];
    await streaming.send(requestBytes({}));
    await waiting.send(requestBytes({ target: '/late' }));
    await streaming.waitForText('200');
    seconds(4_000);
    control()?.close();
    gate.resolve();
    expect((await streaming.readResponse()).complete).toBe(true);
    expect((await waiting.readResponse()).text()).toBe('late');
  });
});

describe('stopping', () => {
  test('closes what is idle at once, and the rest after its answer', async () => {
    const gate = Promise.withResolvers<void>();
    const asked = Promise.withResolvers<void>();
    const { server, open } = start(async ({ target }) => {
      if (target === '/slow') {
        asked.resolve();
        await gate.promise;
      }
      return reply(200, target);
    });
    const [idle, busy] = [await open(), await open()];
    await idle.send(requestBytes({}));
    await idle.readResponse();
    await busy.send(requestBytes({ target: '/slow' }));
    await asked.promise;
    let stopped = false;
    const stopping = server.stop().then(() => {
      stopped = true;
    });
    expect(await idle.closed).toMatchObject({ by: 'server' });
    expect([stopped, server.pendingRequests()]).toEqual([false, 1]);
    expect(open()).rejects.toThrow();
    gate.resolve();
    const response = await busy.readResponse();
    expect([response.text(), response.headers.get('connection')]).toEqual(['/slow', 'close']);
    await stopping;
    expect(await busy.closed).toMatchObject({ by: 'server' });
  });
});
