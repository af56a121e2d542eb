import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'bun:test';
import { loadText } from '../support/config-source.ts';
import { type Gateway, startGateway } from '../support/gateway.ts';
import { type MockUpstream, type Responder, startMockUpstream } from '../support/mock-upstream.ts';
import { dataEvents, eventStream, json, status } from '../support/scripts.ts';
import { chat, errorIn, eventually, post, provider } from './harness.ts';
import { completion, finish, text, usageOnly } from './helpers/chunks.ts';
import { asObject, type Json } from './helpers/json.ts';

let mock: MockUpstream;
let gateway: Gateway;
/** How each upstream model answers. */
let answers: Map<string, Responder>;
let asked: string[];

const PRICE = { input: '1', output: '2' };
const target = (model: string) => ({ targets: [{ provider: 'up', model }], price: PRICE });

beforeAll(async () => {
  mock = await startMockUpstream();
  mock.respondAlways((request) => {
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
      providers: [provider({ id: 'up', url: mock.url })],
      models: [
        { id: 'b', ...target('b') },
        { id: 'strong', ...target('strong') },
        { id: 'split', ...target('a'), split: [{ name: 'other', model: 'b', percent: 50 }] },
        {
          id: 'bird',
          ...target('a'),
          canary: { model: 'b', percent: 50, min_requests: 10, latency_ratio: 1_000 },
        },
        { id: 'mirrored', ...target('a'), mirror: { model: 'b', percent: 100 } },
        { id: 'cheap', ...target('cheap'), escalate: { model: 'strong' } },
        {
          id: 'unsure',
          ...target('cheap'),
          escalate: { model: 'strong', when: ['low_confidence'], min_confidence: 0.7 },
        },
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

const ask = async (model: string, more: Json = {}, headers: Record<string, string> = {}) => {
  const response = await post(gateway, chat({ model, ...more }), { headers });
  return { response, body: asObject(await response.json()) };
};
const said = (body: Json) => {
  const [choice] = Array.isArray(body.choices) ? body.choices : [];
  return asObject(asObject(choice).message).content;
};
const metrics = async () => (await fetch(`${gateway.metricsUrl}/metrics`)).text();

describe('a split', () => {
  test('keeps each session with its variant, and counts both', async () => {
    const seen = new Map<string, Set<string>>();
    for (let turn = 0; turn < 40; turn += 1) {
      const session = `s${turn % 20}`;
      const { response } = await ask('split', {}, { 'x-weir-session': session });
      const variant = response.headers.get('x-weir-variant') ?? '';
      expect(response.headers.get('x-weir-model')).toBe(variant === 'other' ? 'b' : 'a');
      seen.set(session, (seen.get(session) ?? new Set()).add(variant));
    }
    expect([...seen.values()].every(({ size }) => size === 1)).toBe(true);
    expect(new Set([...seen.values()].flatMap((one) => [...one]))).toEqual(new Set(['control', 'other']));
    const page = await metrics();
    const count = (variant: string) =>
      Number(
        new RegExp(
          `weir_variant_requests_total\\{model="split",variant="${variant}",outcome="done"\\} (\\d+)`,
        ).exec(page)?.[1],
      );
    expect(count('control') + count('other')).toBe(40);
    // 5 tokens at $1 and 2 at $2 for a million: $0.000009 each.
    const cost = /weir_variant_cost_usd_total\{model="split",variant="other"\} (\S+)/.exec(page)?.[1];
    expect(Number(cost)).toBeCloseTo(count('other') * 0.000009, 12);
  });
});

describe('a canary', () => {
  const canaries = async (): Promise<Json[]> => {
    const response = await fetch(`${gateway.url}/admin/v1/canaries`, {
      headers: { authorization: `Bearer ${gateway.adminKey}` },
    });
    const { data } = asObject(await response.json());
    return Array.isArray(data) ? data.map(asObject) : [];
  };

  test('that fails is withdrawn automatically and unnoticed; an operator resumes it', async () => {
    answers.set('b', status(500, { error: { message: 'broken' } }));
    let turn = 0;
    const states: unknown[] = [];
    while (states.at(-1) !== 'rolled_back' && turn < 200) {
      turn += 1;
      const { response, body } = await ask('bird', {}, { 'x-weir-session': `c${turn}` });
      expect([response.status, said(body)]).toEqual([200, 'I am a.']);
      states.push((await canaries())[0]?.state);
    }
    expect(turn).toBeLessThan(100);
    expect((await canaries())[0]).toMatchObject({
      model: 'bird',
      canary: 'b',
      reason: expect.stringContaining('of its requests failed'),
    });
    expect(await metrics()).toContain('weir_canary_active{model="bird"} 0');
    const before = asked.filter((model) => model === 'b').length;
    for (let more = 0; more < 20; more += 1) await ask('bird', {}, { 'x-weir-session': `d${more}` });
    expect(asked.filter((model) => model === 'b').length).toBe(before);

    const resumed = await post(gateway, JSON.stringify({ model: 'bird', action: 'resume' }), {
      path: '/admin/v1/canaries',
    });
    expect(asObject(await resumed.json())).toMatchObject({ state: 'running' });
    answers.clear();
    const variants = new Set<string | null>();
    for (let more = 0; more < 20; more += 1) {
      const { response } = await ask('bird', {}, { 'x-weir-session': `d${more}` });
      variants.add(response.headers.get('x-weir-variant'));
    }
    expect(variants).toEqual(new Set(['canary', 'control']));
  });

  test('that refuses what the stable side takes is not noticed either', async () => {
    answers.set('b', status(400, { error: { message: 'unknown parameter' } }));
    for (let turn = 0; turn < 10; turn += 1) {
      const { response } = await ask('bird', {}, { 'x-weir-session': `e${turn}` });
      expect(response.status).toBe(200);
    }
    expect(asked).toContain('b');
  });
});

describe('a mirror', () => {
  test('gets a copy, whose answer is thrown away and compared', async () => {
    answers.set('b', json(completion({ role: 'assistant', content: 'I differ.' })));
    const { body } = await ask('mirrored');
    expect(said(body)).toBe('I am a.');
    const stream = await post(gateway, chat({ model: 'mirrored', stream: true }));
    expect(await stream.text()).toContain('"content":"a"');
    await eventually('both copies have ended', async () =>
      (await metrics()).includes('weir_mirror_finish_total{model="mirrored",mirror="b",same="yes"} 2'),
    );
    const page = await metrics();
    expect(page).toMatch(
      /weir_mirror_requests_total\{model="mirrored",mirror="b",outcome="(?:done|failed)"\} \d/,
    );
    expect(page).toContain(
      'weir_mirror_duration_seconds_count{model="mirrored",mirror="b",side="primary"} 2',
    );
    expect(asked.filter((model) => model === 'b').length).toBe(2);
    // Only what people have asked for counts as requests.
    expect(page).not.toMatch(/llm_requests_total\{model="b"/);
  });
});

describe('a stronger model', () => {
  test.each([
    ['refuses in its own field', { role: 'assistant', content: null, refusal: 'No.' }, {}],
    ['refuses in words', { role: 'assistant', content: 'I’m sorry, but I can’t help with that.' }, {}],
    [
      'does not keep to the schema',
      { role: 'assistant', content: '{"a":"text"}' },
      {
        response_format: {
          type: 'json_schema',
          json_schema: {
            name: 's',
            schema: { type: 'object', properties: { a: { type: 'integer' } }, required: ['a'] },
          },
        },
      },
    ],
    [
      'writes no JSON',
      { role: 'assistant', content: 'Here it is: {}' },
      { response_format: { type: 'json_object' } },
    ],
  ])('is asked when the cheap one %s', async (_, message, more) => {
    answers.set('cheap', json(completion(message)));
    const { response, body } = await ask('cheap', more, { 'x-weir-explain': '1' });
    expect(said(body)).toBe('I am strong.');
    expect(response.headers.get('x-weir-attempts')).toBe('2');
    const why = asObject(JSON.parse(response.headers.get('x-weir-explain') ?? '{}'));
    expect(why.attempts).toMatchObject([
      { model: 'cheap', rejected: expect.any(String), output_tokens: 2 },
      { model: 'strong', output_tokens: 2 },
    ]);
    expect(why.looks).toMatchObject([{ because: 'asked' }, { because: 'escalation', model: 'strong' }]);
  });

  test('is not asked when the answer is good, or streamed', async () => {
    expect(said((await ask('cheap')).body)).toBe('I am cheap.');
    const stream = await post(gateway, chat({ model: 'cheap', stream: true }));
    await stream.text();
    expect(asked).toEqual(['cheap', 'cheap']);
  });

  test('that fails itself leaves the first answer, which is better than none', async () => {
    answers.set('cheap', json(completion({ role: 'assistant', content: "I can't help with that." })));
    answers.set('strong', status(500, { error: { message: 'broken' } }));
    const { response, body } = await ask('cheap');
    expect([response.status, said(body)]).toEqual([200, "I can't help with that."]);
    expect(response.headers.get('x-weir-model')).toBe('cheap');
  });

  test('is asked when the cheap one was not sure; its probabilities are the gateway’s business alone', async () => {
    const sure = (logprob: number): Responder =>
      json(
        completion(
          { role: 'assistant', content: 'Maybe.' },
          {
            choices: [
              {
                index: 0,
                message: { role: 'assistant', content: 'Maybe.' },
                logprobs: { content: [{ token: 'Maybe.', logprob, top_logprobs: [] }] },
                finish_reason: 'stop',
              },
            ],
          },
        ),
      );
    answers.set('cheap', sure(Math.log(0.9)));
    const good = await ask('unsure');
    expect(said(good.body)).toBe('Maybe.');
    expect(JSON.stringify(good.body)).not.toContain('top_logprobs');
    expect(asObject(JSON.parse(mock.requests.at(-1)?.text() ?? '{}')).logprobs).toBe(true);
    answers.set('cheap', sure(Math.log(0.5)));
    expect(said((await ask('unsure')).body)).toBe('I am strong.');
    expect(asObject(JSON.parse(mock.requests.at(-1)?.text() ?? '{}')).logprobs).toBeUndefined();
  });

  test('speaks to Anthropic’s clients, too', async () => {
    answers.set('cheap', json(completion({ role: 'assistant', content: null, refusal: 'No.' })));
    const response = await post(
      gateway,
      JSON.stringify({ model: 'cheap', max_tokens: 50, messages: [{ role: 'user', content: 'Hi' }] }),
      { path: '/v1/messages' },
    );
    expect(asObject(await response.json()).content).toMatchObject([{ type: 'text', text: 'I am strong.' }]);
  });

  test('that cannot be reached because both fail is reported as any failure', async () => {
    answers.set('cheap', status(500, { error: { message: 'broken' } }));
    const { response, body } = await ask('cheap');
    expect([response.status, errorIn(body).code]).toEqual([502, 'upstream_error']);
  });
});

test('impossible settings are found when the configuration is checked', () => {
  const base = { targets: [{ provider: 'simulator', model: 'simulator' }] };
  const models = [
    {
      id: 'a',
      ...base,
      canary: { model: 'a', percent: 5 },
      split: [{ name: 'control', model: 'c', percent: 60 }],
    },
    {
      id: 'c',
      ...base,
      split: [
        { name: 'x', model: 'a', percent: 60 },
        { name: 'x', model: 'nobody', percent: 50 },
      ],
      fallbacks_on: { context_window: ['d'] },
    },
    { id: 'd', ...base, fallbacks_on: { context_window: ['c'] }, strategy: 'clever' },
  ];
  let found = '';
  try {
    loadText(JSON.stringify({ providers: [], models }));
  } catch (error) {
    found = String(error);
  }
  for (const problem of [
    'models[0].canary.model: refers to the model itself',
    'models[0].canary: cannot go together with split',
    'models[0].split[0].name: is reserved; choose another name',
    'models[1].split: the percentages add up to 110; at most 100 is allowed',
    'models[1].split[1].name: another variant already has this name',
    'models[1].split[1].model: unknown model "nobody"',
    'models[2].fallbacks_on.context_window[0]: fallbacks form a cycle: c -> d -> c',
    'models[2].strategy: unknown value "clever"',
  ]) {
    expect(found).toContain(problem);
  }
});
