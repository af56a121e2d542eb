import { afterEach, describe, expect, test } from 'bun:test';
import { HttpClientFixture, OK, until } from '../../test/support/http-client-fixture.ts';
import type { Peer } from '../../test/support/scripted-upstream.ts';

/** Upstreams that send HTTP without end: each connection holds a bounded part of it, and ends. */

const fixture = new HttpClientFixture();
const start = fixture.start.bind(fixture);
afterEach(() => fixture.close());

const MIB = 1024 * 1024;
const CHUNKED = 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n';

/** Sends a piece again and again, up to 64 MiB. @returns the bytes that the client took */
async function flood(peer: Peer, piece: string): Promise<number> {
  const block = piece.repeat(Math.ceil(65_536 / piece.length));
  let sent = 0;
  try {
    for (; sent < 64 * MIB; sent += block.length) await peer.write(block);
  } catch {
    // The client has closed the connection.
    return sent;
  }
  return sent;
}

describe('an upstream', () => {
  test.each([
    ['header lines', 'HTTP/1.1 200 OK\r\n', 'x: y\r\n'],
    ['one header', 'HTTP/1.1 200 OK\r\nx: ', 'y'],
    ['a status line', 'HTTP/1.1 200 ', 'y'],
    ['informational responses', '', 'HTTP/1.1 103 Early Hints\r\n\r\n'],
    ['trailers', `${CHUNKED}0\r\n`, 'x: y\r\n'],
    ['one trailer', `${CHUNKED}0\r\nx: `, 'y'],
    ['a chunk size', CHUNKED, '0'],
    ['a chunk extension', `${CHUNKED}1;`, 'x'],
    ['chunks of one byte', CHUNKED, '1\r\nx\r\n'],
    ['chunks with long extensions', CHUNKED, `1;${'x'.repeat(1_000)}\r\nx\r\n`],
    ['another protocol', '', 'SSH-2.0-Server\r\n'],
  ])('that sends %s without end fails', async (_case, beginning, piece) => {
    const taken = Promise.withResolvers<number>();
    const { transport, send } = await start(async (peer) => {
      await peer.request();
      if (beginning !== '') await peer.write(beginning);
      taken.resolve(await flood(peer, piece));
    });
    const { error, body } = await send().done;
    expect(error?.failure).toBe('protocol');
    expect(body.length).toBeLessThan(2 * MIB);
    // Beyond that, socket buffers are full.
    expect(await taken.promise).toBeLessThan(32 * MIB);
    await until(() => transport.stats().open === 0);
  });

  test('that sends its head in pieces of one byte is read', async () => {
    const { send } = await start(async (peer) => {
      await peer.request();
      for (const byte of `HTTP/1.1 200 OK\r\nX: ${'x'.repeat(500)}\r\n`) await peer.write(byte);
      await peer.write(OK.slice(OK.indexOf('\r\n') + 2));
      await peer.closed;
    });
    expect((await send().done).text()).toBe('ok');
  });

  test('that sends after its last response is cut off', async () => {
    const taken = Promise.withResolvers<number>();
    const { transport, send } = await start(async (peer) => {
      await peer.request();
      await peer.write(OK);
      taken.resolve(await flood(peer, 'x'));
    });
    expect((await send().done).text()).toBe('ok');
    expect(await taken.promise).toBeLessThan(32 * MIB);
    await until(() => transport.stats().open === 0);
  });
});
