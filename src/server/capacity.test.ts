import { afterEach, describe, expect, test } from 'bun:test';
import { type RawConnection, requestBytes } from '../../test/support/http-raw.ts';
import { reply, TestServers, TRANSPORTS } from '../../test/support/test-servers.ts';
import { BodyError, type HttpRequest, type HttpResponse } from '../core/http.ts';
import { MAX_UNREAD_PER_CLIENT, MAX_UNSENT_PER_CLIENT, type ServerLimits } from './server-limits.ts';

const turn = () => new Promise<void>((resolve) => setImmediate(resolve));

async function until(holds: () => boolean): Promise<void> {
  while (!holds()) await turn();
}

describe.each(TRANSPORTS)('over $transport', ({ transport }) => {
  const servers = new TestServers(transport);
  afterEach(() => servers.stop());

  const start = (
    handle: (request: HttpRequest) => HttpResponse | Promise<HttpResponse>,
    limits: Partial<ServerLimits> = {},
    isProxy?: (address: string) => boolean,
  ) => servers.start(handle, limits, isProxy);

  const get = async (connection: RawConnection) => {
    await connection.send(requestBytes({}));
    return (await connection.readResponse()).status;
  };

  describe('connections', () => {
    /** The new connection's only response, or its end. TLS clients get no response before a handshake. */
    const rejected = async (open: () => Promise<RawConnection>) => {
      if (transport === 'TLS') {
        await expect(open()).rejects.toThrow();
        return;
      }
      const connection = await open();
      const { status, headers, rawHeaders } = await connection.readResponse();
      expect([status, headers.get('connection')]).toEqual([503, 'close']);
      expect(rawHeaders.length).toBeGreaterThan(2);
      expect(await connection.closed).toMatchObject({ by: 'server' });
    };

    /** Connections with a request in flight. */
    const busy = async (open: () => Promise<RawConnection>, count: number) => {
      const connections: RawConnection[] = [];
      for (let made = 0; made < count; made += 1) {
        const connection = await open();
        await connection.send(requestBytes({}));
        connections.push(connection);
      }
      return connections;
    };

    test.each([
      ['max_connections', { maxConnections: 3 }],
      ['max_connections_per_ip', { maxConnectionsPerIp: 3 }],
    ] as const)('beyond %s are closed at once while all others are busy', async (limit, limits) => {
      const gate = Promise.withResolvers<void>();
      const { open, server, reached } = start(async () => {
        await gate.promise;
        return reply(200, null);
      }, limits);
      const connections = await busy(open, 3);
      await until(() => server.pendingRequests() === 3);
      await rejected(open);
      await rejected(open);
      expect([reached, server.stats().connections]).toEqual([[limit, limit], 3]);
      gate.resolve();
      for (const connection of connections) expect((await connection.readResponse()).status).toBe(200);
      connections[0]?.destroy();
      await until(() => server.stats().connections === 2);
      expect(await get(await open())).toBe(200);
    });

    test('that are idle are closed for new ones, the one that is idle longest first', async () => {
      const { open, server, seconds, reached } = start(() => reply(200, null), { maxConnectionsPerIp: 2 });
      const old = await open();
      await get(old);
      seconds(5);
      const young = await open();
      await get(young);
      seconds(5);
      const next = await open();
      expect(await get(next)).toBe(200);
      expect(await old.closed).toMatchObject({ by: 'server' });
      expect([await get(young), server.stats().connections, reached]).toEqual([200, 2, []]);
    });

    test('of proxies are not limited by address', async () => {
      const { open, server } = start(
        () => reply(200, null),
        { maxConnectionsPerIp: 1 },
        (address) => address === '127.0.0.1',
      );
      const connections = [await open(), await open(), await open()];
      for (const connection of connections) expect(await get(connection)).toBe(200);
      expect(server.stats()).toMatchObject({ connections: 3, clients: 1 });
    });

    test('leave nothing behind', async () => {
      const { open, server } = start(() => reply(200, null));
      const connections = [await open(), await open()];
      for (const connection of connections) await get(connection);
      for (const connection of connections) connection.destroy();
      await until(() => server.stats().connections === 0);
      expect(server.stats()).toEqual({
        connections: 0,
        clients: 0,
        accounts: 0,
        requestBytes: 0,
        unsentBytes: 0,
      });
    });
  });

  describe('memory of requests', () => {
    const held = (limits: Partial<ServerLimits>) => {
      const gate = Promise.withResolvers<void>();
      const started = start(async (request) => {
        if (request.target === '/health') return reply(200, 'alive');
        try {
          const { length } = await request.readBody(1_000_000);
          if (request.target === '/hold') await gate.promise;
          return reply(200, String(length));
        } catch (error) {
          if (!(error instanceof BodyError)) throw error;
          return reply(503, error.reason);
        }
      }, limits);
      const post = async (size: number, target = '/') => {
        const connection = await started.open();
        await connection.send(requestBytes({ method: 'POST', target, body: 'x'.repeat(size) }));
        return connection;
      };
      return { ...started, gate, post };
    };

    test('is counted until the response, and not beyond the limit', async () => {
      const { server, gate, post, open, reached } = held({ requestMemory: 1_000_000 });
      const holders = [await post(400_000, '/hold'), await post(400_000, '/hold')];
      await until(() => server.stats().requestBytes === 800_000);
      const large = await (await post(200_000)).readResponse();
      expect([large.status, large.text()]).toEqual([503, 'no_memory']);
      // An eighth is for small bodies, and what has none is not concerned.
      expect((await (await post(50_000)).readResponse()).text()).toBe('50000');
      const health = await open();
      await health.send(requestBytes({ target: '/health' }));
      expect((await health.readResponse()).text()).toBe('alive');
      expect([reached, server.stats().requestBytes]).toEqual([['request_memory'], 800_000]);
      gate.resolve();
      for (const holder of holders) expect((await holder.readResponse()).text()).toBe('400000');
      expect(server.stats().requestBytes).toBe(0);
      expect((await (await post(800_000)).readResponse()).text()).toBe('800000');
    });

    test('is released when the client disconnects', async () => {
      const { server, post } = held({});
      const connections = [await post(400_000, '/hold'), await post(100, '/hold')];
      await until(() => server.stats().requestBytes === 400_100);
      for (const connection of connections) connection.destroy();
      await until(() => server.stats().requestBytes === 0);
    });

    test('before a handler reads is limited for each client, but not for a proxy', async () => {
      const COUNT = 400;
      const sendAll = async (isProxy: boolean) => {
        const gate = Promise.withResolvers<void>();
        const { open, server, reached } = start(
          async (request) => {
            await gate.promise;
            return reply(200, String((await request.readBody(1_000_000)).length));
          },
          {},
          () => isProxy,
        );
        for (let count = 0; count < COUNT; count += 1) {
          const connection = await open();
          await connection.send(requestBytes({ method: 'POST', body: 'x'.repeat(60_000) }));
        }
        await until(() => server.stats().requestBytes + reached.length * 60_000 >= COUNT * 60_000);
        const { requestBytes: kept } = server.stats();
        gate.resolve();
        return { kept, reached: reached.length };
      };
      const stranger = await sendAll(false);
      expect(stranger.kept).toBeLessThanOrEqual(MAX_UNREAD_PER_CLIENT);
      expect(stranger.reached).toBeGreaterThan(0);
      expect(await sendAll(true)).toEqual({ kept: COUNT * 60_000, reached: 0 });
    });

    test('includes heads that do not end, and pipelined requests', async () => {
      const gate = Promise.withResolvers<void>();
      const { open, server } = start(async () => {
        await gate.promise;
        return reply(200, null);
      });
      const head = await open();
      await head.send(`GET / HTTP/1.1\r\nhost: x\r\nx-a: ${'a'.repeat(50_000)}`);
      await until(() => server.stats().requestBytes >= 50_000);
      expect(server.stats().requestBytes).toBeLessThanOrEqual(66_000);
      head.destroy();
      await until(() => server.stats().requestBytes === 0);
      const ahead = await open();
      await ahead.send(requestBytes({}));
      await until(() => server.pendingRequests() === 1);
      await ahead.send(requestBytes({ target: `/${'a'.repeat(30_000)}` }));
      await until(() => server.stats().requestBytes >= 30_000);
      gate.resolve();
      await ahead.readResponse();
      await ahead.readResponse();
      expect(server.stats().requestBytes).toBe(0);
    });

    test('a route that takes less keeps less', async () => {
      const gate = Promise.withResolvers<void>();
      const { open, server } = start(async (request) => {
        request.limitBody(1_000);
        await gate.promise;
        try {
          return reply(200, String((await request.readBody(1_000_000)).length));
        } catch (error) {
          return reply(413, String(error));
        }
      });
      const small = await open();
      await small.send(requestBytes({ method: 'POST', body: 'x'.repeat(1_000) }));
      const large = await open();
      const chunk = `3e8\r\n${'x'.repeat(1_000)}\r\n`;
      await large.send('POST / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n', chunk, chunk);
      await until(() => server.pendingRequests() === 2);
      for (let time = 0; time < 20; time += 1) await turn();
      expect(server.stats().requestBytes).toBe(1_000);
      gate.resolve();
      expect((await small.readResponse()).text()).toBe('1000');
      const response = await large.readResponse();
      expect([response.status, response.text()]).toEqual([
        413,
        expect.stringContaining('limit of 1000 bytes'),
      ]);
    });
  });

  describe('responses that wait', () => {
    const SIZE = 20_000_000;

    /** Clients that read nothing of a large response. */
    const stalled = async (
      handle: (request: HttpRequest) => HttpResponse,
      clients: number,
      limits: Partial<ServerLimits> = {},
    ) => {
      const { open, server, reached } = start(handle, limits);
      for (let count = 0; count < clients; count += 1) {
        const connection = await open();
        connection.pause();
        const before = server.stats().unsentBytes + reached.length;
        await connection.send(requestBytes({ target: `/${count}` }));
        await until(() => server.stats().unsentBytes + reached.length > before || reached.length > 0);
      }
      for (let time = 0; time < 20; time += 1) await turn();
      return { server, reached };
    };

    test('for one stranger are limited', async () => {
      const one = await stalled(() => reply(200, Buffer.alloc(SIZE)), 1);
      expect([one.reached, one.server.stats().unsentBytes > SIZE / 2]).toEqual([[], true]);
      const { server, reached } = await stalled(() => reply(200, Buffer.alloc(SIZE / 4)), 10);
      expect(server.stats().unsentBytes).toBeLessThanOrEqual(MAX_UNSENT_PER_CLIENT);
      expect(new Set(reached)).toEqual(new Set(['response_memory']));
    });

    test('for one account are limited to half of all, with others untouched', async () => {
      const { server, reached } = await stalled(
        (request) => {
          request.chargeTo(request.target === '/0' ? 'small' : 'large');
          return reply(200, Buffer.alloc(SIZE));
        },
        4,
        { requestMemory: 90_000_000 },
      );
      expect(server.stats()).toMatchObject({ accounts: 2 });
      expect(server.stats().unsentBytes).toBeLessThanOrEqual(65_000_000);
      expect(reached).toEqual(['response_memory']);
    });

    test('are limited in all', async () => {
      const { server, reached } = await stalled(
        (request) => {
          request.chargeTo(request.target);
          return reply(200, Buffer.alloc(SIZE));
        },
        5,
        { requestMemory: 60_000_000 },
      );
      expect(server.stats().unsentBytes).toBeLessThanOrEqual(60_000_000);
      expect(reached.length).toBeGreaterThan(0);
    });
  });
});
