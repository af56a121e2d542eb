import { describe, expect, test } from 'bun:test';
import { STATUS_FAULTS } from './fault-names.ts';
import { createHarness, FakeClock, readBody, readEvents, userMessage } from './test-support.ts';

const messages = userMessage('Tell me about rain');
const chat = (options = '', more = {}) => ({ model: `simulator:${options}`, messages, ...more });
const PATH = '/chat/completions';

describe('faults with a status', () => {
  test.each(Object.entries(STATUS_FAULTS))(
    '%s answers with its error',
    async (name, { status, type, code }) => {
      for (const stream of [false, true]) {
        const response = await createHarness().post(PATH, chat(`fault=${name}`, { stream }));
        expect(response.status).toBe(status);
        expect(response.headers.get('retry-after')).toBe(status === 429 ? '1' : null);
        expect(await response.json()).toEqual({
          error: { message: expect.any(String), type, param: null, code },
        });
      }
    },
  );

  test('429 says when to come back', async () => {
    const response = await createHarness().post(PATH, chat('fault=429,retry_after=2500ms'));
    expect(response.headers.get('retry-after')).toBe('3');
    expect(response.headers.get('retry-after-ms')).toBe('2500');
  });

  test('waits for the latency, and reaches every path', async () => {
    const { clock, get } = createHarness();
    const response = await get('/models', { 'x-weir-simulate': 'latency=3s; fault=503' });
    expect(response.status).toBe(503);
    expect(clock.sleeps).toEqual([3000]);
  });

  test('is taken back by the header', async () => {
    const { post } = createHarness();
    const response = await post(PATH, chat('fault=500'), { headers: { 'x-weir-simulate': 'fault=none' } });
    expect(response.status).toBe(200);
  });

  test('does not hide a bad request', async () => {
    expect((await createHarness().post(PATH, { model: 'simulator:fault=500' })).status).toBe(400);
  });
});

describe('faults of a stream', () => {
  const ask = async (options: string) =>
    readBody(await createHarness().post(PATH, chat(options, { stream: true })));

  test.each([0, 1, 3, 12])('cut breaks the body after %d events', async (after) => {
    const { text, error } = await ask(`fault=cut,fault_after=${after}`);
    expect(readEvents(text)).toHaveLength(after);
    expect(error).toBeInstanceOf(TypeError);
  });

  test.each(['cut', 'truncate', 'error_mid', 'malformed'])(
    '%s strikes before the end of a short answer',
    async (fault) => {
      const { text } = await ask(`tokens=2,fault=${fault},fault_after=100`);
      const events = readEvents(text);
      expect(events.slice(0, 3).map((data) => JSON.parse(data).choices[0].finish_reason)).toEqual([
        null,
        null,
        null,
      ]);
      expect(events.includes('[DONE]')).toBe(fault === 'malformed');
      expect(text.includes('"stop"')).toBe(false);
    },
  );

  test('truncate ends cleanly without an end', async () => {
    const { text, error } = await ask('fault=truncate');
    expect(error).toBeUndefined();
    expect(readEvents(text)).toHaveLength(3);
  });

  test('malformed breaks one event and goes on', async () => {
    const events = readEvents((await ask('fault=malformed')).text);
    expect(events.at(-1)).toBe('[DONE]');
    const broken = events.slice(0, -1).map((data) => {
      try {
        JSON.parse(data);
        return false;
      } catch {
        return true;
      }
    });
    expect(broken.flatMap((isBroken, index) => (isBroken ? [index] : []))).toEqual([3]);
  });

  test('error_mid ends with an error event', async () => {
    const events = readEvents((await ask('fault=error_mid')).text);
    expect(events).toHaveLength(4);
    expect(JSON.parse(events[3] ?? '')).toMatchObject({ error: { type: 'server_error' } });
  });

  test('slow_body changes only the pieces', async () => {
    const { text, pieces } = await ask('fault=slow_body,drip=0');
    const { text: whole } = await ask('');
    expect(readEvents(text)).toHaveLength(readEvents(whole).length);
    expect(pieces).toBeGreaterThan(text.length / 8);
  });

  test('hang_mid is silent after some events until the client gives up', async () => {
    const abort = new AbortController();
    const { post } = createHarness();
    const response = await post(PATH, chat('fault=hang_mid', { stream: true }), { signal: abort.signal });
    const reader = response.body?.getReader();
    for (let i = 0; i < 3; i++) expect((await reader?.read())?.done).toBe(false);
    const silent = reader?.read();
    abort.abort(new Error('enough'));
    await expect(silent).rejects.toThrow('enough');
  });

  test('empty and html are a 200', async () => {
    expect(await ask('fault=empty')).toMatchObject({ text: '', error: undefined });
    expect((await ask('fault=html')).text).toStartWith('<!doctype html>');
  });
});

