import { afterEach, describe, expect, test } from 'bun:test';
import { requestBytes } from '../../test/support/http-raw.ts';
import { reply, TestServers, TRANSPORTS } from '../../test/support/test-servers.ts';
import { BodyError, type HttpRequest, type HttpResponse } from '../core/http.ts';
import { PushStream } from '../core/push-stream.ts';
import type { ServerLimits } from './server-limits.ts';

/** Reads the body, and says why it cannot. */
const readingBody = async (request: HttpRequest): Promise<HttpResponse> => {
  try {
    return reply(200, String((await request.readBody(1_000_000)).length));
  } catch (error) {
    if (!(error instanceof BodyError)) throw error;
    return reply(error.reason === 'timed_out' ? 408 : 500, `${error.reason}: ${error.message}`);
  }
};

const HEAD = 'POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 100000\r\n\r\n';

describe.each(TRANSPORTS)('over $transport', ({ transport }) => {
  const servers = new TestServers(transport);
  afterEach(() => servers.stop());

  const start = (
    handle: (request: HttpRequest) => HttpResponse | Promise<HttpResponse> = readingBody,
    limits: Partial<ServerLimits> = {},
  ) => {
    const { open, ...started } = servers.start(
      (request) => (request.target === '/ping' ? reply(200, 'pong') : handle(request)),
      limits,
    );
    const pinger = open();
    /** What was sent before it has arrived when this resolves. */
    const arrived = async () => {
      const connection = await pinger;
      for (let time = 0; time < 3; time += 1) {
        await connection.send(requestBytes({ target: '/ping' }));
        await connection.readResponse();
      }
    };
    return { open, ...started, arrived };
  };

  describe('bodies', () => {
    test('that stop arriving get 408 after 20 s, from their handler', async () => {
      const { open, seconds, arrived, reached, server } = start();
      const connection = await open();
      await connection.send(HEAD, 'x');
      await arrived();
      seconds(19);
      await arrived();
      expect([reached, server.pendingRequests()]).toEqual([[], 1]);
      seconds(2);
      const response = await connection.readResponse();
      expect([response.status, response.headers.get('connection')]).toEqual([408, 'close']);
      expect(response.text()).toContain('limits.min_rate');
      expect([reached, server.stats().requestBytes]).toEqual([['min_rate'], 0]);
    });

    test('that arrive a byte at a time get it too', async () => {
      const { open, seconds, arrived, reached } = start();
      const connection = await open();
      await connection.send(HEAD);
      for (let time = 0; time < 5 && reached.length === 0; time += 1) {
        await connection.send('x');
        await arrived();
        seconds(5);
      }
      expect((await connection.readResponse()).status).toBe(408);
      expect(reached).toEqual(['min_rate']);
    });

    test('in chunks get it too, whatever their framing says', async () => {
      const { open, seconds, arrived } = start();
      const connection = await open();
      await connection.send('POST / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n1;');
      await arrived();
      seconds(21);
      expect((await connection.readResponse()).status).toBe(408);
    });

    test('that no handler reads get it too, and the handler receives the disconnect', async () => {
      const gone = Promise.withResolvers<void>();
      const { open, seconds, arrived } = start(async (request) => {
        request.onDisconnect(() => gone.resolve());
        await gone.promise;
        return reply(200, 'late');
      });
      const connection = await open();
      await connection.send(HEAD, 'x');
      await arrived();
      seconds(21);
      const response = await connection.readResponse();
      expect([response.status, response.text()]).toEqual([408, expect.stringContaining('limits.min_rate')]);
      await gone.promise;
      expect(await connection.closed).toMatchObject({ by: 'server' });
    });

    test('at the rate are received, until the time limit of all bodies', async () => {
      const { open, seconds, arrived, reached } = start(readingBody, { bodyTimeoutMs: 100_000 });
      const connection = await open();
      await connection.send(HEAD);
      for (let time = 0; time < 20; time += 1) {
        expect(reached).toEqual([]);
        await connection.send('x'.repeat(2_500));
        await arrived();
        seconds(5);
      }
      const response = await connection.readResponse();
      expect([response.status, response.text()]).toEqual([
        408,
        expect.stringContaining('within 100 s (limits.body_timeout)'),
      ]);
      expect(reached).toEqual(['body_timeout']);
    });

    test('have any rate where there is no limit', async () => {
      const { open, seconds, arrived, reached } = start(readingBody, { minRate: null });
      const connection = await open();
      await connection.send(HEAD);
      await arrived();
      seconds(299);
      expect(reached).toEqual([]);
      await connection.send('x'.repeat(100_000));
      expect((await connection.readResponse()).text()).toBe('100000');
    });

    test('of the next request start again', async () => {
      const { open, seconds, arrived, reached } = start();
      const connection = await open();
      for (let time = 0; time < 4; time += 1) {
        await connection.send(HEAD);
        await arrived();
        seconds(15);
        await connection.send('x'.repeat(100_000));
        expect((await connection.readResponse()).text()).toBe('100000');
      }
      expect(reached).toEqual([]);
    });

    test('that wait for their handler, not for their client, have no limit', async () => {
      const gate = Promise.withResolvers<void>();
      const { open, seconds, arrived, reached } = start(async (request) => {
        await gate.promise;
        return readingBody(request);
      });
      const [full, waiting] = [await open(), await open()];
      await full.send(HEAD, 'x'.repeat(90_000));
      await waiting.send(`${HEAD.slice(0, -2)}expect: 100-continue\r\n\r\n`);
      await arrived();
      seconds(1_000);
      expect(reached).toEqual([]);
      gate.resolve();
      await full.send('x'.repeat(10_000));
      expect((await full.readResponse()).text()).toBe('100000');
      await waiting.waitForText('100 Continue');
      await waiting.send('x'.repeat(100_000));
      await waiting.waitForText('100000');
    });
  });

  describe('connections', () => {
    test('on which nothing arrives are closed in the time of a head', async () => {
      const { open, seconds, arrived } = start(readingBody, { headTimeoutMs: 40_000 });
      const connection = await open();
      await arrived();
      seconds(39);
      await arrived();
      let closed = false;
      void connection.closed.then(() => {
        closed = true;
      });
      await Promise.resolve();
      expect(closed).toBe(false);
      seconds(1);
      expect(await connection.closed).toMatchObject({ by: 'server' });
    });

    test('are not kept open by empty lines', async () => {
      const { open, seconds, arrived } = start();
      const connection = await open();
      for (let time = 0; time < 4; time += 1) {
        await connection.send('\r\n');
        await arrived();
        seconds(10);
      }
      expect(await connection.closed).toMatchObject({ by: 'server' });
    });

    test('that send empty lines without end are rejected', async () => {
      const { open } = start();
      const connection = await open();
      await connection.send('\r\n'.repeat(40_000));
      expect((await connection.readResponse()).status).toBe(431);
    });

    test('use the head timeout of the configuration', async () => {
      const { open, seconds, arrived, reached } = start(readingBody, { headTimeoutMs: 5_000 });
      const connection = await open();
      await connection.send('GET / HTTP/1.1\r\nhost:');
      await arrived();
      seconds(5);
      const response = await connection.readResponse();
      expect([response.status, response.text()]).toEqual([
        408,
        expect.stringContaining('limits.head_timeout'),
      ]);
      expect(reached).toEqual(['head_timeout']);
    });
  });

  describe('a client that takes nothing', () => {
    const PIECE = 64 * 1024;

    /** A stream without end, as fast as it is taken. */
    const endless = () => {
      let cancelled = false;
      let pushed = 0;
      const gone = Promise.withResolvers<void>();
      const push = () => {
        for (let takesMore = !cancelled; takesMore; ) {
          pushed += PIECE;
          takesMore = stream.push(Buffer.alloc(PIECE)) && !cancelled;
        }
      };
      const stream: PushStream = new PushStream({
        onDrain: push,
        onCancel: () => {
          cancelled = true;
          gone.resolve();
        },
      });
      return { stream, push, pushed: () => pushed, gone: gone.promise };
    };

    const until = async (holds: () => boolean) => {
      while (!holds()) await turn();
    };

    const turn = () => new Promise((resolve) => setImmediate(resolve));

    type Started = Pick<ReturnType<typeof start>, 'server' | 'seconds' | 'reached'>;

    /** Lets seconds pass until a limit is reached. @returns those since the system last took bytes for the client */
    const untilReached = async ({ server, seconds, reached }: Started, pushed = () => 0) => {
      await until(() => server.stats().unsentBytes > 0);
      // A stream that is taken is filled again: what is unsent may stay the same.
      const taken = () => pushed() - server.stats().unsentBytes;
      let idle = 0;
      while (reached.length === 0) {
        const before = taken();
        seconds(1);
        await turn();
        if (reached.length > 0) break;
        const change = before - taken();
        // A stalled stream counts a MiB more, for its source.
        idle = change === 0 || change === 1024 * 1024 ? idle + 1 : 0;
      }
      return idle + 1;
    };

    test('of a stream is disconnected after a minute, and its stream is cancelled', async () => {
      const { stream, push, pushed, gone } = endless();
      const { open, seconds, server, reached } = start(() => {
        push();
        return reply(200, stream);
      });
      const connection = await open();
      connection.pause();
      await connection.send(requestBytes({}));
      const idle = await untilReached({ server, seconds, reached }, pushed);
      expect([idle >= 59, idle <= 61]).toEqual([true, true]);
      await gone;
      expect([reached, server.pendingRequests(), server.stats().unsentBytes]).toEqual([['write_idle'], 0, 0]);
    });

    test('of a complete response is disconnected too', async () => {
      const { open, seconds, server, reached } = start(() => reply(200, Buffer.alloc(12_000_000)));
      const connection = await open();
      connection.pause();
      await connection.send(requestBytes({}));
      await untilReached({ server, seconds, reached });
      expect([reached, server.stats().unsentBytes]).toEqual([['write_idle'], 0]);
    });

    test('that takes something now and then is not disconnected', async () => {
      const { open, seconds, server, reached } = start(() => reply(200, Buffer.alloc(12_000_000)));
      const connection = await open();
      connection.pause();
      await connection.send(requestBytes({}));
      await until(() => server.stats().unsentBytes > 0);
      for (let time = 0; time < 10; time += 1) {
        const before = server.stats().unsentBytes;
        if (before === 0) break;
        connection.resume();
        await until(() => server.stats().unsentBytes !== before);
        connection.pause();
        seconds(30);
      }
      expect(reached).toEqual([]);
      connection.resume();
      expect((await connection.readResponse()).body.length).toBe(12_000_000);
    });
  });
});
