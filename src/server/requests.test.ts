import { afterEach, describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import { runs } from '../../test/support/effort.ts';
import { requestBytes } from '../../test/support/http-raw.ts';
import { reply, TestServers, TRANSPORTS } from '../../test/support/test-servers.ts';
import { BodyError, type HttpRequest, type HttpResponse } from '../core/http.ts';

const text = (bytes: Uint8Array) => Buffer.from(bytes).toString();
const until = async (holds: () => boolean) => {
  while (!holds()) await new Promise((resolve) => setImmediate(resolve));
};
/** Tells what was received. */
const echo = async (request: HttpRequest) =>
  reply(200, `${request.method} ${request.target} ${text(await request.readBody(1_000_000))}`);

describe.each(TRANSPORTS)('over $transport', ({ transport }) => {
  const servers = new TestServers(transport);
  afterEach(() => servers.stop());

  const start = (handle: (request: HttpRequest) => HttpResponse | Promise<HttpResponse> = echo) =>
    servers.start(handle);

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

    test('a streamed body waits for its handler, and may be larger than the memory for bodies', async () => {
      const parts: number[] = [];
      const served = start(async (request) => {
        let sum = 0;
        for await (const part of request.streamBody?.(20_000_000) ?? []) {
          parts.push(part.length);
          for (const byte of part) sum = (sum + byte) % 65_521;
          await new Promise((resolve) => setImmediate(resolve));
        }
        return reply(200, String(sum));
      });
      const connection = await served.open();
      const body = 'abcdefgh'.repeat(500_000);
      await connection.send(post(body));
      const response = await connection.readResponse();
      let wanted = 0;
      for (const byte of Buffer.from(body)) wanted = (wanted + byte) % 65_521;
      expect(response.text()).toBe(String(wanted));
      expect(parts.reduce((sum, length) => sum + length, 0)).toBe(body.length);
      expect(Math.max(...parts)).toBeLessThan(2_000_000);
      // The connection serves the next request.
      await connection.send(post('x'));
      expect((await connection.readResponse()).text()).toBe(String('x'.charCodeAt(0)));
    });

    test('a streamed body is at most as long as its limit', async () => {
      const caught: unknown[] = [];
      const { open } = start(async (request) => {
        try {
          for await (const _ of request.streamBody?.(1_000) ?? []);
        } catch (error) {
          caught.push(error);
        }
        return reply(413, 'too large');
      });
      const connection = await open();
      await connection.send(post('x'.repeat(1_001)));
      expect((await connection.readResponse()).status).toBe(413);
      expect(caught).toEqual([expect.objectContaining({ reason: 'too_large' })]);
    });

    test('a streamed body whose client is gone ends with an error', async () => {
      const caught: unknown[] = [];
      const { open } = start(async (request) => {
        try {
          for await (const _ of request.streamBody?.(1_000) ?? []);
        } catch (error) {
          caught.push(error);
        }
        return reply(400, 'gone');
      });
      const connection = await open();
      await connection.send('POST /p HTTP/1.1\r\nhost: a\r\ncontent-length: 10\r\n\r\nabc');
      connection.destroy();
      await until(() => caught.length > 0);
      expect(caught).toEqual([expect.objectContaining({ reason: 'ended_early' })]);
    });

    test('split anywhere and pipelined are the same requests', async () => {
      const { open } = start(async (request) => {
        const { status, headers, body } = await echo(request);
        return { status, headers, body };
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
        { numRuns: runs(60) },
      );
    });

    test('thousands that are pipelined get responses in their order', async () => {
      const connection = await start((request) => reply(200, request.target)).open();
      const COUNT = 3_000;
      const sent = Array.from({ length: COUNT }, (_, at) => requestBytes({ target: `/${at}` }));
      const sending = connection.send(...sent);
      for (let at = 0; at < COUNT; at += 1) expect((await connection.readResponse()).text()).toBe(`/${at}`);
      await sending;
    });

    test('that are pipelined by thousands leave others their turn', async () => {
      let handled = 0;
      const other = Promise.withResolvers<number>();
      const { open } = start((request) => {
        handled += 1;
        if (request.target === '/other') other.resolve(handled);
        return reply(200, request.target);
      });
      const [flooding, polite] = [await open(), await open()];
      const COUNT = 10_000;
      flooding.pause();
      await flooding.send(requestBytes({ target: '/first' }));
      await until(() => handled === 1);
      const flood = Buffer.concat(Array.from({ length: COUNT }, () => requestBytes({})));
      void flooding.send(flood);
      await polite.send(requestBytes({ target: '/other' }));
      expect((await polite.readResponse()).text()).toBe('/other');
      expect(await other.promise).toBeLessThan(COUNT / 10);
    });

    test('have address, URL and headers', async () => {
      let seen: HttpRequest | undefined;
      const connection = await start((request) => {
        seen = request;
        return reply(200, null);
      }).open();
      await connection.send('GET /a?b=c HTTP/1.1\r\nHost: weir.test:81\r\nX-Two: 1\r\nx-two: 2\r\n\r\n');
      expect((await connection.readResponse()).headers.get('content-length')).toBe('0');
      expect(seen).toMatchObject({
        remoteAddress: '127.0.0.1',
        url: `${transport === 'TLS' ? 'https' : 'http'}://weir.test:81/a?b=c`,
        target: '/a?b=c',
      });
      expect([seen?.headers.get('x-two'), seen?.headers.get('none'), seen?.headers.has('x-two')]).toEqual([
        '1, 2',
        null,
        true,
      ]);
    });

    test.each([
      ['HTTP/1.0 is closed after the response', 'GET / HTTP/1.0\r\n\r\n', 'close'],
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

    test('100 Continue is sent when the handler reads the body, and only then', async () => {
      const { open } = start((request) => (request.target === '/p' ? echo(request) : reply(403, 'no')));
      const wanted = await open();
      await wanted.send('POST /p HTTP/1.1\r\nhost: x\r\nexpect: 100-continue\r\ncontent-length: 2\r\n\r\n');
      await wanted.waitForText('100 Continue');
      await wanted.send('ok');
      expect((await wanted.readResponse()).text()).toBe('POST /p ok');
      const unwanted = await open();
      await unwanted.send(
        'POST /no HTTP/1.1\r\nhost: x\r\nexpect: 100-continue\r\ncontent-length: 2\r\n\r\n',
      );
      const { status, headers } = await unwanted.readResponse();
      expect([status, headers.get('connection')]).toEqual([403, 'close']);
      expect(text(unwanted.received())).not.toContain('100 Continue');
      expect(await unwanted.closed).toMatchObject({ by: 'server' });
    });
  });

  describe('malformed requests are rejected, and their connection is closed', () => {
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
      [
        'the same length twice',
        'POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 3\r\ncontent-length: 3\r\n\r\nabc',
        400,
      ],
      ['a list of lengths', 'POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 80, 80\r\n\r\n', 400],
      [
        'a vertical tab after lengths',
        'POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 80,80\x0b\r\n\r\n',
        400,
      ],
      ['a form feed between lengths', 'POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 80,\x0c80\r\n\r\n', 400],
      ['a wide space after lengths', 'POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 80,80\xa0\r\n\r\n', 400],
      ['a CR before the request line', '\rGET / HTTP/1.1\r\nhost: x\r\n\r\n', 400],
      ['a line feed before the request line', '\nGET / HTTP/1.1\r\nhost: x\r\n\r\n', 400],
      ['CONNECT to a path', 'CONNECT / HTTP/1.1\r\nhost: x\r\n\r\n', 400],
      ['a control character in a header', 'GET / HTTP/1.1\r\nhost: x\r\nx-a: \x0b\r\n\r\n', 400],
      [
        'a control character in a chunk extension',
        'POST / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n3;\x01\r\n',
        400,
      ],
      [
        'long chunk extensions around little data',
        `POST / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n${`1;${'a'.repeat(4_000)}\r\nx\r\n`.repeat(5)}`,
        400,
      ],
      ['TLS, before the end of a head', '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03', 400],
      ['SSH, before the end of a head', 'SSH-2.0-OpenSSH_9.6/x y\r\n'.replaceAll(' ', '\x01'), 400],
      ['a method without end', 'A'.repeat(40), 400],
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

    test('bytes after a request are not part of it', async () => {
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

    test('in chunks of one byte arrive whole', async () => {
      const SIZE = 20_000;
      const connection = await start().open();
      const chunks = '1\r\nx\r\n'.repeat(SIZE);
      await connection.send(
        `POST /p HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n${chunks}0\r\n\r\n`,
      );
      expect((await connection.readResponse()).text()).toBe(`POST /p ${'x'.repeat(SIZE)}`);
    });

    test('that are much too large still get their response', async () => {
      const connection = await start(limited).open();
      const sending = connection.send(post('x'.repeat(20_000_000)));
      const response = await connection.readResponse();
      expect([response.status, response.headers.get('connection')]).toEqual([413, 'close']);
      await sending;
      expect(await connection.closed).toEqual({ atMs: expect.any(Number), by: 'server' });
    });

    test('that no handler reads yet wait at the client, and arrive complete', async () => {
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

    test('that break off are reported to their waiting reader', async () => {
      const outcome = Promise.withResolvers<unknown>();
      let gone = 0;
      const { open, server } = start(async (request) => {
        request.onDisconnect(() => {
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

  describe('a client that disconnects', () => {
    const waiting = (listen: (request: HttpRequest, told: string[]) => void) => {
      const told: string[] = [];
      const asked = Promise.withResolvers<void>();
      const ended = Promise.withResolvers<void>();
      const running = start(async (request) => {
        listen(request, told);
        request.signal.addEventListener('abort', () => ended.resolve());
        asked.resolve();
        await ended.promise;
        return reply(200, null);
      });
      const disconnect = async () => {
        const connection = await running.open();
        await connection.send(requestBytes({}));
        await asked.promise;
        connection.destroy();
        await ended.promise;
      };
      return { ...running, told, disconnect };
    };

    test('is reported to every listener, in their order', async () => {
      const { disconnect, told } = waiting((request, calls) => {
        for (const name of ['one', 'two', 'three']) request.onDisconnect(() => calls.push(name));
      });
      await disconnect();
      expect(told).toEqual(['one', 'two', 'three']);
    });

    test('ends the request even where a listener throws', async () => {
      const { disconnect, errors, server } = waiting((request) => {
        request.onDisconnect(() => {
          throw new Error('listener');
        });
      });
      await disconnect();
      expect([errors.map(String), server.pendingRequests()]).toEqual([['Error: listener'], 0]);
    });
  });

  describe('stopping', () => {
    test('closes idle connections at once, and others after their response', async () => {
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
      const stopping = server.drain().then(() => {
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
});