describe('faults of a whole body', () => {
  const paths: [string, object][] = [
    [PATH, { messages }],
    ['/completions', { prompt: 'rain' }],
    ['/embeddings', { input: 'rain', dimensions: 3 }],
    ['/rerank', { query: 'rain', documents: ['rain', 'sun'] }],
  ];
  const send = (path: string, body: object, fault: string) => {
    return createHarness().post(
      path,
      { model: 'simulator', ...body },
      { headers: { 'x-weir-simulate': `fault=${fault}` } },
    );
  };

  test.each(paths)('come in every kind: %s', async (path, body) => {
    const whole = await (await send(path, body, 'none')).text();
    const half = Math.ceil(whole.length / 2);
    const cut = await readBody(await send(path, body, 'cut'));
    expect(cut).toMatchObject({ text: whole.slice(0, half), error: expect.any(TypeError) });
    expect(await readBody(await send(path, body, 'truncate'))).toMatchObject({
      text: whole.slice(0, half),
      error: undefined,
    });
    const malformed = await readBody(await send(path, body, 'malformed'));
    expect(() => JSON.parse(malformed.text)).toThrow();
    expect((await readBody(await send(path, body, 'slow_body'))).text).toBe(whole);
    expect(JSON.parse((await readBody(await send(path, body, 'error_mid'))).text)).toHaveProperty('error');
    expect(await (await send(path, body, 'empty')).text()).toBe('');
    expect((await send(path, body, 'html')).headers.get('content-type')).toBe('text/html');
    await expect(send(path, body, 'disconnect')).rejects.toBeInstanceOf(TypeError);
  });

  test('that change a text are refused where there is none', async () => {
    expect((await send('/embeddings', { input: 'x' }, 'refusal')).status).toBe(400);
    expect((await send('/rerank', { query: 'x', documents: ['x'] }, 'content_filter')).status).toBe(400);
  });
});

describe('which requests get the fault', () => {
  const statuses = async (options: string, count: number, init?: (index: number) => object, headers = {}) => {
    const { post } = createHarness();
    const found: number[] = [];
    for (let i = 0; i < count; i++) {
      found.push((await post(PATH, chat(options, init?.(i)), { headers })).status);
    }
    return found;
  };

  test('fault_times: the first ones, then one succeeds, and so on', async () => {
    expect(await statuses('fault=500,fault_times=2', 7)).toEqual([500, 500, 200, 500, 500, 200, 500]);
    expect(await statuses('fault=500,fault_times=1', 4, (index) => ({ user: String(index % 2) }))).toEqual([
      500, 500, 200, 200,
    ]);
  });

  test('fault_rate: a fraction of them, the same each time', async () => {
    const users = (index: number) => ({ user: String(index) });
    const found = await statuses('fault=500,fault_rate=0.3', 400, users);
    const share = found.filter((status) => status === 500).length / 400;
    expect(share).toBeGreaterThan(0.2);
    expect(share).toBeLessThan(0.4);
    expect(await statuses('fault=500,fault_rate=0.3', 400, users)).toEqual(found);
    expect(new Set(await statuses('fault=500,fault_rate=0.5', 20))).toHaveProperty('size', 1);
    expect(await statuses('fault=500,fault_rate=0', 3)).toEqual([200, 200, 200]);
  });

  test('fault_rate: the retries of a client that counts them fare on their own', async () => {
    const { post } = createHarness();
    const found = new Set<number>();
    for (let retry = 0; retry < 30; retry++) {
      const headers = { 'x-stainless-retry-count': String(retry) };
      found.add((await post(PATH, chat('fault=500,fault_rate=0.5'), { headers })).status);
    }
    expect(found).toEqual(new Set([200, 500]));
  });
});

