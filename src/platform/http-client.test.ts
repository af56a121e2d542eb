import { afterEach, describe, expect, test } from 'bun:test';
import { createGate, type Gate } from '../../test/support/gate.ts';
import { type Script, startScriptedUpstream } from '../../test/support/scripted-upstream.ts';
import { sendAndCollect } from '../../test/support/transport-collector.ts';
import { systemClock } from '../core/clock.ts';
import type { UpstreamHandler } from '../core/transport.ts';
import { createHttp1Transport, type Http1Transport, type Http1TransportOptions } from './http-client.ts';

/** What only our own client promises; what every transport does is in the conformance suites. */

const OK = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok';
const opened: (() => Promise<void> | void)[] = [];
afterEach(async () => {
  for (const close of opened.splice(0).reverse()) await close();
});

async function start(script: Script, options: Http1TransportOptions = {}) {
  const server = await startScriptedUpstream(script);
  opened.push(() => server.close());
  const transport = createHttp1Transport(options);
  opened.push(() => transport.close());
  const send = (body?: Uint8Array) =>
    sendAndCollect(transport, {
      method: body === undefined ? 'GET' : 'POST',
      url: server.url,
      headers: {},
      ...(body === undefined ? {} : { body }),
    });
  return { server, transport, send };
}

const answering =
  (...responses: string[]): Script =>
  async (peer) => {
    for (const response of responses) {
      await peer.request();
      await peer.write(response);
    }
    await peer.closed;
  };

/** Waits for a state that is sure to come; a test's own time limit catches one that does not. */
async function until(holds: () => boolean): Promise<void> {
  while (!holds()) await new Promise((resolve) => setImmediate(resolve));
}

const counts = (transport: Http1Transport) => {
  const { open, idle, active } = transport.stats();
  return { open, idle, active };
};

describe('connections', () => {
  test('are counted', async () => {
    const { transport, send } = await start(answering(OK, OK));
    expect(counts(transport)).toEqual({ open: 0, idle: 0, active: 0 });
    const first = send();
    expect(counts(transport)).toEqual({ open: 0, idle: 0, active: 1 });
    await first.done;
    expect(counts(transport)).toEqual({ open: 1, idle: 1, active: 0 });
    const second = send();
    expect(counts(transport)).toEqual({ open: 1, idle: 0, active: 1 });
    await second.done;
    transport.close();
    expect(counts(transport)).toEqual({ open: 0, idle: 0, active: 0 });
  });

  test('a request sent from onEnd reuses the one that just ended', async () => {
    const { server, transport, send } = await start(answering(OK, OK));
    const second = await new Promise<ReturnType<typeof send>>((resolve, reject) => {
      const ignore = () => undefined;
      const handler: UpstreamHandler = {
        onHead: ignore,
        onData: ignore,
        onEnd: () => resolve(send()),
        onError: reject,
      };
      transport.send({ method: 'GET', url: server.url, headers: {} }, handler);
    });
    expect((await second.done).text()).toBe('ok');
    expect(server.connections()).toBe(1);
  });

  test('are closed after close(), in flight or not', async () => {
    const gate = Promise.withResolvers<void>();
    const { transport, send } = await start(async (peer) => {
      await peer.request();
      await gate.promise;
      await peer.write(OK);
      await peer.closed;
    });
    const call = send();
    await until(() => transport.stats().open === 1);
    transport.close();
    gate.resolve();
    expect((await call.done).text()).toBe('ok');
    expect(counts(transport)).toEqual({ open: 0, idle: 0, active: 0 });
  });

  test.each([
    ['the default time', OK, 30_000],
    ['the server’s hint less a second', 'HTTP/1.1 204 N\r\nKeep-Alive: timeout=9\r\n\r\n', 8000],
    ['the default time, whatever longer hint', 'HTTP/1.1 204 N\r\nKeep-Alive: timeout=900\r\n\r\n', 30_000],
  ])('are kept for %s', async (_name, response, lifetime) => {
    let now = 0;
    const clock = { ...systemClock, now: () => now };
    const { server, send } = await start(answering(response, response), { clock });
    await send().done;
    now = lifetime - 1;
    await send().done;
    expect(server.connections()).toBe(1);
    now += lifetime;
    await send().done;
    expect(server.connections()).toBe(2);
  });

  test('are not kept where the hint leaves no time', async () => {
    const { transport, send } = await start(answering('HTTP/1.1 204 N\r\nKeep-Alive: timeout=1\r\n\r\n'));
    await send().done;
    expect(counts(transport)).toEqual({ open: 0, idle: 0, active: 0 });
  });

  test.each<[string, Script]>([
    [
      'closes',
      async (peer) => {
        await peer.request();
        await peer.write(OK);
        peer.end();
      },
    ],
    [
      'says something unasked',
      async (peer) => {
        await peer.request();
        await peer.write(OK);
        await new Promise((resolve) => setImmediate(resolve));
        await peer.write(OK);
        await peer.closed;
      },
    ],
  ])('an idle one whose server %s is dropped', async (_name, script) => {
    const { transport, send } = await start(script);
    await send().done;
    await until(() => transport.stats().open === 0);
    expect(transport.stats().idle).toBe(0);
    expect((await send().done).text()).toBe('ok');
  });

  test('are not reused when the response came before the request was sent', async () => {
    const { server, send } = await start(async (peer) => {
      await peer.write(OK);
      await peer.closed;
    });
    const big = new Uint8Array(50_000_000);
    expect((await send(big).done).text()).toBe('ok');
    expect((await send(big).done).text()).toBe('ok');
    expect(server.connections()).toBe(2);
  });
});

