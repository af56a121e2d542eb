import { afterEach, describe, expect, test } from 'bun:test';
import { createGate, type Gate } from '../../test/support/gate.ts';
import { answering, counts, HttpClientFixture, OK, until } from '../../test/support/http-client-fixture.ts';
import { type Script, startScriptedUpstream } from '../../test/support/scripted-upstream.ts';
import { sendAndCollect } from '../../test/support/transport-collector.ts';
import { systemClock } from '../core/clock.ts';
import type { UpstreamHandler } from '../core/transport.ts';

/** What only our own client promises; what every transport does is in the conformance suites. */

const fixture = new HttpClientFixture();
const start = fixture.start.bind(fixture);
afterEach(() => fixture.close());

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
    fixture.closeLater(() => other.close());
    const request = { method: 'GET', url: other.url, headers: {} } as const;
    expect((await sendAndCollect(transport, request).done).text()).toBe('ok');
    gate.open();
    expect((await first.done).text()).toBe('0');
  });
});
