import { afterEach, describe, expect, test } from 'bun:test';
import { createGate } from '../../test/support/gate.ts';
import { counts, HttpClientFixture, OK, until } from '../../test/support/http-client-fixture.ts';
import type { Http1Connection } from './http1-connection.ts';

/** Requests on kept connections that close: which of them are sent again. */

const fixture = new HttpClientFixture();
const start = fixture.start.bind(fixture);
afterEach(() => fixture.close());

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

  describe.each(['end', 'reset'] as const)('never of a POST: the upstream ends by %s', (how) => {
    test.each([
      ['a small body', 1],
      ['a large body', 5_000_000],
    ])('%s', async (_name, size) => {
      const received: number[] = [];
      const { server, send } = await start(async (peer, index) => {
        await peer.request();
        await peer.write(OK);
        received.push((await peer.request()).body.length);
        if (index === 0) peer[how]();
        else await peer.write(OK);
      });
      await send().done;
      const { error } = await send(new Uint8Array(size)).done;
      expect(error?.failure).toBe('closed_before_response');
      expect([received, server.connections()]).toEqual([[size], 1]);
    });
  });

  test('never of a POST that the upstream stopped reading', async () => {
    const { server, send } = await start(async (peer, index) => {
      await peer.request();
      await peer.write(OK);
      if (index === 0) peer.reset();
      else await peer.closed;
    });
    await send().done;
    const { error, text } = await send(new Uint8Array(50_000_000)).done;
    // The reset may come before the first byte is sent. Then the request goes to another connection, for the first time.
    if (error) expect([error.failure, server.connections()]).toEqual(['closed_before_response', 1]);
    else expect([text(), server.connections()]).toEqual(['ok', 2]);
  });

  test('a POST whose connection closes before it is sent goes to another one', async () => {
    const received: string[] = [];
    const connections: Http1Connection[] = [];
    const { transport, send } = await start(
      async (peer, index) => {
        for (;;) {
          const { head } = await peer.request();
          received.push(`${index} ${head.slice(0, 4)}`);
          await peer.write(OK);
        }
      },
      {
        connect: (options) => {
          if (options.data) connections.push(options.data);
          return Bun.connect(options);
        },
      },
    );
    const body = new Uint8Array(1);
    await send(body).done;
    const second = send(body);
    // Like a FIN that arrives in the same turn of the event loop, before the request is written.
    connections[0]?.closed(undefined);
    expect((await second.done).text()).toBe('ok');
    expect([received, connections.length]).toEqual([['0 POST', '1 POST'], 2]);
    expect(counts(transport)).toEqual({ open: 1, idle: 1, active: 0 });
  });
});
