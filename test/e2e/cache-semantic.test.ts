import { afterEach, describe, expect, test } from 'bun:test';
import { mkdtempSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type CacheGateway, chatOf, startCacheGateway } from '../support/cache-gateway.ts';
import { realEmbedderData } from '../support/embedder-wheel.ts';
import { chatAnswer, chatEvent } from '../support/inference.ts';
import { eventStream, json, status } from '../support/scripts.ts';
import { respondWithVectors, wordVector } from '../support/word-vectors.ts';
import { asObject } from './helpers/json.ts';

let running: CacheGateway | undefined;
afterEach(async () => {
  await running?.stop();
  running = undefined;
});

interface Options {
  readonly semantic?: Readonly<Record<string, unknown>>;
  /** The text of the response to a request. */
  readonly says?: (body: string, count: number) => string;
  readonly dimensions?: () => number;
}

const MODELS = ['chat', 'embed', 'judge'].map((id) => ({ id, targets: [{ provider: 'up', model: id }] }));

async function start({ semantic = {}, says = () => 'Use the form.', dimensions }: Options = {}) {
  running = await startCacheGateway({
    cache: {
      semantic: { mode: 'serve', embedder: 'embed', timeout: '2s', verify: { share: 0 }, ...semantic },
    },
    config: { models: MODELS },
  });
  let count = 0;
  respondWithVectors(
    running.mock,
    (_, text) => {
      count += 1;
      const said = says(text, count);
      return /"stream":\s*true/.test(text)
        ? eventStream([chatEvent(said), chatEvent('', 'stop'), 'data: [DONE]\n\n'])
        : json(JSON.parse(chatAnswer(said)));
    },
    dimensions,
  );
  return running;
}

const ASKED = 'How do I reset my password?';
const AGAIN = 'Could you please tell me how to reset my password?';
const OTHER = 'How do I not reset my password?';

async function ask(gateway: CacheGateway, text: string, more = {}, headers = {}) {
  const response = await gateway.post('/v1/chat/completions', chatOf(text, more), {
    'x-weir-explain': '1',
    ...headers,
  });
  const explanation = JSON.parse(response.headers.get('x-weir-explain') ?? '{}');
  return { response, cache: response.headers.get('x-weir-cache'), found: explanation.semantic_cache };
}

const said = (text: string): string => JSON.parse(text).choices[0].message.content;

const chats = ({ mock }: CacheGateway) => mock.requests.filter(({ path }) => path.endsWith('/completions'));
const metric = async ({ gateway }: CacheGateway, name: string) =>
  (await gateway.call('GET', '/metrics', { key: gateway.adminKey })).text
    .split('\n')
    .filter((line) => line.startsWith(name));

