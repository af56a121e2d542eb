import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'bun:test';
import { type Gateway, startGateway } from '../support/gateway.ts';
import { type MockUpstream, type Responder, startMockUpstream } from '../support/mock-upstream.ts';
import { dataEvents, eventStream, json, status, truncatedStream } from '../support/scripts.ts';
import { chat, errorIn, eventually, provider } from './harness.ts';
import { done } from './helpers/admin.ts';
import { completion, finish, text, usageOnly } from './helpers/chunks.ts';
import { asObject, type Json } from './helpers/json.ts';

/** A key that may use one model never reaches another one, whatever the configuration would do with the request. */

let mock: MockUpstream;
let gateway: Gateway;
let answers: Map<string, Responder>;
/** Upstream models that were asked, in order. */
let asked: string[];

const target = (model: string) => ({ targets: [{ provider: 'up', model }] });
const broken = status(500, { error: { message: 'broken' } });

beforeAll(async () => {
  mock = await startMockUpstream();
  mock.respondAlways((request) => {
    if (request.method === 'GET') return json({ object: 'list', data: [] });
    const body = asObject(JSON.parse(request.text()));
    const model = String(body.model);
    asked.push(model);
    const answer = answers.get(model);
    if (answer) return typeof answer === 'function' ? answer(request) : answer;
    if (body.stream === true) return eventStream(dataEvents([text(model), finish(), usageOnly()]));
    return json(completion({ role: 'assistant', content: `I am ${model}.` }));
  });
  gateway = await startGateway({
    config: {
      // No test leaves a condition of a target to the next one.
      routing: {
        retry: { attempts: 1 },
        breaker: { failures: 1_000, min_requests: 1_000 },
        outliers: { min_requests: 1_000 },
        cool_down: { max: '0s' },
        health: { failures: 1_000 },
      },
      providers: [provider({ id: 'up', url: mock.url })],
      models: [
        { id: 'secret', aliases: ['hidden'], ...target('secret') },
        { id: 'falls', aliases: ['drops'], ...target('a'), fallbacks: ['secret'] },
        { id: 'falls-on-limit', ...target('a'), fallbacks_on: { rate_limit: ['hidden'] } },
        { id: 'falls-on-window', ...target('a'), fallbacks_on: { context_window: ['secret'] } },
        { id: 'falls-through', ...target('a'), fallbacks: ['falls'] },
        { id: 'falls-to-provider', ...target('a'), fallbacks: ['up/secret'] },
        {
          id: 'virtual',
          targets: [
            { provider: 'up', model: 'a' },
            { provider: 'up', model: 'b', tier: 1 },
          ],
        },
        { id: 'split', ...target('a'), split: [{ name: 'other', model: 'secret', percent: 100 }] },
        { id: 'bird', ...target('a'), canary: { model: 'secret', percent: 100, min_requests: 10 } },
        { id: 'mirrored', ...target('a'), mirror: { model: 'secret', percent: 100 } },
        { id: 'mirrored-twice', ...target('a'), mirror: { model: 'falls', percent: 100 } },
        { id: 'cheap', ...target('cheap'), escalate: { model: 'secret' } },
        { id: 'goes-on', ...target('one'), fallbacks: ['secret'], continue_streams: true },
      ],
    },
  });
});
afterAll(async () => {
  await gateway?.stop();
  await mock?.close();
});
beforeEach(() => {
  answers = new Map();
  asked = [];
});

const keys = new Map<string, string>();
async function keyFor(models: readonly string[]): Promise<string> {
  const name = models.join(' ');
  const known = keys.get(name);
  if (known !== undefined) return known;
  const { key } = await done(gateway, 'POST', '/tenants/default/keys', { name: 'k', scopes: { models } });
  keys.set(name, String(key));
  return String(key);
}

/** Sends a request with a key for these models. */
async function ask(models: readonly string[], model: string, more: Json = {}) {
  const response = await fetch(`${gateway.url}/v1/chat/completions`, {
    method: 'POST',
    headers: {
      authorization: `Bearer ${await keyFor(models)}`,
      'content-type': 'application/json',
      'x-weir-explain': '1',
    },
    body: chat({ model, ...more }),
  });
  const header = response.headers.get('x-weir-explain');
  const why = header === null ? undefined : asObject(JSON.parse(header));
  const raw = await response.text();
  return { status: response.status, raw, why };
}

