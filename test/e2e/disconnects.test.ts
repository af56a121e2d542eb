import { afterAll, beforeAll, expect, test } from 'bun:test';
import { type Gateway, startGateway } from '../support/gateway.ts';
import { openRaw, type RawConnection, requestBytes } from '../support/http-raw.ts';
import { type MockUpstream, startMockUpstream } from '../support/mock-upstream.ts';
import { eventStream, hang, hangAfter } from '../support/scripts.ts';
import { chat, chunk, completion, eventually, metric, mockConfig, post, streamPieces } from './harness.ts';

const CHAT = '/v1/chat/completions';
let mock: MockUpstream;
let gateway: Gateway;

beforeAll(async () => {
  mock = await startMockUpstream();
  // One log line for each of thousands of requests would only measure the log.
  gateway = await startGateway({ config: mockConfig(mock.url, { log: { requests: false } }) });
});

afterAll(async () => {
  await gateway?.stop();
  await mock?.close();
});

function chatRequest(more: Readonly<Record<string, unknown>>): Uint8Array {
  return requestBytes({
    method: 'POST',
    target: CHAT,
    headers: { authorization: `Bearer ${gateway.adminKey}`, 'content-type': 'application/json' },
    body: chat(more),
  });
}

const inFlight = () => metric(gateway, 'llm_requests_in_flight');
const resident = () => metric(gateway, 'process_resident_memory_bytes');

interface Abort {
  readonly body: Readonly<Record<string, unknown>>;
  /** Bytes that the client waits for before it leaves; undefined when the upstream's having the request is enough. */
  readonly until?: string;
  /** Leaves without waiting for anything. */
  readonly hasty?: boolean;
}

/** Every way to leave: in turn, so that each batch has all of them. */
const ABORTS: readonly Abort[] = [
  { body: { user: 'hang' } },
  { body: { user: 'hang', stream: true } },
  { body: { user: 'begin', stream: true }, until: '"Hel"' },
  { body: { user: 'begin', stream: true }, hasty: true },
];

async function abortBatch(size: number): Promise<void> {
  const requests = ABORTS.map(({ body }) => chatRequest(body));
  const connections = await Promise.all(Array.from({ length: size }, () => openRaw(gateway.url)));
  const waiting: Promise<void>[] = [];
  const patient: RawConnection[] = [];
  const leave = (connection: RawConnection, index: number) =>
    index % 3 === 0 ? connection.reset() : connection.destroy();
  for (const [index, connection] of connections.entries()) {
    const abort = ABORTS[index % ABORTS.length];
    const bytes = requests[index % ABORTS.length];
    if (abort === undefined || bytes === undefined) continue;
    await connection.send(bytes);
    if (abort.hasty) {
      leave(connection, index);
      continue;
    }
    patient.push(connection);
    if (abort.until !== undefined) waiting.push(connection.waitForText(abort.until));
  }
  await Promise.all(waiting);
  await eventually('the upstream has all requests', () => mock.openRequests() >= patient.length);
  for (const [index, connection] of patient.entries()) leave(connection, index);
  await Promise.all(connections.map(({ closed }) => closed));
  await mock.waitForOpen(0);
}

test('thousands of clients that leave, leave nothing behind', async () => {
  mock.when((request) => request.text().includes('"user":"hang"'), hang());
  mock.when(
    (request) => request.text().includes('"user":"begin"'),
    hangAfter(streamPieces('Hel', 'lo').slice(0, 2)),
  );
  const SIZE = 200;
  /** Five thousand of them. @returns the least memory seen on the way, in bytes: after a collection, if there was one */
  const half = async () => {
    let least = Number.POSITIVE_INFINITY;
    for (let done = 0; done < 5_000; done += SIZE) {
      await abortBatch(SIZE);
      least = Math.min(least, await resident());
    }
    await eventually('no request is left', async () => (await inFlight()) === 0);
    expect(mock.openRequests()).toBe(0);
    return least;
  };
  // A leak of 6 KB for each request, about what one holds, exceeds the margin in every turn; a late collector only in some.
  const MARGIN = 30_000_000;
  const sizes = [await half(), await half()];
  const grows = () => (sizes.at(-1) ?? 0) >= Math.max(...sizes.slice(0, -1)) + MARGIN;
  while (grows() && sizes.length < 7) sizes.push(await half());
  expect(grows(), `memory grows with every turn: ${sizes.join(', ')}`).toBe(false);
  // Only Linux tells how many files a process has open.
  if (process.platform === 'linux') {
    await eventually(
      'no connection of a client is left',
      async () => (await metric(gateway, 'process_open_fds')) < 100,
    );
  }
  mock.respond(completion('Still here.'));
  expect((await post(gateway, chat())).status).toBe(200);
  expect(gateway.logs().filter(({ level }) => level === 'error' || level === 'fatal')).toEqual([]);
}, 120_000);

test('a client that stops reading makes the upstream wait, and then gets everything', async () => {
  const EVENTS = 1_500;
  const filler = 'x'.repeat(64 * 1024);
  const event = `data: ${JSON.stringify(chunk({ content: filler }))}\n\n`;
  const pieces = [...Array.from({ length: EVENTS }, () => event), ...streamPieces().slice(-2)];
  mock.respond(eventStream(pieces));
  const before = await resident();
  const connection = await openRaw(gateway.url);
  await connection.send(chatRequest({ stream: true }));
  await connection.waitForText('HTTP/1.1 200');
  connection.pause();
  const request = mock.requests.at(-1);
  if (request === undefined) throw new Error('no request');

  let seen = -1;
  await eventually(
    'the upstream is made to wait',
    async () => {
      const last = seen;
      seen = request.piecesSent();
      for (let turn = 0; turn < 10; turn += 1) await inFlight();
      return seen === last && request.piecesSent() === seen;
    },
    20_000,
  );
  // What fits into the sockets' buffers on the way, far less than the 96 MB of it all.
  expect(seen).toBeLessThan(EVENTS / 2);
  expect(await resident()).toBeLessThan(before + 60_000_000);

  connection.resume();
  const response = await connection.readResponse();
  expect(response.complete).toBe(true);
  const text = response.text();
  expect(text.match(/"content":"x/g)?.length).toBe(EVENTS);
  expect(text).toEndWith('data: [DONE]\n\n');
  expect(await request.outcome).toBe('complete');
  connection.destroy();
}, 60_000);