describe('semantic cache', () => {
  test('a question that asks for the same gets the stored response, with how it was found', async () => {
    const gateway = await start();
    const first = await ask(gateway, ASKED, {}, { 'x-request-id': 'first-question' });
    expect([first.cache, first.found]).toEqual(['miss', { result: 'none' }]);
    const second = await ask(gateway, AGAIN);
    expect(Object.fromEntries(second.response.headers)).toMatchObject({
      ...{ 'x-weir-cache': 'hit', 'x-weir-cache-kind': 'semantic', 'x-weir-cache-match': 'first-question' },
      ...{ 'x-weir-cache-similarity': '1.000', 'x-weir-attempts': '0' },
    });
    expect(said(second.response.text)).toBe('Use the form.');
    expect(chats(gateway)).toHaveLength(1);
    expect(await metric(gateway, 'llm_cache_hits_total{kind="semantic"')).toEqual([
      'llm_cache_hits_total{kind="semantic",model="chat"} 1',
    ]);
  });

  test('a candidate with a difference is not served, and the explanation says why', async () => {
    const gateway = await start({ semantic: { threshold: 0.5 } });
    await ask(gateway, ASKED);
    const second = await ask(gateway, OTHER);
    expect(second.cache).toBe('miss');
    expect(second.found).toMatchObject({ result: 'rejected', reason: 'negation' });
    expect(chats(gateway)).toHaveLength(2);
  });

  test('streams and complete responses share entries; a replayed stream is whole', async () => {
    const gateway = await start();
    await ask(gateway, ASKED, { stream: true });
    const whole = await ask(gateway, AGAIN);
    expect([whole.cache, said(whole.response.text)]).toEqual(['hit', 'Use the form.']);
    const streamed = await ask(gateway, 'What are the steps to reset my password?', { stream: true });
    expect(streamed.response.text).toContain('[DONE]');
    expect(chats(gateway)).toHaveLength(1);
  });

  test('the rest of the request has to be equal', async () => {
    const gateway = await start();
    await ask(gateway, ASKED);
    const user = (content: unknown) => ({ role: 'user', content });
    const others: readonly Readonly<Record<string, unknown>>[] = [
      { max_tokens: 5 },
      { temperature: 0 },
      { brand_new_parameter: 1 },
      { messages: [{ role: 'system', content: 'Be brief.' }, user(AGAIN)] },
      { messages: [user('Hello.'), { role: 'assistant', content: 'Hi.' }, user(AGAIN)] },
      { messages: [{ ...user(AGAIN), name: 'jo' }] },
      {
        messages: [
          user([
            { type: 'text', text: AGAIN },
            { type: 'image_url', image_url: { url: 'data:image/png;base64,AA==' } },
          ]),
        ],
      },
      { model: 'judge' },
    ];
    for (const more of others) expect((await ask(gateway, AGAIN, more)).cache).toBe('miss');
    expect((await ask(gateway, AGAIN, {}, { 'x-weir-cache-namespace': 'b' })).cache).toBe('miss');
    expect(chats(gateway)).toHaveLength(others.length + 2);
  });

  test('never across tenants', async () => {
    const gateway = await start();
    const keys: string[] = [];
    for (const id of ['acme', 'globex']) {
      const admin = { key: gateway.gateway.adminKey };
      await gateway.gateway.call('POST', '/admin/v1/tenants', { ...admin, body: { id, name: id } });
      const made = await gateway.gateway.call('POST', `/admin/v1/tenants/${id}/keys`, {
        ...admin,
        body: { name: 'k' },
      });
      keys.push(String(made.body.key ?? made.body.secret));
    }
    const [acme = '', globex = ''] = keys;
    const cacheOf = async (text: string, key: string) =>
      (await gateway.post('/v1/chat/completions', chatOf(text), {}, key)).headers.get('x-weir-cache');
    expect(await cacheOf(ASKED, acme)).toBe('miss');
    expect(await cacheOf(AGAIN, globex)).toBe('miss');
    expect(await cacheOf('How can I reset my password?', acme)).toBe('hit');
  });

  test('shadow mode serves nothing, reports what would have been served, and compares it', async () => {
    const gateway = await start({
      semantic: { mode: 'shadow' },
      says: (_, count) => (count === 1 ? 'Use the form.' : 'Use the form, please.'),
    });
    await ask(gateway, ASKED);
    const second = await ask(gateway, AGAIN);
    expect([second.cache, second.found.result, second.found.reason]).toEqual(['miss', 'would_hit', 'shadow']);
    expect(second.response.headers.get('x-weir-cache-match')).toBeNull();
    await verified(gateway, 1);
    expect(await metric(gateway, 'llm_cache_semantic_verified_total')).toEqual([
      'llm_cache_semantic_verified_total{tenant="default",model="chat",result="same"} 1',
    ]);
  });

  test('its report has what would have been served, with both questions where they are logged', async () => {
    const gateway = await start({ semantic: { mode: 'shadow', threshold: 0.5 } });
    const api = (method: string, path: string, body?: unknown) =>
      gateway.gateway.call(method, `/admin/v1/tenants/default${path}`, {
        ...{ key: gateway.gateway.adminKey, body },
      });
    await api('PATCH', '', { request_log: {} });
    await ask(gateway, ASKED, {}, { 'x-request-id': 'asked-first' });
    await ask(gateway, AGAIN, {}, { 'x-request-id': 'asked-again' });
    await verified(gateway, 1);
    await ask(gateway, OTHER, {}, { 'x-request-id': 'asked-other' });
    const report = async (query = '') => {
      const { models } = (await api('GET', `/cache/semantic${query}`)).body;
      return Array.isArray(models) ? asObject(models[0]) : {};
    };
    const model = await report();
    expect(model).toMatchObject({
      ...{ model: 'chat', lookups: { would_hit: 1, rejected: 1, none: 1, hit: 0 }, compared_hits: 1 },
      ...{ rejected_by: { negation: 1 }, disabled_until: null, disabled_by: null, false_hits: 0 },
    });
    expect(model.recent).toMatchObject([
      { request: 'asked-other', result: 'rejected', reason: 'negation', question: null },
      { request: 'asked-again', matched_request: 'asked-first', reason: 'shadow', false_hit: false },
    ]);
    // Stores what waits to be written.
    await api('DELETE', '/request-log?all=true&dry_run=true');
    const withTexts = await report('?model=chat&texts=true');
    expect(withTexts.recent).toMatchObject([
      { question: OTHER, matched_question: ASKED },
      { question: AGAIN, matched_question: ASKED },
    ]);
    expect((await api('GET', '/cache/semantic?texts=true')).status).toBe(400);
  });

  test('too many false hits stop serving, until it is enabled again or the cache is cleared', async () => {
    let day = 1;
    const gateway = await start({
      semantic: { verify: { share: 1, min_samples: 2, max_false_hits: 0.4 } },
      says: () => `It is day ${day}.`,
    });
    await ask(gateway, 'What day of the project is it?');
    day = 7;
    for (const [index, text] of [
      'Please tell me what day of the project it is.',
      'Hi, what day of the project is it?',
    ].entries()) {
      expect([text, (await ask(gateway, text)).cache]).toEqual([text, 'hit']);
      await verified(gateway, index + 1);
      day += 1;
    }
    const third = await ask(gateway, 'Hello, what day of the project is it?');
    expect([third.cache, third.found.result, third.found.reason]).toEqual(['miss', 'would_hit', 'disabled']);
    const key = gateway.gateway.adminKey;
    const stats = await gateway.gateway.call('GET', '/admin/v1/cache', { key });
    expect(stats.body.semantic).toMatchObject([{ tenant: 'default', model: 'chat', compared_hits: 0 }]);
    expect(stats.text).toContain('"disabled_until":"2');
    const report = await gateway.gateway.call('GET', '/admin/v1/cache/semantic', { key });
    expect(report.body.models).toMatchObject([
      { disabled_by: { compared_hits: 2, false_hit_percent: 100, max_percent: 40 }, false_hits: 2 },
    ]);
    const pair = { tenant: 'default', model: 'chat' };
    await gateway.gateway.call('POST', '/admin/v1/cache/semantic/enable', { key, body: pair });
    expect((await ask(gateway, 'Could you please tell me what day of the project it is?')).cache).toBe('hit');
    await gateway.gateway.call('POST', '/cache/clear', { key });
    await ask(gateway, 'What day of the project is it?');
    expect((await ask(gateway, 'Kindly say: what day of the project is it?')).found.reason).not.toBe(
      'disabled',
    );
  });

  test('a judge decides before a hit is served, and without a verdict nothing is', async () => {
    let verdict = 'same';
    const gateway = await start({
      semantic: { judge: { model: 'judge' } },
      says: (text) => (text.includes('Two questions follow') ? verdict : 'Use the form.'),
    });
    await ask(gateway, ASKED);
    expect((await ask(gateway, AGAIN)).cache).toBe('hit');
    verdict = 'different';
    const second = await ask(gateway, 'What are the steps to reset my password?');
    expect([second.cache, second.found.reason]).toEqual(['miss', 'judge']);
    gateway.mock.when((request) => request.text().includes('Two questions follow'), status(500, {}));
    const third = await ask(gateway, 'Hi, how do I reset my password?');
    expect([third.cache, third.found.reason]).toEqual(['miss', 'judge_failed']);
  });

  test('an embedder that fails, hangs or changes its dimension costs a hit, and no request', async () => {
    let dimensions = 64;
    const gateway = await start({ semantic: { timeout: '30ms' }, dimensions: () => dimensions });
    // The first call connects.
    await ask(gateway, 'Warm up?');
    await ask(gateway, ASKED);
    dimensions = 32;
    expect((await ask(gateway, 'How can I reset my password?')).response.status).toBe(200);
    const isEmbedding = (request: { readonly path: string }) => request.path.endsWith('/embeddings');
    gateway.mock.when(isEmbedding, status(500, {}), 1);
    const failed = await ask(gateway, 'Why is the sky blue?');
    expect([failed.response.status, failed.found.result]).toEqual([200, 'skipped']);
    gateway.mock.when(isEmbedding, () => new Promise(() => undefined));
    const hung = await ask(gateway, 'Why is grass green?');
    expect([hung.response.status, hung.cache, hung.found.result]).toEqual([200, 'miss', 'skipped']);
    for (const text of ['Why is snow white?', 'Why is coal black?']) await ask(gateway, text);
    const calls = gateway.mock.requests.filter(isEmbedding).length;
    const paused = await ask(gateway, 'Why are roses red?');
    expect([paused.response.status, paused.found.detail]).toEqual([200, 'paused after failures']);
    expect(gateway.mock.requests.filter(isEmbedding)).toHaveLength(calls);
  });

  test('`x-weir-cache: only` and `max-age` apply', async () => {
    const gateway = await start();
    await ask(gateway, ASKED);
    expect((await ask(gateway, AGAIN, {}, { 'x-weir-cache': 'only' })).cache).toBe('hit');
    gateway.clock.shift(90_000);
    expect((await ask(gateway, AGAIN, {}, { 'cache-control': 'max-age=60' })).cache).toBe('miss');
    expect((await ask(gateway, OTHER, {}, { 'x-weir-cache': 'only' })).response.status).toBe(412);
  });

  test('entries expire, and `clear` removes them', async () => {
    const gateway = await start({ semantic: { ttl: '10m' } });
    await ask(gateway, ASKED);
    gateway.clock.shift(300_000);
    expect((await ask(gateway, AGAIN)).cache).toBe('hit');
    gateway.clock.shift(400_000);
    expect((await ask(gateway, AGAIN)).cache).toBe('miss');
    const key = gateway.gateway.adminKey;
    const cleared = await gateway.gateway.call('POST', '/cache/clear?model=chat', { key });
    expect(cleared.body.cleared_keys).toBeGreaterThanOrEqual(1);
    expect((await ask(gateway, 'What are the steps to reset my password?')).cache).toBe('miss');
  });

  test('with sqlite-vec, entries are found in the file, and are sealed there', async () => {
    const gateway = await start({ semantic: { store: { kind: 'sqlite' } } });
    await ask(gateway, ASKED);
    const only = { 'x-weir-cache': 'only' };
    await eventually(async () => (await ask(gateway, AGAIN, {}, only)).cache === 'hit');
    const key = gateway.gateway.adminKey;
    const { body } = await gateway.gateway.call('POST', '/cache/clear', { key });
    expect(Number(body.cleared_keys)).toBeGreaterThan(0);
    expect((await ask(gateway, 'Hi, how do I reset my password?')).cache).toBe('miss');
  });

  test('with a vector store that is down, no request fails or waits', async () => {
    const gateway = await start({ semantic: { store: { kind: 'qdrant', url: 'http://127.0.0.1:9' } } });
    for (const text of [ASKED, AGAIN, 'How can I reset my password?']) {
      const { response, found } = await ask(gateway, text);
      expect([response.status, found.result]).toEqual([200, 'skipped']);
    }
    expect(await metric(gateway, 'llm_cache_errors_total{reason="semantic_unavailable"')).not.toEqual([]);
  });

  test('word vectors of the tests are similar where words are', () => {
    expect(wordVector('a b')).toEqual(wordVector('b a'));
  });
});

