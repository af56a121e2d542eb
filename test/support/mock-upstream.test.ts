import { afterEach, beforeEach, describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import { joinBytes, toBytes } from './bytes.ts';
import { runs } from './effort.ts';
import { createGate } from './gate.ts';
import { openRaw, requestBytes, sendRaw } from './http-raw.ts';
import { type MockUpstream, refusedUrl, startMockUpstream } from './mock-upstream.ts';
import {
  closeBeforeResponse,
  cutOnTheWire,
  dataEvents,
  eventStream,
  garbage,
  halfBody,
  hang,
  hangAfter,
  html,
  json,
  redirect,
  resetAfter,
  type Script,
  slow,
  status,
  truncatedStream,
} from './scripts.ts';

let mock: MockUpstream;
beforeEach(async () => {
  mock = await startMockUpstream();
});
afterEach(() => mock.close());

const post = (body: string, target = '/v1/chat/completions?a=1') =>
  requestBytes({
    method: 'POST',
    target,
    headers: { 'Content-Type': 'application/json', 'X-Case': 'Kept' },
    body,
  });
const get = requestBytes({});

describe('answers', () => {
  test('the queue in order, then respondAlways, and the first rule that matches before both', async () => {
    mock.respond(json({ n: 1 }), () => json({ n: 2 }));
    mock.respondAlways((request) => json({ ordinal: request.ordinal }));
    mock.when((request) => request.path === '/models', json({ n: 'rule' }), 1);
    const answers: unknown[] = [];
    for (const path of ['/', '/models', '/', '/models'])
      answers.push(await (await fetch(mock.url + path)).json());
    expect(answers).toEqual([{ n: 1 }, { n: 'rule' }, { n: 2 }, { ordinal: 4 }]);
  });

  test('nothing scripted is a 501 that says so', async () => {
    const response = await fetch(`${mock.url}/v1/what`);
    expect(response.status).toBe(501);
    expect(await response.text()).toContain('nothing scripted for request 1, GET /v1/what');
    expect(mock.unscripted.map((request) => request.path)).toEqual(['/v1/what']);
  });

  test('status, headers in their letter case, repeated headers, no body for 204', async () => {
    mock.respond(
      status(429, { error: 'slow down' }, { 'Retry-After': '7', 'set-cookie': ['a=1', 'b=2'] }),
      { status: 204 },
      html(),
      redirect('http://127.0.0.1:1/'),
    );
    const limited = await sendRaw(mock.url, get);
    expect(limited.status).toBe(429);
    expect(limited.reason).toBe('Too Many Requests');
    expect(limited.json()).toEqual({ error: 'slow down' });
    expect(limited.rawHeaders).toContainEqual(['Retry-After', '7']);
    expect(limited.rawHeaders.filter(([name]) => name === 'set-cookie')).toHaveLength(2);
    const empty = await sendRaw(mock.url, get);
    expect([empty.status, empty.headers.get('content-length'), empty.body.length]).toEqual([204, null, 0]);
    const page = await fetch(mock.url);
    expect([page.status, page.headers.get('content-type')]).toEqual([502, 'text/html; charset=utf-8']);
    const moved = await fetch(mock.url, { redirect: 'manual' });
    expect([moved.status, moved.headers.get('location')]).toEqual([307, 'http://127.0.0.1:1/']);
  });

  test('one connection carries many requests, unless a side says close', async () => {
    mock.respondAlways(json({}));
    const connection = await openRaw(mock.url);
    await connection.send(get, get);
    expect((await connection.readResponse()).status).toBe(200);
    expect((await connection.readResponse()).status).toBe(200);
    await connection.send(requestBytes({ headers: { connection: 'close' } }));
    await connection.readResponse();
    expect((await connection.closed).by).toBe('server');
    expect(mock.requests.map((request) => request.connection)).toEqual([1, 1, 1]);
    await sendRaw(mock.url, get);
    expect(mock.acceptedConnections()).toBe(2);
  });

  test('a body without a length ends with the connection', async () => {
    mock.respond({ pieces: ['ab', 'cd'], framing: 'until-close' });
    const response = await sendRaw(mock.url, get);
    expect([response.text(), response.complete]).toEqual(['abcd', true]);
    expect(await mock.requests[0]?.outcome).toBe('complete');
  });

  test('the bytes that arrive are those of the script, wherever the wire is cut', async () => {
    const script = fc.record({
      pieces: fc.array(fc.uint8Array({ maxLength: 40 }), { maxLength: 6 }),
      framing: fc.constantFrom('chunked' as const, 'length' as const, 'until-close' as const),
    });
    await fc.assert(
      fc.asyncProperty(script, fc.integer(), fc.boolean(), async (given, seed, cut) => {
        mock.respond(cut ? cutOnTheWire(given, seed) : given);
        const response = await sendRaw(mock.url, get);
        expect(response.complete).toBe(true);
        expect(response.body).toEqual(joinBytes(given.pieces));
      }),
      { numRuns: runs(60) },
    );
  });
});

describe('what is recorded', () => {
  test('method, target, headers as on the wire, body', async () => {
    mock.respond(json({}));
    await sendRaw(mock.url, post('{"model":"é"}'));
    const request = await mock.waitForRequest(1);
    expect(request.method).toBe('POST');
    expect(request.path).toBe('/v1/chat/completions');
    expect(request.query.get('a')).toBe('1');
    expect(request.rawHeaders).toContainEqual(['X-Case', 'Kept']);
    expect(request.headers.get('content-type')).toBe('application/json');
    expect(request.json()).toEqual({ model: 'é' });
    expect(request.body).toEqual(toBytes('{"model":"é"}'));
  });

  test('chunked request bodies', async () => {
    mock.respond(json({}));
    const head = 'POST / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n';
    await sendRaw(mock.url, head, '3\r\nabc\r\nA;x=y\r\n0123456789\r\n0\r\ntrailer: t\r\n\r\n');
    expect((await mock.waitForRequest(1)).text()).toBe('abc0123456789');
  });

  test('a client that leaves before the response, and when', async () => {
    mock.respond(hang());
    const before = performance.now();
    const abort = new AbortController();
    const response = fetch(mock.url, { signal: abort.signal }).catch((error: unknown) => error);
    const request = await mock.waitForRequest(1);
    expect([mock.openRequests(), mock.openConnections()]).toEqual([1, 1]);
    abort.abort();
    await response;
    const closed = await request.closed;
    expect(closed).toMatchObject({ by: 'client', aborted: true });
    expect(closed.atMs).toBeGreaterThanOrEqual(before);
    await mock.waitForOpen(0);
    await mock.waitForConnections(0);
  });

  test('a client that leaves in the middle of a stream', async () => {
    const gate = createGate();
    mock.respond(slow(dataEvents([1, 2, 3]), gate));
    const connection = await openRaw(mock.url);
    await connection.send(get);
    gate.release();
    await connection.waitForText('data: 1\n\n');
    connection.destroy();
    const request = await mock.waitForRequest(1);
    expect(await request.outcome).toBe('aborted');
    expect(request.piecesSent()).toBe(1);
    await expect(request.waitForPieces(2)).rejects.toThrow('never sent: aborted after 1');
  });

  test('a client that closes after the whole response did not abort', async () => {
    mock.respond(json({}));
    await sendRaw(mock.url, get);
    expect(await mock.requests[0]?.closed).toMatchObject({ by: 'client', aborted: false });
  });

  test('a client that leaves while a responder is still thinking', async () => {
    const gate = createGate();
    mock.respond(async () => {
      await gate.pass();
      return json({});
    });
    const connection = await openRaw(mock.url);
    await connection.send(get);
    const request = await mock.waitForRequest(1);
    connection.reset();
    expect(await request.closed).toMatchObject({ by: 'client', aborted: true });
    gate.open();
  });

  test('a client that stops reading stops the script', async () => {
    const piece = new Uint8Array(1 << 20);
    mock.respond(eventStream(Array(64).fill(piece)));
    const connection = await openRaw(mock.url);
    connection.pause();
    await connection.send(get);
    const request = await mock.waitForRequest(1);
    await request.waitForPieces(1);
    connection.destroy();
    expect(await request.outcome).toBe('aborted');
    expect(request.piecesSent()).toBeLessThan(64);
  });
});

describe('misbehaviour', () => {
  const ask = async (script: Script) => {
    mock.respond(script);
    return sendRaw(mock.url, get);
  };

  test('a refused connection', async () => {
    await expect(openRaw(await refusedUrl())).rejects.toThrow();
  });

  test('closed before the response', async () => {
    await expect(ask(closeBeforeResponse())).rejects.toThrow('connection closed before the response');
    expect(await mock.requests[0]?.outcome).toBe('cut');
    expect(await mock.requests[0]?.closed).toMatchObject({ by: 'upstream', aborted: false });
  });

  test('half a body', async () => {
    const response = await ask(halfBody('{"id":', 10));
    expect([response.text(), response.complete]).toEqual(['{"id":', false]);
    expect(response.headers.get('content-length')).toBe('16');
  });

  test('a chunked stream without its last chunk', async () => {
    const response = await ask(truncatedStream(dataEvents([1], { done: false })));
    expect([response.text(), response.complete]).toEqual(['data: 1\n\n', false]);
  });

  test('silence after the first pieces', async () => {
    mock.respond(hangAfter(dataEvents([1])));
    const connection = await openRaw(mock.url);
    await connection.send(get);
    await connection.waitForText('data: [DONE]');
    expect(mock.openRequests()).toBe(1);
    connection.destroy();
    expect(await mock.requests[0]?.outcome).toBe('aborted');
  });

  test('a reset in the middle of the body', async () => {
    const gate = createGate();
    mock.respond(resetAfter(dataEvents([1], { done: false }), gate));
    const connection = await openRaw(mock.url);
    await connection.send(get);
    gate.release();
    await connection.waitForText('data: 1');
    gate.release();
    expect(await connection.closed).toMatchObject({ by: 'server', error: 'ECONNRESET' });
    expect(await mock.requests[0]?.outcome).toBe('cut');
  });

  test('garbage', async () => {
    mock.respond(garbage());
    const connection = await openRaw(mock.url);
    await connection.send(get);
    await connection.waitForText('this is not HTTP');
    expect((await connection.closed).by).toBe('server');
  });

  test('a script that contradicts itself is an error of the test', () => {
    expect(() => cutOnTheWire({ body: 'a', pieces: ['b'] }, 1)).toThrow('not both');
    expect(() => cutOnTheWire({ body: 'a', missingBytes: 1 }, 1)).toThrow('missingBytes');
  });
});

describe('pacing', () => {
  test('each piece and the end wait for a permit', async () => {
    const gate = createGate();
    mock.respond(slow(['one', 'two'], gate));
    const connection = await openRaw(mock.url);
    await connection.send(get);
    const request = await mock.waitForRequest(1);
    await connection.waitForText('\r\n\r\n');
    gate.release();
    await request.waitForPieces(1);
    await connection.waitForText('one');
    expect(request.piecesSent()).toBe(1);
    gate.release();
    await connection.waitForText('two');
    expect(mock.openRequests()).toBe(1);
    gate.release();
    const response = await connection.readResponse();
    expect([response.text(), response.complete]).toEqual(['onetwo', true]);
    expect(await request.outcome).toBe('complete');
    connection.destroy();
  });

  test('the head waits too when it is held', async () => {
    const gate = createGate();
    mock.respond(eventStream(['x'], { gate, holdHead: true }));
    const connection = await openRaw(mock.url);
    await connection.send(get);
    await mock.waitForRequest(1);
    while (gate.waiting() === 0) await new Promise((resolve) => setImmediate(resolve));
    expect(connection.received().length).toBe(0);
    gate.open();
    expect((await connection.readResponse()).text()).toBe('x');
    connection.destroy();
  });
});

describe('closing', () => {
  test('ends hanging requests, fails what still waits, and can be done twice', async () => {
    mock.respond(hang());
    const connection = await openRaw(mock.url);
    await connection.send(get);
    const request = await mock.waitForRequest(1);
    const waiting = mock.waitForRequest(2).catch((error: unknown) => error);
    await mock.close();
    await mock.close();
    expect(String(await waiting)).toContain('closed while waiting for request 2');
    expect(await request.outcome).toBe('cut');
    expect((await connection.closed).by).toBe('server');
    await expect(openRaw(mock.url)).rejects.toThrow();
  });

  test('idle connections can be closed under a client', async () => {
    mock.respondAlways(json({}));
    const idle = await openRaw(mock.url);
    await idle.send(get);
    await idle.readResponse();
    mock.closeIdleConnections();
    expect((await idle.closed).by).toBe('server');
  });

  test('tells of malformed requests and of responders that threw', async () => {
    const other = await startMockUpstream();
    other.respond(() => {
      throw new Error('oh');
    });
    expect((await sendRaw(other.url, get)).status).toBe(500);
    const connection = await openRaw(other.url);
    await connection.send('POST / HTTP/1.1\r\ncontent-length: 1\r\ntransfer-encoding: chunked\r\n\r\n');
    await connection.closed;
    await expect(other.close()).rejects.toThrow(/request 1 threw.*both transfer-encoding and content-length/);
  });
});
