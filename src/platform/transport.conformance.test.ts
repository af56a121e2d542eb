import { afterEach, describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import { sharedCertificate, type TestCertificate } from '../../test/support/certificates.ts';
import { runs } from '../../test/support/effort.ts';
import {
  type Script,
  type ScriptedUpstream,
  startScriptedUpstream,
} from '../../test/support/scripted-upstream.ts';
import { sendAndCollect } from '../../test/support/transport-collector.ts';
import type { Transport, TransportFailure } from '../core/transport.ts';
import { createFetchTransport } from './fetch-transport.ts';
import { createHttp1Transport } from './http-client.ts';

/** Each place where the runtime's fetch legitimately behaves otherwise than our client. */
interface Differences {
  /** fetch ends the message at the last chunk's line and does not wait for the empty line after it. */
  readonly endsWithoutFinalLine: boolean;
  /** fetch cannot tell a reset from an orderly close where a body has no length: HTTP gives no other sign. */
  readonly resetEndsUnframedBody: boolean;
  /** fetch reports a refused `Transfer-Encoding` only for codings it does not know, and gzip is not one. */
  readonly acceptsOtherCodings: boolean;
  /** Its limit for response heads is far higher than ours; any finite one protects. */
  readonly acceptsHugeHeads: boolean;
  /** fetch keeps the connection after a response with two framings, against RFC 9112 section 6.1. */
  readonly keepsAmbiguousConnection: boolean;
}

const certificate = sharedCertificate();
const tls = { ca: certificate.cert };

const transports: [string, () => Transport, Differences, TestCertificate | undefined][] = [
  [
    'http1',
    () => createHttp1Transport(),
    {
      endsWithoutFinalLine: false,
      resetEndsUnframedBody: false,
      acceptsOtherCodings: false,
      acceptsHugeHeads: false,
      keepsAmbiguousConnection: false,
    },
    undefined,
  ],
  [
    'http1 over TLS',
    () => createHttp1Transport({ tls }),
    {
      endsWithoutFinalLine: false,
      resetEndsUnframedBody: false,
      acceptsOtherCodings: false,
      acceptsHugeHeads: false,
      keepsAmbiguousConnection: false,
    },
    certificate,
  ],
  [
    'fetch',
    () => createFetchTransport((url, init) => fetch(url, { ...init, timeout: false })),
    {
      endsWithoutFinalLine: true,
      resetEndsUnframedBody: true,
      acceptsOtherCodings: true,
      acceptsHugeHeads: true,
      keepsAmbiguousConnection: true,
    },
    undefined,
  ],
];

const OK = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok';
const CHUNKED = 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n';

describe.each(transports)('%s transport', (_name, create, differs, ofServer) => {
  const opened: (() => Promise<void> | void)[] = [];
  afterEach(async () => {
    for (const close of opened.splice(0).reverse()) await close();
  });

  async function upstream(script: Script): Promise<ScriptedUpstream> {
    const server = await startScriptedUpstream(script, ofServer);
    opened.push(() => server.close());
    return server;
  }
  function transport(): Transport {
    const made = create();
    opened.push(() => made.close());
    return made;
  }
  /** An upstream that answers every request on every connection with the same bytes. */
  const always = (...pieces: (string | Uint8Array)[]) =>
    upstream(async (peer) => {
      for (;;) {
        await peer.request();
        await peer.writePieces(pieces);
      }
    });
  /** An upstream that reads one request, answers with these bytes and closes. */
  const onceThen = (how: 'end' | 'reset', ...pieces: (string | Uint8Array)[]) =>
    upstream(async (peer) => {
      await peer.request();
      await peer.writePieces(pieces);
      peer[how]();
    });
  const get = (server: ScriptedUpstream, through = transport()) =>
    sendAndCollect(through, { method: 'GET', url: `${server.url}/x?y=1`, headers: {} });

  describe('answers', () => {
    test('status, headers, body', async () => {
      const server = await always(
        'HTTP/1.1 404 Not Found\r\nX-A: 1\r\nx-a: 2\r\nContent-Length: 3\r\n\r\nabc',
      );
      const result = await get(server).done;
      expect([result.status, result.headers?.get('x-a'), result.text()]).toEqual([404, '1, 2', 'abc']);
      expect(result.error).toBeUndefined();
    });

    test('the request arrives as asked', async () => {
      const seen: string[] = [];
      const server = await upstream(async (peer) => {
        const { head, body } = await peer.request();
        seen.push(head, body.toString());
        await peer.write(OK);
      });
      const headers = {
        'content-type': 'application/json',
        'x-latin': 'caf\xe9',
        'accept-encoding': 'identity',
      };
      await sendAndCollect(transport(), {
        method: 'POST',
        url: `${server.url}/v1/a%20b?c=d&e`,
        headers,
        body: '{"a":"ü€"}',
      }).done;
      const [head = '', body] = seen;
      expect(head.split('\r\n')[0]).toBe('POST /v1/a%20b?c=d&e HTTP/1.1');
      const lines = head.toLowerCase().split('\r\n');
      expect(lines).toContain(`host: 127.0.0.1:${server.port}`);
      expect(lines).toContain('content-type: application/json');
      expect(lines).toContain('x-latin: caf\xe9');
      expect(lines).toContain('accept-encoding: identity');
      expect(lines).toContain('content-length: 13');
      expect(body).toBe('{"a":"ü€"}');
    });

    test('a body of bytes, and an empty POST', async () => {
      const seen: string[] = [];
      const server = await upstream(async (peer) => {
        for (;;) {
          const { head, body } = await peer.request();
          seen.push(`${/content-length: \d+/i.exec(head)?.[0].toLowerCase()} ${body.toString('hex')}`);
          await peer.write(OK);
        }
      });
      const through = transport();
      const send = (body?: Uint8Array) =>
        sendAndCollect(through, { method: 'POST', url: server.url, headers: {}, ...(body && { body }) }).done;
      await send(new Uint8Array([0, 255, 13, 10]).subarray(1));
      await send();
      expect(seen).toEqual(['content-length: 3 ff0d0a', 'content-length: 0 ']);
    });

    test('chunked, in any pieces', async () => {
      const body = fc.array(fc.uint8Array({ minLength: 1, maxLength: 2000 }), { minLength: 1, maxLength: 5 });
      const cuts = fc.array(fc.nat({ max: 12_000 }), { maxLength: 8 });
      let next: Buffer[] = [];
      const server = await upstream(async (peer) => {
        for (;;) {
          await peer.request();
          await peer.writePieces(next);
        }
      });
      const through = transport();
      await fc.assert(
        fc.asyncProperty(body, cuts, async (chunks, at) => {
          const framed = chunks.flatMap((chunk) => [`${chunk.length.toString(16)}\r\n`, chunk, '\r\n']);
          const bytes = Buffer.concat([CHUNKED, ...framed, '0\r\n\r\n'].map((part) => Buffer.from(part)));
          const ends = [...at.map((cut) => cut % bytes.length).sort((a, b) => a - b), bytes.length];
          next = ends
            .map((end, index) => bytes.subarray(ends[index - 1] ?? 0, end))
            .filter((p) => p.length > 0);
          const result = await get(server, through).done;
          expect(result.error).toBeUndefined();
          expect(result.body.equals(Buffer.concat(chunks))).toBe(true);
        }),
        { numRuns: runs(30) },
      );
      expect(server.connections()).toBe(1);
    });

    test('a body that lasts until close', async () => {
      const result = await get(await onceThen('end', 'HTTP/1.1 200 OK\r\n\r\n', 'hello')).done;
      expect([result.ended, result.text()]).toEqual([true, 'hello']);
    });

    test.each([204, 304])('%d has no body, and the connection is kept', async (status) => {
      const server = await always(`HTTP/1.1 ${status} X\r\n\r\n`);
      const through = transport();
      for (let round = 0; round < 3; round += 1) {
        const result = await get(server, through).done;
        expect([result.status, result.ended, result.body.length]).toEqual([status, true, 0]);
      }
      expect(server.connections()).toBe(1);
    });

    test('informational responses are not reported', async () => {
      const server = await always('HTTP/1.1 100 Continue\r\n\r\n', 'HTTP/1.1 103 E\r\nLink: x\r\n\r\n', OK);
      const result = await get(server).done;
      expect([result.status, result.text(), result.headers?.get('link')]).toEqual([200, 'ok', null]);
    });

    test('a redirect is not followed', async () => {
      const server = await always('HTTP/1.1 307 T\r\nLocation: /elsewhere\r\nContent-Length: 0\r\n\r\n');
      const result = await get(server).done;
      expect([result.status, result.headers?.get('location')]).toEqual([307, '/elsewhere']);
    });

    test('a slow upstream: head and each chunk are reported as they arrive', async () => {
      const gate = Promise.withResolvers<void>();
      const server = await upstream(async (peer) => {
        await peer.request();
        await peer.write(`${CHUNKED}3\r\none\r\n`);
        await gate.promise;
        await peer.write('3\r\ntwo\r\n0\r\n\r\n');
      });
      const call = get(server);
      await call.bytes(3);
      expect(call.result.ended).toBe(false);
      gate.resolve();
      expect((await call.done).text()).toBe('onetwo');
    });

    test('20 MB each way', async () => {
      const big = new Uint8Array(20_000_000).map((_, index) => (index * 31) >> 8);
      const received: number[] = [];
      const server = await upstream(async (peer) => {
        for (;;) {
          const { body } = await peer.request();
          received.push(Bun.hash.crc32(body));
          await peer.write(`HTTP/1.1 200 OK\r\nContent-Length: ${body.length}\r\n\r\n`);
          await peer.write(body);
        }
      });
      const through = transport();
      const text = 'é'.repeat(10_000_000);
      for (const body of [big, text]) {
        const result = await sendAndCollect(through, { method: 'POST', url: server.url, headers: {}, body })
          .done;
        const expected = Bun.hash.crc32(body);
        expect(received.pop()).toBe(expected);
        expect(Bun.hash.crc32(result.body)).toBe(expected);
      }
    });
  });

  describe('connections', () => {
    test('many requests in a row share one', async () => {
      const server = await always(OK);
      const through = transport();
      for (let round = 0; round < 50; round += 1) expect((await get(server, through).done).text()).toBe('ok');
      expect(server.connections()).toBe(1);
    });

    test.each([
      ['Connection: close', 'HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok'],
      ['HTTP/1.0', 'HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok'],
      [
        'two framings',
        `HTTP/1.1 200 OK\r\nContent-Length: 9\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n`,
      ],
    ])('not reused after %s', async (name, response) => {
      const server = await always(response);
      const through = transport();
      expect((await get(server, through).done).text()).toBe('ok');
      expect((await get(server, through).done).text()).toBe('ok');
      const kept = name === 'two framings' && differs.keepsAmbiguousConnection;
      expect(server.connections()).toBe(kept ? 1 : 2);
    });

    test('one that closes at the next request is replaced, unnoticed', async () => {
      const server = await upstream(async (peer, index) => {
        await peer.request();
        await peer.write(OK);
        if (index > 0) return;
        await peer.request();
        peer.reset();
      });
      const through = transport();
      await get(server, through).done;
      const result = await get(server, through).done;
      expect([result.text(), server.connections()]).toEqual(['ok', 2]);
    });
  });

  test.each(['end', 'reset'] as const)(
    'a POST on a kept connection that closes is not sent again (%s)',
    async (how) => {
      const bodies: string[] = [];
      const server = await upstream(async (peer, index) => {
        for (let turn = 0; ; turn += 1) {
          bodies.push((await peer.request()).body.toString());
          if (index === 0 && turn === 1) peer[how]();
          else await peer.write(OK);
        }
      });
      const through = transport();
      const send = (body: string) =>
        sendAndCollect(through, { method: 'POST', url: server.url, headers: {}, body }).done;
      expect((await send('first')).text()).toBe('ok');
      expect((await send('second')).error?.failure).toBe('closed_before_response');
      expect((await send('third')).text()).toBe('ok');
      expect(bodies).toEqual(['first', 'second', 'third']);
    },
  );

  describe('failures', () => {
    const fails = async (server: ScriptedUpstream, failure: TransportFailure, afterHead: boolean) => {
      const result = await get(server).done;
      expect(result.error?.failure).toBe(failure);
      expect(result.ended).toBe(false);
      expect(result.status).toBe(afterHead ? 200 : undefined);
    };

    test('refused port', async () => {
      const server = await startScriptedUpstream(() => undefined);
      await server.close();
      await fails(server, 'connect', false);
    });

    test.each(['ftp://127.0.0.1/', 'not a url'])('cannot be sent to %s', async (url) => {
      const result = await sendAndCollect(transport(), { method: 'GET', url, headers: {} }).done;
      expect(result.error?.failure).toBe('connect');
    });

    test.each(['end', 'reset'] as const)('closed unanswered by %s, not tried again', async (how) => {
      const server = await onceThen(how);
      await fails(server, 'closed_before_response', false);
      expect(server.connections()).toBe(1);
    });

    test('closed within the head', async () => {
      await fails(await onceThen('end', 'HTTP/1.1 200 OK\r\nConte'), 'closed_before_response', false);
    });

    describe.each(['end', 'reset'] as const)('cut short by %s', (how) => {
      test.each<string[]>([
        ['a length not reached', 'HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n', 'he'],
        ['no body at all', 'HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n'],
        ['within a chunk', CHUNKED, '5\r\nhe'],
        ['within a chunk size', CHUNKED, '2\r\nhe\r\n1'],
        ['between chunks', CHUNKED, '2\r\nhe\r\n'],
      ])('%s', async (_case, ...pieces) => {
        const result = await cutShort(how, pieces);
        expect([result.ended, result.error?.failure]).toEqual([false, 'closed_mid_body']);
      });
    });

    test('cut short within the trailers', async () => {
      const result = await cutShort('end', [CHUNKED, '2\r\nhe\r\n0\r\n']);
      expect(result.ended).toBe(differs.endsWithoutFinalLine);
      if (!differs.endsWithoutFinalLine) expect(result.error?.failure).toBe('closed_mid_body');
    });

    test('a body until close is cut short by a reset', async () => {
      const result = await cutShort('reset', ['HTTP/1.1 200 OK\r\n\r\n', 'he']);
      expect(result.ended).toBe(differs.resetEndsUnframedBody);
    });

    /** Closes only when the client has seen the head: a reset may overtake what it has not read yet. */
    async function cutShort(how: 'end' | 'reset', pieces: readonly string[]) {
      const headSeen = Promise.withResolvers<void>();
      const server = await upstream(async (peer) => {
        await peer.request();
        await peer.writePieces(pieces);
        await headSeen.promise;
        peer[how]();
      });
      const call = get(server);
      await call.head;
      headSeen.resolve();
      return call.done;
    }

    test.each([
      ['another protocol', 'SSH-2.0-Server_1.0\r\n\r\n'],
      ['differing lengths', 'HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nxx'],
      ['a folded header', 'HTTP/1.1 200 OK\r\nA: b\r\n c\r\nContent-Length: 0\r\n\r\n'],
      ['too many headers', `HTTP/1.1 200 OK\r\n${'A: b\r\n'.repeat(300)}Content-Length: 0\r\n\r\n`],
    ])('%s instead of a head', async (_case, response) => {
      await fails(await onceThen('end', response), 'protocol', false);
    });

    test('a chunk size that is none', async () => {
      await fails(await onceThen('end', CHUNKED, 'zz\r\nhello\r\n0\r\n\r\n'), 'protocol', true);
    });

    test('another transfer coding, a head of 100 KB', async () => {
      const coded = 'HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n';
      const huge = `HTTP/1.1 200 OK\r\nA: ${'a'.repeat(100_000)}\r\nContent-Length: 0\r\n\r\n`;
      if (!differs.acceptsOtherCodings) await fails(await onceThen('end', coded), 'protocol', false);
      if (!differs.acceptsHugeHeads) await fails(await onceThen('end', huge), 'protocol', false);
    });

    test.each([
      ['CRLF in a value', { 'x-a': 'b\r\nx-evil: 1' }],
      ['LF in a value', { 'x-a': 'b\nx-evil: 1' }],
      ['NUL in a value', { 'x-a': 'b\0' }],
      ['more than Latin-1', { 'x-a': '€' }],
      ['CRLF in a name', { 'x-a: b\r\nx-evil': '1' }],
      ['a space in a name', { 'x a': '1' }],
      ['in the host', { host: 'a\r\nx-evil: 1' }],
    ])('header injection is refused: %s', async (_case, headers) => {
      const server = await always(OK);
      const request = { method: 'GET', url: server.url, headers } as const;
      const result = await sendAndCollect(transport(), request).done;
      expect(result.error?.failure).toBe('protocol');
      expect(server.connections()).toBe(0);
    });
  });
});
