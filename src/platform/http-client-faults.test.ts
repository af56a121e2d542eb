import { afterEach, describe, expect, test } from 'bun:test';
import { answering, counts, HttpClientFixture, OK, until } from '../../test/support/http-client-fixture.ts';

/** Connections that do not open, and handlers that throw. */

const fixture = new HttpClientFixture();
const start = fixture.start.bind(fixture);
afterEach(() => fixture.close());

describe('connecting', () => {
  test('fails after the connect timeout', async () => {
    const { send, transport } = await start(() => undefined, {
      connectTimeoutMs: 1,
      connect: () => new Promise(() => undefined),
    });
    const call = send();
    call.upstreamCall.pause();
    expect((await call.done).error?.failure).toBe('connect_timeout');
    expect(transport.stats().active).toBe(0);
  });

  test.each(['abort', 'timeout'])('a connection that opens after %s is closed at once', async (why) => {
    const gate = Promise.withResolvers<void>();
    const closed = Promise.withResolvers<void>();
    const { send, transport } = await start(
      async (peer) => {
        await peer.closed;
        closed.resolve();
      },
      {
        connectTimeoutMs: why === 'timeout' ? 1 : 10_000,
        connect: async (options) => {
          await gate.promise;
          return Bun.connect(options);
        },
      },
    );
    const call = send();
    if (why === 'timeout') await call.done;
    else call.upstreamCall.abort();
    expect(transport.stats().active).toBe(0);
    gate.resolve();
    await closed.promise;
    await until(() => transport.stats().open === 0);
    expect([call.result.status, call.violations()]).toEqual([undefined, []]);
  });

  test('an error thrown by the connector is a failure to connect', async () => {
    const { send } = await start(() => undefined, {
      connect: () => {
        throw new RangeError('no');
      },
    });
    const result = await send().done;
    expect([result.error?.failure, result.error?.message]).toEqual([
      'connect',
      expect.stringContaining('no'),
    ]);
  });
});

describe('a handler that throws', () => {
  test.each(['onHead', 'onData'])(
    'in %s ends its exchange and connection, and is reported',
    async (where) => {
      const faults: unknown[] = [];
      const closed = Promise.withResolvers<void>();
      const { server, transport, send } = await start(
        async (peer, index) => {
          await peer.request();
          await peer.write(index === 0 ? 'HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc' : OK);
          await peer.closed;
          closed.resolve();
        },
        { onHandlerError: (error) => faults.push(error) },
      );
      const boom = new Error('boom');
      const told: string[] = [];
      const record = (name: string) => {
        told.push(name);
        if (name === where) throw boom;
      };
      await new Promise<void>((resolve) => {
        transport.send(
          { method: 'GET', url: server.url, headers: {} },
          {
            onHead: () => record('onHead'),
            onData: () => record('onData'),
            onEnd: () => record('onEnd'),
            onError: (error) => {
              expect(error.cause).toBe(boom);
              record('onError');
              resolve();
            },
          },
        );
      });
      await closed.promise;
      expect(told.at(-1)).toBe('onError');
      expect(told.at(-2)).toBe(where);
      expect(faults).toEqual([boom]);
      expect(counts(transport)).toEqual({ open: 0, idle: 0, active: 0 });
      expect((await send().done).text()).toBe('ok');
    },
  );

  test('in onEnd or onError is reported, and other calls succeed', async () => {
    const faults: unknown[] = [];
    const { server, transport, send } = await start(answering(OK, OK, 'garbage'), {
      onHandlerError: (error) => faults.push(error),
    });
    const boom = new Error('boom');
    const bad = () => {
      throw boom;
    };
    const ignore = () => undefined;
    const request = { method: 'GET', url: server.url, headers: {} } as const;
    transport.send(request, { onHead: ignore, onData: ignore, onEnd: bad, onError: bad });
    await until(() => faults.length === 1);
    expect((await send().done).text()).toBe('ok');
    transport.send(request, { onHead: ignore, onData: ignore, onEnd: bad, onError: bad });
    await until(() => faults.length === 2);
    expect(server.connections()).toBe(1);
    expect(counts(transport)).toEqual({ open: 0, idle: 0, active: 0 });
  });
});