/** Waits until so many hits were compared. */
function verified(gateway: CacheGateway, count: number): Promise<void> {
  return eventually(async () => {
    const lines = await metric(gateway, 'llm_cache_semantic_verified_total');
    return lines.reduce((total, line) => total + Number(line.split(' ').at(-1)), 0) >= count;
  });
}

/** Asks again, without waiting for a time, until something has happened. */
async function eventually(hasHappened: () => Promise<boolean>): Promise<void> {
  for (let turn = 0; turn < 5_000; turn += 1) {
    if (await hasHappened()) return;
    await new Promise((resolve) => setImmediate(resolve));
  }
  throw new Error('it has not happened');
}

const real = await realEmbedderData();

describe('the built-in embedder', () => {
  const startWith = async (data: string) =>
    startCacheGateway({ cache: { semantic: { mode: 'serve' } }, env: { WEIR_DATA_DIR: data } });

  test('without its files, requests go on without the semantic cache', async () => {
    running = await startWith(mkdtempSync(join(tmpdir(), 'weir-no-embedder-')));
    await running.post('/v1/chat/completions', chatOf(ASKED));
    const again = await running.post('/v1/chat/completions', chatOf(AGAIN));
    expect([again.status, again.headers.get('x-weir-cache')]).toEqual([200, 'miss']);
  });

  test.skipIf(real === undefined)('with its files, paraphrases are hits and traps are not', async () => {
    const data = mkdtempSync(join(tmpdir(), 'weir-embedder-'));
    symlinkSync(join(real ?? '', 'models'), join(data, 'models'));
    running = await startWith(data);
    await running.post('/v1/chat/completions', chatOf(ASKED));
    const again = await running.post('/v1/chat/completions', chatOf(AGAIN));
    expect(again.headers.get('x-weir-cache-kind')).toBe('semantic');
    const other = await running.post('/v1/chat/completions', chatOf(OTHER));
    expect(other.headers.get('x-weir-cache')).toBe('miss');
  });
});
