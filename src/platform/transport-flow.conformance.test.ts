import { afterEach, describe, expect, test } from 'bun:test';
import { sharedCertificate, type TestCertificate } from '../../test/support/certificates.ts';
import { type Peer, startScriptedUpstream } from '../../test/support/scripted-upstream.ts';
import { sendAndCollect } from '../../test/support/transport-collector.ts';
import { decodeUtf8 } from '../core/bytes.ts';
import type { Transport, UpstreamCall } from '../core/transport.ts';
import { createFetchTransport } from './fetch-transport.ts';
import { createHttp1Transport } from './http-client.ts';

const CHUNKED = 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n';
const OK = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok';

/** Lets everything that is on its way arrive: for asserting that nothing did. */
async function settle(): Promise<void> {
  for (let turn = 0; turn < 20; turn += 1) await new Promise((resolve) => setImmediate(resolve));
}

/** The value once it has stopped changing. Stopping early on a slow machine can only make it smaller. */
async function whenSteady(read: () => number): Promise<number> {
  let last = -1;
  for (let same = 0; same < 10; same = read() === last ? same + 1 : 0) {
    last = read();
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  return last;
}

/** Stopping and slowing an exchange, on each transport. No difference between them is allowed for here. */
const certificate = sharedCertificate();
const tls = { ca: certificate.cert };

describe.each<[string, () => Transport, TestCertificate | undefined]>([
  ['http1', () => createHttp1Transport(), undefined],
  ['http1 over TLS', () => createHttp1Transport({ tls }), certificate],
  ['fetch', () => createFetchTransport((url, init) => fetch(url, { ...init, timeout: false })), undefined],
])('%s transport', (_name, create, ofServer) => {
  const opened: (() => Promise<void> | void)[] = [];
  afterEach(async () => {
    for (const close of opened.splice(0).reverse()) await close();
  });
  async function start(script: (peer: Peer, index: number) => Promise<void>) {
    const server = await startScriptedUpstream(script, ofServer);
    opened.push(() => server.close());
    const transport = create();
    opened.push(() => transport.close());
    const send = () => sendAndCollect(transport, { method: 'GET', url: server.url, headers: {} });
    return { server, transport, send };
  }

  describe('abort closes the connection, and no callback follows', () => {
    /** The first connection's script is given; its close is what the test waits for. */
    async function abortable(script: (peer: Peer) => Promise<void>) {
      const first = Promise.withResolvers<Peer>();
      const answering = Promise.withResolvers<void>();
      const started = await start(async (peer, index) => {
        if (index === 0) first.resolve(peer);
        await peer.request();
        if (index > 0) return peer.write(OK);
        await script(peer);
        answering.resolve();
        await peer.closed;
      });
      return { ...started, first: first.promise, answering: answering.promise };
    }

    test('before the head', async () => {
      const { send, first, answering, server } = await abortable(async () => undefined);
      const call = send();
      await answering;
      call.upstreamCall.abort();
      call.upstreamCall.abort();
      await (await first).closed;
      await settle();
      expect([call.result.error, call.result.ended, call.violations()]).toEqual([undefined, false, []]);
      expect((await send().done).text()).toBe('ok');
      expect(server.connections()).toBe(2);
    });

    test.each([
      ['after the head', CHUNKED, 0],
      ['within a chunk', `${CHUNKED}5\r\nhe`, 2],
      ['between chunks', `${CHUNKED}2\r\nhe\r\n`, 2],
      ['within a length', 'HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhe', 2],
    ])('%s', async (_case, answer, bytes) => {
      const { send, first, server } = await abortable((peer) => peer.write(answer));
      const call = send();
      await call.head;
      await call.bytes(bytes);
      call.upstreamCall.abort();
      await (await first).closed;
      await settle();
      expect([call.result.error, call.result.ended, call.violations()]).toEqual([undefined, false, []]);
      expect((await send().done).text()).toBe('ok');
      expect(server.connections()).toBe(2);
    });

    test('while paused in a flood', async () => {
      const { send, first } = await abortable(async (peer) => {
        await peer.write('HTTP/1.1 200 OK\r\n\r\n');
        for (;;) await peer.write(Buffer.alloc(65_536));
      });
      const call = send();
      await call.bytes(1);
      call.upstreamCall.pause();
      await settle();
      call.upstreamCall.abort();
      call.upstreamCall.resume();
      await (await first).closed;
      await settle();
      expect([call.result.error, call.result.ended, call.violations()]).toEqual([undefined, false, []]);
    });

    test.each(['onHead', 'onData'])('from inside %s', async (where) => {
      const { transport, server, first } = await abortable((peer) =>
        peer.write(`${CHUNKED}2\r\nhe\r\n2\r\nll\r\n`),
      );
      const calls: string[] = [];
      const told = (name: string) => {
        calls.push(name);
        if (name === where) upstreamCall.abort();
      };
      const upstreamCall: UpstreamCall = transport.send(
        { method: 'GET', url: server.url, headers: {} },
        {
          onHead: () => told('onHead'),
          onData: () => told('onData'),
          onEnd: () => told('onEnd'),
          onError: () => told('onError'),
        },
      );
      await (await first).closed;
      await settle();
      expect(calls).toEqual(where === 'onHead' ? ['onHead'] : ['onHead', 'onData']);
    });

    test('after the end it does nothing', async () => {
      const { send, server } = await start(async (peer) => {
        for (;;) {
          await peer.request();
          await peer.write(OK);
        }
      });
      for (let round = 0; round < 3; round += 1) {
        const call = send();
        await call.done;
        call.upstreamCall.pause();
        call.upstreamCall.abort();
        call.upstreamCall.resume();
      }
      expect(server.connections()).toBe(1);
    });

    test('at once after sending', async () => {
      const { send } = await start(async (peer) => {
        await peer.request();
        await peer.write(OK);
      });
      const call = send();
      call.upstreamCall.abort();
      expect((await send().done).text()).toBe('ok');
      await settle();
      expect([call.result.status, call.result.error, call.violations()]).toEqual([undefined, undefined, []]);
    });
  });

  describe('pause', () => {
    const TOTAL = 64 * 1024 * 1024;

    test.each(['chunked', 'length'])('holds the upstream back, and resume completes: %s', async (framing) => {
      const piece = Buffer.alloc(65_536, 'x');
      let sent = 0;
      const { send } = await start(async (peer) => {
        await peer.request();
        await peer.write(
          framing === 'chunked' ? CHUNKED : `HTTP/1.1 200 OK\r\nContent-Length: ${TOTAL}\r\n\r\n`,
        );
        const framed =
          framing === 'chunked'
            ? Buffer.concat([Buffer.from('10000\r\n'), piece, Buffer.from('\r\n')])
            : piece;
        while (sent < TOTAL) {
          await peer.write(framed);
          sent += piece.length;
        }
        if (framing === 'chunked') await peer.write('0\r\n\r\n');
      });
      const call = send();
      await call.bytes(1);
      call.upstreamCall.pause();
      const told = call.result.body.length;
      expect(await whenSteady(() => sent)).toBeLessThan(TOTAL / 2);
      expect(call.result.body.length).toBe(told);
      call.upstreamCall.resume();
      const result = await call.done;
      expect([result.error, result.body.length]).toEqual([undefined, TOTAL]);
    });

    test('no callback is called meanwhile, not even for the head or the end', async () => {
      const { send } = await start(async (peer) => {
        await peer.request();
        await peer.write(OK);
        peer.end();
      });
      const call = send();
      call.upstreamCall.pause();
      await settle();
      expect(call.result.status).toBeUndefined();
      call.upstreamCall.resume();
      await call.head;
      expect((await call.done).text()).toBe('ok');
    });

    test.each(['end', 'reset'] as const)('a close by %s meanwhile is reported after resume', async (how) => {
      // A reset may overtake bytes that have not been read yet.
      const paused = Promise.withResolvers<void>();
      const { send } = await start(async (peer) => {
        await peer.request();
        await peer.write(`${CHUNKED}2\r\nhe\r\n`);
        await paused.promise;
        peer[how]();
      });
      const call = send();
      await call.bytes(2);
      call.upstreamCall.pause();
      paused.resolve();
      await settle();
      await settle();
      expect(call.result.error).toBeUndefined();
      call.upstreamCall.resume();
      expect((await call.done).error?.failure).toBe('closed_mid_body');
    });

    test('a connection whose last bytes were held is fit for the next request', async () => {
      const { transport, server, send } = await start(async (peer) => {
        for (;;) {
          await peer.request();
          await peer.write(`${CHUNKED}1\r\na\r\n1\r\nb\r\n0\r\n\r\n`);
        }
      });
      for (let round = 0; round < 3; round += 1) {
        const text: string[] = [];
        await new Promise<void>((resolve, reject) => {
          const upstreamCall: UpstreamCall = transport.send(
            { method: 'GET', url: server.url, headers: {} },
            {
              onHead: () => undefined,
              onData: (bytes) => {
                text.push(decodeUtf8(bytes));
                upstreamCall.pause();
                setImmediate(() => upstreamCall.resume());
              },
              onEnd: resolve,
              onError: reject,
            },
          );
        });
        expect(text.join('')).toBe('ab');
      }
      expect((await send().done).text()).toBe('ab');
      expect(server.connections()).toBe(1);
    });
  });
});
