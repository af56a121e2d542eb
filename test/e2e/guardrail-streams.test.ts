import { afterEach, describe, expect, test } from 'bun:test';
import { type Gateway, startGateway } from '../support/gateway.ts';
import { type MockUpstream, startMockUpstream } from '../support/mock-upstream.ts';
import { dataEvents, eventStream, json, type ResponseScript, truncatedStream } from '../support/scripts.ts';
import { chat, completion, mockConfig, post, streamPieces } from './harness.ts';

const EMAIL = 'anna.schmidt@example.com';
const closers: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

async function start(
  guardrails: readonly Readonly<Record<string, unknown>>[],
): Promise<{ gateway: Gateway; mock: MockUpstream }> {
  const mock = await startMockUpstream();
  closers.push(() => mock.close());
  const gateway = await startGateway({ config: mockConfig(mock.url, { guardrails }) });
  closers.push(() => gateway.stop());
  return { gateway, mock };
}

const pii = (more: Readonly<Record<string, unknown>> = {}) => ({
  id: 'pii',
  kind: 'pii',
  action: 'redact',
  ...more,
});
const ask = (gateway: Gateway, more: Readonly<Record<string, unknown>> = {}) =>
  post(gateway, chat({ messages: [{ role: 'user', content: 'Hi' }], ...more }));
const contentOf = (stream: string) =>
  [...stream.matchAll(/"content":"((?:[^"\\]|\\.)*)"/g)]
    .map((one) => JSON.parse(`"${one[1] ?? ''}"`))
    .join('');

/** A chunk with a piece of the arguments of a call. */
const callPiece = (text: string, isFirst: boolean) => ({
  ...{ id: 'x', object: 'chat.completion.chunk', created: 1, model: 'm' },
  choices: [
    {
      index: 0,
      delta: {
        tool_calls: [
          {
            index: 0,
            ...(isFirst ? { id: 'c', type: 'function' } : {}),
            function: { ...(isFirst ? { name: 'send' } : {}), arguments: text },
          },
        ],
      },
      finish_reason: null,
    },
  ],
});
const END = {
  ...{ id: 'x', object: 'chat.completion.chunk', created: 1, model: 'm' },
  choices: [{ index: 0, delta: {}, finish_reason: 'tool_calls' }],
};

describe('a stream', () => {
  test('that breaks off while text is held back loses no word, and leaks no half of a finding', async () => {
    const { gateway, mock } = await start([pii()]);
    for (const [pieces, expected] of [
      [['Pay with the card', ' 4111 11'], 'Pay with the card '],
      [['Write to the ', 'office'], 'Write to the office'],
      [['Ask ', 'anna.schm', 'idt@exam'], 'Ask '],
      [['The key is -----BEGIN PRIVATE KEY-----\n', 'MIIEow'], 'The key is [PRIVATE_KEY]'],
    ] as const) {
      const whole: readonly string[] = streamPieces(...pieces);
      const before = whole
        .slice(0, pieces.length + 1)
        .filter((piece) => !piece.includes('"finish_reason":"stop"'));
      mock.respondAlways(truncatedStream(before));
      const text = await (await ask(gateway, { stream: true })).text();
      expect([pieces, contentOf(text)]).toEqual([pieces, expected]);
      expect(text).toContain('"error"');
    }
  }, 30_000);

  test('with arguments that are split anywhere stays valid JSON', async () => {
    const { gateway, mock } = await start([pii()]);
    const text = JSON.stringify({
      to: `Hi\n${EMAIL}`,
      card: 4111111111111111,
      password: 'hunter22!',
      n: [1, null],
    });
    for (const size of [1, 3, 16]) {
      const pieces = text.match(new RegExp(`[\\s\\S]{1,${size}}`, 'g')) ?? [];
      const events = dataEvents([...pieces.map((piece, index) => callPiece(piece, index === 0)), END]);
      mock.respondAlways(eventStream(events));
      const final = await gateway
        .openai()
        .chat.completions.stream({ model: 'chat', messages: [{ role: 'user', content: 'Hi' }] })
        .finalChatCompletion();
      const [call] = final.choices[0]?.message.tool_calls ?? [];
      const parsed: unknown = JSON.parse(call?.type === 'function' ? call.function.arguments : '');
      expect(parsed).toEqual({ to: 'Hi\n[EMAIL]', card: '[CC]', password: '[API_KEY]', n: [1, null] });
    }
  }, 30_000);
});

test('log probabilities of a changed text are left out, with a warning', async () => {
  const { gateway, mock } = await start([pii()]);
  const logprobs = { content: [{ token: 'anna', logprob: -0.1, bytes: null, top_logprobs: [] }] };
  const response = (text: string): ResponseScript =>
    json({
      ...{ id: 'c', object: 'chat.completion', created: 1, model: 'm' },
      choices: [{ index: 0, message: { role: 'assistant', content: text }, finish_reason: 'stop', logprobs }],
      usage: { prompt_tokens: 1, completion_tokens: 1, total_tokens: 2 },
    });
  mock.respondAlways(response(`I am ${EMAIL}`));
  const changed = await ask(gateway, { logprobs: true });
  expect(changed.headers.get('x-weir-warnings')).toContain('logprobs');
  expect(await changed.text()).not.toContain('"token"');
  mock.respondAlways(response('I am Anna'));
  const same = await ask(gateway, { logprobs: true });
  expect([same.headers.get('x-weir-warnings'), (await same.text()).includes('"token"')]).toEqual([
    null,
    true,
  ]);
}, 30_000);

test('a token that the user typed keeps its meaning, and values get others', async () => {
  const { gateway, mock } = await start([pii({ action: 'pseudonymise' })]);
  mock.respondAlways(completion('You typed [EMAIL_1], and gave [EMAIL_2].'));
  const response = await post(
    gateway,
    chat({ messages: [{ role: 'user', content: `What is [EMAIL_1]? I am ${EMAIL}` }] }),
  );
  expect(await response.json()).toMatchObject({
    choices: [{ message: { content: `You typed [EMAIL_1], and gave ${EMAIL}.` } }],
  });
  expect(mock.requests.at(-1)?.text()).toContain('What is [EMAIL_1]? I am [EMAIL_2]');
}, 30_000);

test('a body with findings keeps its other bytes, and hides nothing in a member that occurs twice', async () => {
  const { gateway, mock } = await start([pii()]);
  mock.respondAlways(completion());
  const body = `{ "model":"chat", "messages":[ {"role":"user","content":"I am ${EMAIL}, \\u00e9 \\/"} , {"content":"ok","role":"user"} ], "seed":12345678901234567890, "top_p":1.0 }`;
  await (await post(gateway, body)).text();
  expect(mock.requests.at(-1)?.text()).toBe(
    body.replace('"chat"', '"upstream-chat"').replace(`I am ${EMAIL}, \\u00e9 \\/`, 'I am [EMAIL], é /'),
  );
  const twice = `{"model":"chat","messages":[{"role":"user","content":"${EMAIL}"}],"messages":[{"role":"user","content":"hi"}]}`;
  await (await post(gateway, twice)).text();
  expect(mock.requests.at(-1)?.text()).not.toContain(EMAIL);
}, 30_000);
