import { afterEach, describe, expect, test } from 'bun:test';
import { requestBytes } from '../../test/support/http-raw.ts';
import { reply, TestServers, TRANSPORTS } from '../../test/support/test-servers.ts';
import { encodeUtf8 } from '../core/bytes.ts';
import type { HttpRequest, HttpResponse } from '../core/http.ts';
import { PushStream } from '../core/push-stream.ts';

describe.each(TRANSPORTS)('over $transport', ({ transport }) => {
  const servers = new TestServers(transport);
  afterEach(() => servers.stop());

  const start = (handle: (request: HttpRequest) => HttpResponse | Promise<HttpResponse>) =>
    servers.start(handle);

  describe('responses', () => {
    test('carry strict-transport-security over TLS only', async () => {
      const connection = await start(() => reply(200, 'hello')).open();
      await connection.send(requestBytes({}));
      const { headers } = await connection.readResponse();
      expect(headers.get('strict-transport-security')).toBe(transport === 'TLS' ? 'max-age=31536000' : null);
    });

    test('to HEAD have no body, and its length', async () => {
      const connection = await start(() => reply(200, 'hello')).open();
      await connection.send(requestBytes({ method: 'HEAD' }));
      const { headers } = await connection.readResponse({ headOnly: true });
      expect(headers.get('content-length')).toBe('5');
      await connection.send(requestBytes({}));
      expect((await connection.readResponse()).text()).toBe('hello');
    });

    test('without a body have no framing', async () => {
      const connection = await start(() => reply(204, null)).open();
      await connection.send(requestBytes({}));
      const { status, headers } = await connection.readResponse();
      expect([status, headers.get('content-length'), headers.get('transfer-encoding')]).toEqual([
        204,
        null,
        null,
      ]);
    });

    test('may close the connection', async () => {
      const connection = await start(() => reply(503, 'later', { connection: 'close' })).open();
      await connection.send(requestBytes({}));
      const { rawHeaders } = await connection.readResponse();
      expect(rawHeaders.filter(([name]) => name.toLowerCase() === 'connection')).toHaveLength(1);
      expect(await connection.closed).toMatchObject({ by: 'server' });
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
    ])('with a header that cannot be sent (%j: %j) are not sent', async (name, value) => {
      const { open, errors } = start(() => reply(200, 'secret', { [name]: value }));
      const connection = await open();
      await connection.send(requestBytes({}));
      const response = await connection.readResponse();
      expect([response.status, response.headers.has('x-injected')]).toEqual([500, false]);
      expect(response.text()).not.toContain('secret');
      expect(errors).toHaveLength(1);
    });

    test('of a handler that fails are a 500 without details', async () => {
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
    test('are sent chunk by chunk, with a last chunk', async () => {
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

    test('that fail are cut off, so that no client takes them for complete', async () => {
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

    test('are cancelled when their client disconnects, before or after they begin', async () => {
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
      let onDrain = (): void => undefined;
      const stream = new PushStream({
        onDrain: () => {
          told.push('room');
          onDrain();
        },
        onCancel: () => cancelled.resolve(),
      });
      const whenRoom = (callback: () => void) => {
        onDrain = callback;
      };
      return { stream, told, cancelled: cancelled.promise, whenRoom };
    };

    test('are sent chunk by chunk from the first, and another request can follow', async () => {
      const { stream } = pushed();
      const connection = await start(({ target }) => reply(200, target === '/' ? stream : 'next')).open();
      stream.push(encodeUtf8('one'));
      await connection.send(requestBytes({}));
      await connection.waitForText('one');
      stream.push(encodeUtf8(''));
      stream.push(encodeUtf8('x'.repeat(100_000)));
      await connection.waitForText('x'.repeat(100_000));
      stream.close();
      const response = await connection.readResponse();
      expect([response.complete, response.text()]).toEqual([true, `one${'x'.repeat(100_000)}`]);
      await connection.send(requestBytes({ target: '/next' }));
      expect((await connection.readResponse()).text()).toBe('next');
    });

    test('that end before they are sent, and those to HTTP/1.0 and HEAD', async () => {
      const { open } = start(() => {
        const { stream } = pushed();
        stream.push(encodeUtf8('all'));
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

    test('are cancelled when their client disconnects', async () => {
      const { stream, cancelled } = pushed();
      const { open, server } = start(() => reply(200, stream));
      const connection = await open();
      await connection.send(requestBytes({}));
      stream.push(encodeUtf8('x'));
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
    test('closes idle connections, and rejects a head that does not arrive', async () => {
      const { open, seconds } = start(() => reply(200, null));
      const idleSeconds = await open();
      await idleSeconds.send(requestBytes({}));
      await idleSeconds.readResponse();
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
      expect(await idleSeconds.closed).toMatchObject({ by: 'server' });
    });

    test('does not end a response that takes long', async () => {
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
});