describe('settings of connections', () => {
  /** Answers each request when the gate has a permit, with the number of its connection. */
  const numbered =
    (gate: Gate, head = ''): Script =>
    async (peer, index) => {
      for (;;) {
        await peer.request();
        await gate.pass();
        await peer.write(`HTTP/1.1 200 OK\r\n${head}Content-Length: 1\r\n\r\n${index}`);
        if (head.includes('close')) peer.end();
      }
    };

  test('idle ones beyond the bound are closed', async () => {
    const gate = createGate();
    const { server, transport, send } = await start(numbered(gate), { maxIdle: 2 });
    const calls = [send(), send(), send(), send()];
    await until(() => gate.waiting() === 4);
    gate.open();
    for (const call of calls) await call.done;
    await until(() => transport.stats().open === 2);
    expect(counts(transport)).toEqual({ open: 2, idle: 2, active: 0 });
    expect(server.connections()).toBe(4);
  });

  test('without idle ones each request has a connection of its own', async () => {
    const gate = createGate();
    gate.open();
    const { server, send } = await start(numbered(gate), { maxIdle: 0 });
    for (const expected of ['0', '1', '2']) expect((await send().done).text()).toBe(expected);
    expect(server.connections()).toBe(3);
  });

  test('an idle one that has expired is not used again', async () => {
    let now = 0;
    const gate = createGate();
    gate.open();
    const clock = { ...systemClock, now: () => now };
    const { server, send } = await start(numbered(gate), { clock, idleTimeoutMs: 500 });
    expect((await send().done).text()).toBe('0');
    now = 499;
    expect((await send().done).text()).toBe('0');
    now = 999;
    expect((await send().done).text()).toBe('1');
    expect(server.connections()).toBe(2);
  });

  test('requests beyond the bound wait', async () => {
    const gate = createGate();
    const { server, transport, send } = await start(numbered(gate), { maxConnections: 2 });
    const calls = Array.from({ length: 5 }, () => send());
    await until(() => gate.waiting() === 2);
    expect(counts(transport)).toEqual({ open: 2, idle: 0, active: 5 });
    gate.open();
    for (const { done } of calls) expect((await done).status).toBe(200);
    expect(counts(transport)).toEqual({ open: 2, idle: 2, active: 0 });
    expect(server.connections()).toBe(2);
  });

  test('those that wait are sent in their order', async () => {
    const received: number[] = [];
    const { send } = await start(
      async (peer) => {
        for (;;) {
          received.push((await peer.request()).body.length);
          await peer.write(OK);
        }
      },
      { maxConnections: 1 },
    );
    await Promise.all([1, 2, 3, 4, 5].map((bytes) => send(new Uint8Array(bytes)).done));
    expect(received).toEqual([1, 2, 3, 4, 5]);
  });

  test('one that waits opens a connection when another is closed', async () => {
    const gate = createGate();
    const { server, send } = await start(numbered(gate, 'Connection: close\r\n'), { maxConnections: 1 });
    const calls = [send(), send(), send()];
    gate.open();
    expect(await Promise.all(calls.map(async ({ done }) => (await done).text()))).toEqual(['0', '1', '2']);
    expect(server.connections()).toBe(3);
  });

  test('one that waits too long fails with the reason, and others succeed', async () => {
    const gate = createGate();
    const { server, transport, send } = await start(numbered(gate), {
      maxConnections: 1,
      connectTimeoutMs: 50,
    });
    const first = send();
    await until(() => gate.waiting() === 1);
    const { error } = await send().done;
    expect([error?.failure, error?.message]).toEqual([
      'connect_timeout',
      `no connection to 127.0.0.1:${server.port} became free within 50 ms: all 1 are in use ("upstream.max_connections")`,
    ]);
    expect(counts(transport)).toEqual({ open: 1, idle: 0, active: 1 });
    gate.open();
    expect((await first.done).text()).toBe('0');
    expect((await send().done).text()).toBe('0');
  });

  test('one that is aborted while it waits lets the next one go', async () => {
    const gate = createGate();
    const { transport, send } = await start(numbered(gate), { maxConnections: 1 });
    const [first, second, third] = [send(), send(), send()];
    await until(() => gate.waiting() === 1);
    second.upstreamCall.abort();
    expect(transport.stats().active).toBe(2);
    gate.open();
    expect([(await first.done).text(), (await third.done).text()]).toEqual(['0', '0']);
    expect([second.result.status, second.violations()]).toEqual([undefined, []]);
  });

  test('a connection that does not open, or is aborted, makes room for the next', async () => {
    let attempts = 0;
    const gate = createGate();
    const { transport, send } = await start(numbered(gate), {
      maxConnections: 1,
      connect: async (options) => {
        attempts += 1;
        if (attempts === 1) throw new Error('no route');
        return Bun.connect(options);
      },
    });
    const [refused, aborted, answered] = [send(), send(), send()];
    expect((await refused.done).error?.failure).toBe('connect');
    await until(() => gate.waiting() === 1);
    aborted.upstreamCall.abort();
    gate.open();
    expect((await answered.done).status).toBe(200);
    expect(counts(transport)).toEqual({ open: 1, idle: 1, active: 0 });
  });

  test('are for each origin', async () => {
    const gate = createGate();
    const { transport, send } = await start(numbered(gate), { maxConnections: 1 });
    const first = send();
    await until(() => gate.waiting() === 1);
    const other = await startScriptedUpstream(answering(OK));
    opened.push(() => other.close());
    const request = { method: 'GET', url: other.url, headers: {} } as const;
    expect((await sendAndCollect(transport, request).done).text()).toBe('ok');
    gate.open();
    expect((await first.done).text()).toBe('0');
  });
});

