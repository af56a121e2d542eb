import { describe, expect, test } from 'bun:test';
import { openRaw, requestBytes } from '../../test/support/http-raw.ts';
import { reply, TestServers } from '../../test/support/test-servers.ts';
import { usedBytes } from '../../test/support/used-bytes.ts';
import { MessageParser } from '../platform/http1-message.ts';
import { type RequestHead, readRequestHead } from './request-head.ts';

const long = (text: string) => text.padEnd(50_000, 'a');
const MIB = 1024 * 1024;

/** What is read of 2,000 requests whose head is long, where one short value of each is kept. */
function keep(value: (head: RequestHead) => string, headOf: (count: number) => string): string[] {
  const kept: string[] = [];
  for (let count = 0; count < 2_000; count += 1) {
    const parser = new MessageParser({
      onHead: (text) => {
        const head = readRequestHead(text, 200);
        kept.push(value(head));
        return head.framing;
      },
      onData: () => undefined,
      onEnd: () => undefined,
    });
    parser.push(Buffer.from(headOf(count), 'latin1'));
  }
  return kept;
}

describe('a short value that is kept does not keep the long head that it came with', () => {
  const id = (count: number) => `x-request-id: request-${count}\r\n`;
  const get = (target: string, ...headers: string[]) =>
    `GET ${target} HTTP/1.1\r\nhost: weir.test\r\n${headers.join('')}\r\n`;
  const idOf = ({ headers }: RequestHead) => headers.get('x-request-id') ?? '';

  test.each<[string, (head: RequestHead) => string, (count: number) => string]>([
    [
      'a header beside a long host',
      idOf,
      (count) => get('/', id(count)).replace('weir.test', long(`h${count}`)),
    ],
    ['a header beside a long name', idOf, (count) => get('/', id(count), `${long(`x-${count}`)}: 1\r\n`)],
    ['a header beside a long value', idOf, (count) => get('/', id(count), `x-a: ${long(`v${count}`)}\r\n`)],
    ['a header beside a long path', idOf, (count) => get(long(`/${count}`), id(count))],
    ['a method', ({ method }) => method, (count) => get(long(`/${count}`)).replace('GET', `M${count}`)],
    ['a path', ({ target }) => target, (count) => get(`/path/${count}`, `x-a: ${long('v')}\r\n`)],
    ['a host', ({ host }) => host, (count) => get('/', `x-a: ${long(`${count}`)}\r\n`)],
  ])('%s', (_name, value, headOf) => {
    const before = usedBytes();
    const kept = keep(value, headOf);
    const grown = usedBytes() - before;
    expect(kept.length).toBe(2_000);
    expect(kept.every((text) => text.length > 0 && text.length < 100)).toBe(true);
    // Their heads have 100 MB.
    expect(grown).toBeLessThan(8 * MIB);
  });
});

test('100,000 hosts, header names, methods and paths leave nothing behind', async () => {
  const servers = new TestServers();
  const { server } = servers.start(({ target }) => reply(200, target));
  const COUNT = 100_000;
  const BATCH = 1_000;
  let before = 0;
  for (let sent = 0; sent < COUNT; sent += BATCH) {
    // The first tenth compiles the code and sizes the heap.
    if (sent === COUNT / 10) before = usedBytes();
    // One for each batch: the client keeps what it receives.
    const connection = await openRaw(`http://127.0.0.1:${server.port}`);
    const requests = Array.from({ length: BATCH }, (_, at) =>
      requestBytes({
        method: `M${sent + at}`,
        target: `/path/${sent + at}`,
        headers: { host: `host-${sent + at}.test`, [`x-name-${sent + at}`]: `value-${sent + at}` },
      }),
    );
    const sending = connection.send(...requests);
    for (let at = 0; at < BATCH; at += 1) {
      expect((await connection.readResponse()).text()).toBe(`/path/${sent + at}`);
    }
    await sending;
    connection.destroy();
  }
  while (server.stats().connections > 0) await new Promise((resolve) => setImmediate(resolve));
  const grown = usedBytes() - before;
  servers.stop();
  expect(server.stats()).toEqual({
    connections: 0,
    clients: 0,
    accounts: 0,
    requestBytes: 0,
    unsentBytes: 0,
  });
  // One string for each host, name, method or path would be more.
  expect(grown).toBeLessThan(COUNT * 20);
}, 120_000);