describe('time', () => {
  test('tokens come at their own moments from the head, however slowly they are read', async () => {
    const clock = new FakeClock();
    const response = await createHarness(clock).post(
      PATH,
      chat('latency=100ms,ttft=500ms,tps=10,tokens=5', { stream: true }),
    );
    expect(clock.now()).toBe(1100);
    const reader = response.body?.getReader();
    const arrivals: number[] = [];
    for (let i = 0; i < 7; i++) {
      await reader?.read();
      arrivals.push(clock.now() - 1100);
      if (i === 3) clock.advance(130);
    }
    // The role and the first token, one token each 100 ms, and the one read late does not delay those after it.
    expect(arrivals).toEqual([500, 500, 600, 700, 830, 900, 900]);
  });

  test('a whole answer takes as long as its stream', async () => {
    const clock = new FakeClock();
    await createHarness(clock).post(PATH, chat('latency=100ms,ttft=500ms,tps=10,tokens=5'));
    expect(clock.sleeps).toEqual([1000]);
  });

  test('no timer is made without delays', async () => {
    const { clock, post } = createHarness();
    const response = await post(PATH, chat('tokens=3000', { stream: true }));
    expect(readEvents(await response.text())).toHaveLength(3003);
    expect(clock.sleeps).toEqual([]);
  });

  test('the pieces of a slow body drip', async () => {
    const { clock, post } = createHarness();
    const { pieces } = await readBody(await post(PATH, chat('fault=slow_body,drip=20ms')));
    expect(clock.now()).toBe(1000 + (pieces - 1) * 20);
  });
});

describe('giving up', () => {
  const aborted = (options: string, body = {}) => {
    const abort = new AbortController();
    const clock = new FakeClock(false);
    const response = createHarness(clock).post(PATH, chat(options, body), { signal: abort.signal });
    return { abort, clock, response };
  };

  test.each(['latency=1s', 'latency=1s,fault=500', 'fault=hang', 'tps=1'])(
    'before the head rejects with the reason: %s',
    async (options) => {
      const { abort, response } = aborted(options);
      abort.abort();
      await expect(response).rejects.toMatchObject({ name: 'AbortError' });
    },
  );

  test('before the request is made rejects at once', async () => {
    const { post } = createHarness();
    await expect(post(PATH, chat(), { signal: AbortSignal.abort(new Error('never mind')) })).rejects.toThrow(
      'never mind',
    );
  });

  test('in mid-stream breaks the body with the reason, between reads and within one', async () => {
    for (const waiting of [true, false]) {
      const { abort, response } = aborted('tps=1', { stream: true });
      const reader = (await response).body?.getReader();
      await reader?.read();
      await reader?.read();
      const pending = waiting ? reader?.read() : undefined;
      abort.abort(new Error('enough'));
      await expect(pending ?? reader?.read()).rejects.toThrow('enough');
    }
  });

  test('by cancelling the body ends the wait for the next token', async () => {
    const { clock, response } = aborted('tps=1', { stream: true });
    const reader = (await response).body?.getReader();
    await reader?.read();
    await reader?.read();
    const pending = reader?.read();
    await reader?.cancel();
    expect((await pending)?.done).toBe(true);
    clock.advance(10_000);
    expect(clock.sleeps).toHaveLength(1);
  });

  test('after the end changes nothing', async () => {
    const { abort, response } = aborted('', { stream: true });
    const text = await (await response).text();
    abort.abort();
    expect(readEvents(text).at(-1)).toBe('[DONE]');
  });

  test('a reader that stops reading stops the work', async () => {
    const { clock, post } = createHarness();
    const response = await post(PATH, chat('tps=10,tokens=1000', { stream: true }));
    const reader = response.body?.getReader();
    for (let i = 0; i < 4; i++) await reader?.read();
    expect(clock.sleeps).toHaveLength(2);
    await reader?.cancel();
  });
});

describe('other routes', () => {
  test('lists and describes models', async () => {
    const { get } = createHarness();
    const list = await (await get('/models')).json();
    expect(list).toMatchObject({
      object: 'list',
      data: [{ id: 'simulator', object: 'model', owned_by: 'weir' }, {}, {}, {}],
    });
    expect(await (await get('/models/simulator%3Atps%3D5')).json()).toMatchObject({ id: 'simulator:tps=5' });
    expect((await get('/models/gpt')).status).toBe(404);
  });

  test('knows no other path or method', async () => {
    const { get, post } = createHarness();
    expect((await post('/images/generations', {})).status).toBe(404);
    expect((await get(PATH)).status).toBe(405);
    expect((await post('/models', {})).headers.get('allow')).toBe('GET');
  });

  test('gives every answer a request id', async () => {
    const { post } = createHarness();
    expect((await post(PATH, chat())).headers.get('x-request-id')).toStartWith('req_');
    expect((await post(PATH, chat('fault=500'))).headers.get('x-request-id')).toStartWith('req_');
  });
});