describe('resending', () => {
  test('only once: a second kept connection that closes unanswered is a failure', async () => {
    const [first, second, third] = [createGate(), createGate(), createGate()];
    const { send } = await start(
      async (peer, index) => {
        await peer.request();
        if (index === 2) await third.pass();
        await peer.write(OK);
        await peer.request();
        await (index === 0 ? first : second).pass();
        if (index === 1) {
          await peer.write(OK);
          await peer.request();
        }
        peer.end();
      },
      { maxConnections: 2 },
    );
    await Promise.all([send().done, send().done]);
    const calls = [send(), send(), send()];
    await until(() => first.waiting() + second.waiting() === 2);
    // The third call gets the place of the connection that closes, and the call that was on it has to wait.
    first.open();
    await until(() => third.waiting() === 1);
    second.open();
    const failed = await Promise.race(
      calls.map(async ({ done }) => (await done).error ?? new Promise(() => undefined)),
    );
    expect(failed).toMatchObject({ failure: 'closed_before_response' });
    third.open();
    const results = await Promise.all(calls.map(({ done }) => done));
    expect(results.map(({ text, error }) => error?.failure ?? text()).toSorted()).toEqual([
      ...['closed_before_response', 'ok', 'ok'],
    ]);
  });

  test('only once: a fresh connection that closes unanswered is a failure', async () => {
    const { server, send } = await start(async (peer, index) => {
      await peer.request();
      if (index === 0) {
        await peer.write(OK);
        await peer.request();
      }
      peer.end();
    });
    await send().done;
    expect((await send().done).error?.failure).toBe('closed_before_response');
    expect(server.connections()).toBe(2);
  });

  test('not when a byte of the response had come', async () => {
    const { server, send } = await start(async (peer) => {
      await peer.request();
      await peer.write(OK);
      await peer.request();
      await peer.write('H');
      await new Promise((resolve) => setImmediate(resolve));
      peer.end();
    });
    await send().done;
    expect((await send().done).error?.failure).toBe('closed_before_response');
    expect(server.connections()).toBe(1);
  });

  test('sends a large body whole again', async () => {
    const received: number[] = [];
    const { send } = await start(async (peer, index) => {
      if (index === 0) {
        await peer.request();
        await peer.write(OK);
        await peer.request();
        peer.reset();
        return;
      }
      received.push((await peer.request()).body.length);
      await peer.write(OK);
    });
    await send().done;
    expect((await send(new Uint8Array(5_000_000)).done).text()).toBe('ok');
    expect(received).toEqual([5_000_000]);
  });
});

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
