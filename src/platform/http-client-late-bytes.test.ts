import { afterEach, describe, expect, test } from 'bun:test';
import { counts, HttpClientFixture, OK, until } from '../../test/support/http-client-fixture.ts';
import type { Peer } from '../../test/support/scripted-upstream.ts';
import { systemClock } from '../core/clock.ts';
import type { UpstreamHandler } from '../core/transport.ts';
import type { Http1Connection } from './http1-connection.ts';

/** Bytes that an upstream sends outside of its responses never reach another request. */

const fixture = new HttpClientFixture();
const start = fixture.start.bind(fixture);
afterEach(() => fixture.close());

const EVIL = 'HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil';
const turn = () => new Promise<void>((resolve) => setImmediate(resolve));

/** How an upstream sends `EVIL` after a response. */
const LATE: readonly (readonly [name: string, respond: (peer: Peer, text: string) => Promise<void>])[] = [
  ['in one write with a response', (peer, text) => peer.write(response(text) + EVIL)],
  [
    'in a write after a response',
    async (peer, text) => {
      await peer.write(response(text));
      await peer.write(EVIL);
    },
  ],
  [
    'a turn of the event loop after a response',
    async (peer, text) => {
      await peer.write(response(text));
      await turn();
      await peer.write(EVIL);
    },
  ],
  [
    'after the last chunk',
    async (peer, text) => {
      await peer.write(chunked(text));
      await peer.write(EVIL);
    },
  ],
  ['after trailers', (peer, text) => peer.write(chunked(text, 'x: y\r\n') + EVIL)],
];

const response = (text: string) => `HTTP/1.1 200 OK\r\nContent-Length: ${text.length}\r\n\r\n${text}`;
const chunked = (text: string, trailers = '') =>
  `HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n${text.length.toString(16)}\r\n${text}\r\n0\r\n${trailers}\r\n`;

test.each(LATE)('bytes %s reach none of 400 requests under traffic', async (_name, respond) => {
  const { send } = await start(async (peer) => {
    for (;;) {
      const { body } = await peer.request();
      await respond(peer, body.toString());
    }
  });
  let next = 0;
  const wrong: string[] = [];
  const client = async () => {
    while (next < 400) {
      const id = `request ${next++}`;
      const result = await send(Buffer.from(id)).done;
      if (result.text() !== id) wrong.push(result.error?.message ?? result.text());
    }
  };
  await Promise.all(Array.from({ length: 16 }, client));
  expect(wrong).toEqual([]);
});

describe('a response that has no body', () => {
  test.each([
    ['204 with a length', 'HTTP/1.1 204 No Content\r\nContent-Length: 49\r\n\r\n'],
    ['204 with chunks', 'HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked\r\n\r\n'],
    ['304 with a length', 'HTTP/1.1 304 Not Modified\r\nContent-Length: 49\r\n\r\n'],
    ['204', 'HTTP/1.1 204 No Content\r\n\r\n'],
    ['304', 'HTTP/1.1 304 Not Modified\r\n\r\n'],
  ])('%s, and the upstream sends one: it reaches no request', async (_name, head) => {
    const { server, transport } = await start(async (peer, index) => {
      await peer.request();
      await peer.write(index % 2 === 0 ? head : OK);
      if (index % 2 === 1) return;
      await turn();
      await peer.write(EVIL);
    });
    for (let round = 0; round < 30; round += 1) {
      // The next request is sent from inside the end of the first one, which is the earliest time.
      const texts = await new Promise<string[]>((resolve, reject) => {
        const got: string[] = [];
        const handler: UpstreamHandler = {
          onHead: (status) => got.push(String(status)),
          onData: (bytes) => got.push(Buffer.from(bytes).toString()),
          onEnd: () => {
            if (got.length > 1) resolve(got);
            else transport.send({ method: 'POST', url: server.url, headers: {}, body: 'x' }, handler);
          },
          onError: reject,
        };
        transport.send({ method: 'GET', url: server.url, headers: {} }, handler);
      });
      expect(texts.slice(-2)).toEqual(['200', 'ok']);
    }
  });

  test('keeps its connection', async () => {
    const { server, send } = await start(async (peer) => {
      for (;;) {
        await peer.request();
        await peer.write('HTTP/1.1 204 No Content\r\n\r\n');
      }
    });
    for (let round = 0; round < 3; round += 1) expect((await send().done).status).toBe(204);
    expect(server.connections()).toBe(1);
  });
});

describe('bytes on an idle connection', () => {
  /** Sends `late` when the test says so. */
  async function startLate(late: string, options = {}) {
    const gate = Promise.withResolvers<void>();
    const parts = await start(async (peer, index) => {
      await peer.request();
      await peer.write(OK);
      if (index > 0) return;
      await gate.promise;
      await peer.write(late);
    }, options);
    return { ...parts, sendLate: () => gate.resolve() };
  }

  test('close it', async () => {
    const { transport, send, sendLate } = await startLate(EVIL);
    await send().done;
    expect(counts(transport)).toEqual({ open: 1, idle: 1, active: 0 });
    sendLate();
    await until(() => transport.stats().open === 0);
    expect((await send().done).text()).toBe('ok');
  });

  test('that arrive together with the next request close it, and the request goes to another one', async () => {
    const connections: Http1Connection[] = [];
    const { server, send } = await startLate('', {
      connect: (options: Bun.TCPSocketConnectOptions<Http1Connection>) => {
        if (options.data) connections.push(options.data);
        return Bun.connect(options);
      },
    });
    await send().done;
    const second = send(new Uint8Array(1));
    connections[0]?.received(Buffer.from(EVIL));
    expect((await second.done).text()).toBe('ok');
    expect(server.connections()).toBe(2);
  });

  test('end the reuse of connections to that upstream for ten minutes', async () => {
    let now = 0;
    const { server, transport, send, sendLate } = await startLate(EVIL, {
      clock: { ...systemClock, now: () => now },
    });
    await send().done;
    sendLate();
    await until(() => transport.stats().open === 0);
    now = 599_999;
    await send().done;
    expect([server.connections(), transport.stats().idle]).toEqual([2, 0]);
    now = 600_000;
    await send().done;
    expect([server.connections(), transport.stats().idle]).toEqual([3, 1]);
  });

  test('that say the connection was idle for too long do not', async () => {
    const { transport, send, sendLate } = await startLate(
      'HTTP/1.0 408 Request Time-out\r\nConnection: close\r\n\r\n',
    );
    await send().done;
    sendLate();
    await until(() => transport.stats().open === 0);
    await send().done;
    expect(transport.stats().idle).toBe(1);
  });
});