describe('a fallback', () => {
  test.each([
    ['falls', 'general', 'secret', broken],
    ['falls-to-provider', 'general', 'up/secret', broken],
    ['falls-on-limit', 'rate_limit', 'hidden', status(429, { error: { message: 'slow down' } })],
    [
      'falls-on-window',
      'context_window',
      'secret',
      status(400, { error: { message: 'too long', code: 'context_length_exceeded' } }),
    ],
  ])('of %s is skipped, and the explanation says so', async (model, because, skipped, answer) => {
    answers.set('a', answer);
    const { status: code, why, raw } = await ask([model], model);
    expect(code).toBeGreaterThanOrEqual(400);
    expect(asked).toEqual(['a']);
    expect(why).toMatchObject({ not_allowed: [{ model: skipped, because }] });
    expect(raw).not.toContain('secret');
  });

  test.each([
    ['by its name', ['falls', 'secret']],
    ['by an alias that the configuration does not name', ['falls', 'sec*']],
    ['by a pattern for all', ['*']],
  ])('is used where the key may use it %s', async (_name, models) => {
    answers.set('a', broken);
    const { status: code, why } = await ask(models, 'falls');
    expect([code, asked]).toEqual([200, ['a', 'secret']]);
    expect(why?.not_allowed).toBeUndefined();
  });

  test('that is named by its alias is used where the key may use its model', async () => {
    answers.set('a', status(429, { error: { message: 'slow down' } }));
    expect((await ask(['falls-on-limit', 'secret'], 'falls-on-limit')).status).toBe(200);
    expect(asked).toEqual(['a', 'secret']);
  });

  test('of a fallback is skipped, too', async () => {
    answers.set('a', broken);
    expect((await ask(['falls-through', 'falls'], 'falls-through')).status).toBe(502);
    expect(asked).not.toContain('secret');
  });

  test('is skipped when the key names the model by an alias', async () => {
    answers.set('a', broken);
    expect((await ask(['drops'], 'drops')).status).toBe(502);
    expect(asked).toEqual(['a']);
  });
});

test('the own targets of a model are used, whatever their names', async () => {
  answers.set('a', broken);
  expect([(await ask(['virtual'], 'virtual')).status, asked]).toEqual([200, ['a', 'b']]);
});

describe('an experiment', () => {
  test.each(['split', 'bird'])('leaves the requests of %s with their model', async (model) => {
    const { status: code, why } = await ask([model], model);
    expect([code, asked]).toEqual([200, ['a']]);
    expect(why).toMatchObject({ not_allowed: [{ model: 'secret', because: 'experiment' }] });
    expect(why?.variant).toBeUndefined();
  });

  test('gets them where the key may use both', async () => {
    expect((await ask(['split', 'secret'], 'split')).why).toMatchObject({ variant: 'other' });
    expect(asked).toEqual(['secret']);
  });
});

describe('a mirror', () => {
  test('gets no copy', async () => {
    const { status: code, why } = await ask(['mirrored'], 'mirrored');
    expect(code).toBe(200);
    expect(why).toMatchObject({ not_allowed: [{ model: 'secret', because: 'mirror' }] });
    // A copy would have been sent before this request.
    await ask(['*'], 'virtual');
    expect(asked).toEqual(['a', 'a']);
  });

  test('gets one where the key may use both', async () => {
    await ask(['mirrored', 'secret'], 'mirrored');
    await eventually('the copy has been sent', async () => asked.length === 2);
    expect(asked.toSorted()).toEqual(['a', 'secret']);
  });

  test('does not fall back to another model', async () => {
    answers.set('a', broken);
    await ask(['mirrored-twice', 'falls'], 'mirrored-twice');
    await ask(['*'], 'virtual');
    expect(asked).not.toContain('secret');
  });
});

test('an answer that is not good enough is not escalated', async () => {
  answers.set('cheap', json(completion({ role: 'assistant', content: null, refusal: 'No.' })));
  const { status: code, why, raw } = await ask(['cheap'], 'cheap');
  expect([code, asked]).toEqual([200, ['cheap']]);
  expect(raw).toContain('"refusal":"No."');
  expect(why).toMatchObject({
    not_allowed: [{ model: 'secret', because: 'escalation' }],
    attempts: [{ model: 'cheap' }],
  });
  expect(JSON.stringify(why)).not.toContain('rejected');
});

test('a stream that breaks is not continued', async () => {
  answers.set('one', truncatedStream(dataEvents([text('Half')], { done: false })));
  const { raw } = await ask(['goes-on'], 'goes-on', { stream: true });
  expect(raw).toContain('upstream_closed');
  expect(asked).toEqual(['one']);
});

test('a model that the key may not use is refused by every name', async () => {
  for (const model of ['secret', 'hidden', 'up/secret']) {
    const { status: code, raw } = await ask(['falls'], model);
    expect([code, errorIn(JSON.parse(raw))]).toMatchObject([403, { code: 'permission_denied' }]);
  }
  expect(asked).toEqual([]);
});
