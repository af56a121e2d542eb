import { afterEach, describe, expect, test } from 'bun:test';
import Anthropic from '@anthropic-ai/sdk';
import { dataEvents, eventStream, json, type ResponseScript } from '../support/scripts.ts';
import { chat, completion, expectError, post, streamPieces } from './harness.ts';
import { GuardedGateways } from './helpers/guarded-gateways.ts';

const EMAIL = 'anna.schmidt@example.com';
const CARD = '4111 1111 1111 1111';
const gateways = new GuardedGateways();
const { start } = gateways;
afterEach(gateways.stop);

const pii = (more: Readonly<Record<string, unknown>> = {}) => ({
  id: 'pii',
  kind: 'pii',
  action: 'redact',
  ...more,
});

/** A stream of one text, an event for each character. */
const characters = (text: string): ResponseScript => eventStream(streamPieces(...text));

describe('redact', () => {
  test('keeps personal data from the provider, in every dialect and operation', async () => {
    const { gateway, mock, sent } = await start([pii()]);
    mock.respondAlways((request) =>
      request.path.endsWith('/embeddings')
        ? json({
            object: 'list',
            data: [{ object: 'embedding', index: 0, embedding: [1] }],
            model: 'm',
            usage: { prompt_tokens: 1, total_tokens: 1 },
          })
        : completion(),
    );
    const messages = [
      { role: 'system', content: `Answer ${EMAIL} only.` },
      { role: 'user', content: [{ type: 'text', text: `My card is ${CARD}` }] },
      {
        role: 'assistant',
        content: null,
        tool_calls: [
          {
            id: 'call_1',
            type: 'function',
            function: { name: 'send', arguments: JSON.stringify({ to: EMAIL }) },
          },
        ],
      },
      { role: 'tool', tool_call_id: 'call_1', content: `sent to ${EMAIL}` },
    ];
    const bodies: readonly (readonly [path: string, body: Readonly<Record<string, unknown>>])[] = [
      ['/v1/chat/completions', { messages }],
      ['/v1/completions', { prompt: `Write to ${EMAIL}` }],
      [
        '/v1/responses',
        { instructions: EMAIL, input: [{ role: 'user', content: [{ type: 'input_text', text: CARD }] }] },
      ],
      ['/v1/messages', { max_tokens: 9, system: EMAIL, messages: [{ role: 'user', content: CARD }] }],
      ['/v1/embeddings', { input: [`one ${EMAIL}`, CARD] }],
    ];
    for (const [path, body] of bodies) {
      const response = await post(gateway, JSON.stringify({ model: 'chat', ...body }), { path });
      expect([path, response.status, response.headers.get('x-weir-guardrails')]).toEqual([path, 200, 'pii']);
      await response.text();
    }
    expect(sent()).not.toContain(EMAIL);
    expect(sent()).not.toContain('4111');
    expect(sent()).toContain('My card is [CC]');
    expect(sent()).toContain('{\\"to\\":\\"[EMAIL]\\"}');
    await gateway.waitForOutput(/"guardrails":\["pii input redact email 3","pii input redact card 1"\]/);
  }, 30_000);

  test('leaves other requests byte for byte as they are', async () => {
    const { gateway, mock } = await start([pii()]);
    mock.respondAlways(completion());
    const body =
      '{ "model":"chat", "messages":[ {"role":"user","content":"Hello 1.50"} ], "seed": 12345678901234567890 }';
    const response = await post(gateway, body);
    expect([response.status, response.headers.get('x-weir-guardrails')]).toEqual([200, null]);
    expect(mock.requests.at(-1)?.text()).toBe(body.replace('"chat"', '"upstream-chat"'));
  }, 30_000);

  test('keeps personal data from the client, in plain and streamed responses of every dialect', async () => {
    const { gateway, mock } = await start([pii()]);
    const text = `Write to ${EMAIL} or pay with ${CARD} today.`;
    const expected = 'Write to [EMAIL] or pay with [CC] today.';
    mock.respondAlways((request) =>
      request.text().includes('"stream":true') ? characters(text) : completion(text),
    );
    const openai = gateway.openai();
    const messages = [{ role: 'user' as const, content: 'Hi' }];
    const plain = await openai.chat.completions.create({ model: 'chat', messages });
    expect(plain.choices[0]?.message.content).toBe(expected);
    let streamed = '';
    for await (const part of await openai.chat.completions.create({
      model: 'chat',
      messages,
      stream: true,
    })) {
      streamed += part.choices[0]?.delta.content ?? '';
    }
    expect(streamed).toBe(expected);
    const response = await openai.responses.create({ model: 'chat', input: 'Hi' });
    expect(response.output_text).toBe(expected);
    const stream = openai.responses.stream({ model: 'chat', input: 'Hi' });
    expect((await stream.finalResponse()).output_text).toBe(expected);
    const anthropic = new Anthropic({ apiKey: gateway.adminKey, baseURL: gateway.url });
    const message = await anthropic.messages.create({ model: 'chat', max_tokens: 99, messages });
    expect(message.content).toMatchObject([{ type: 'text', text: expected }]);
    const streamedMessage = await anthropic.messages
      .stream({ model: 'chat', max_tokens: 99, messages })
      .finalMessage();
    expect(streamedMessage.content).toMatchObject([{ type: 'text', text: expected }]);
    const metrics = await (await fetch(`${gateway.metricsUrl}/metrics`)).text();
    expect(metrics).toContain(
      'llm_guardrail_findings_total{guardrail="pii",stage="output",action="redact",kind="email"} 6',
    );
  }, 60_000);
});

describe('pseudonymise', () => {
  test('shows the provider tokens and the client the values, in text and in arguments of calls', async () => {
    const { gateway, mock, sent } = await start([pii({ action: 'pseudonymise' })]);
    const pieces = dataEvents(
      [
        {
          choices: [
            { index: 0, delta: { role: 'assistant', content: 'I write to [EM' }, finish_reason: null },
          ],
        },
        { choices: [{ index: 0, delta: { content: 'AIL_1] and [EMAIL_2]' }, finish_reason: null }] },
        {
          choices: [
            {
              index: 0,
              delta: {
                tool_calls: [
                  {
                    index: 0,
                    id: 'c',
                    type: 'function',
                    function: { name: 'send', arguments: '{"to":"[EMAIL' },
                  },
                ],
              },
              finish_reason: null,
            },
          ],
        },
        {
          choices: [
            {
              index: 0,
              delta: { tool_calls: [{ index: 0, function: { arguments: '_1]"}' } }] },
              finish_reason: null,
            },
          ],
        },
        { choices: [{ index: 0, delta: {}, finish_reason: 'tool_calls' }] },
      ].map((one) => ({ id: 'x', object: 'chat.completion.chunk', created: 1, model: 'm', ...one })),
    );
    mock.respondAlways((request) =>
      request.text().includes('"stream":true')
        ? eventStream(pieces)
        : completion('Hello [EMAIL_1], not [EMAIL_9].'),
    );
    const openai = gateway.openai();
    const messages = [
      { role: 'user' as const, content: `I am ${EMAIL}; mail bob@example.org, not ${EMAIL}` },
    ];
    const plain = await openai.chat.completions.create({ model: 'chat', messages });
    expect(plain.choices[0]?.message.content).toBe(`Hello ${EMAIL}, not [EMAIL_9].`);
    const final = await openai.chat.completions.stream({ model: 'chat', messages }).finalChatCompletion();
    const [choice] = final.choices;
    expect(choice?.message.content).toBe(`I write to ${EMAIL} and bob@example.org`);
    const [call] = choice?.message.tool_calls ?? [];
    expect(call?.type === 'function' && call.function.arguments).toBe(`{"to":"${EMAIL}"}`);
    expect(sent()).toContain('I am [EMAIL_1]; mail [EMAIL_2], not [EMAIL_1]');
    expect(sent()).not.toContain('example.com');
    expect(sent()).not.toContain('example.org');
  }, 30_000);
});

describe('block', () => {
  test('rejects a request, says why, and asks no provider', async () => {
    const { gateway, mock } = await start([pii({ action: 'block', kinds: ['card', 'email'] })]);
    const response = await post(gateway, chat({ messages: [{ role: 'user', content: CARD }] }));
    const error = await expectError(response, 400, 'guardrail_blocked');
    expect(error.message).toContain('The guardrail "pii" found what must not go to a provider: card.');
    expect(response.headers.get('x-weir-guardrails')).toBe('pii');
    expect(mock.requests.filter(({ method }) => method === 'POST')).toEqual([]);
    const claude = await post(
      gateway,
      JSON.stringify({ model: 'chat', max_tokens: 9, messages: [{ role: 'user', content: EMAIL }] }),
      { path: '/v1/messages' },
    );
    expect([claude.status, await claude.json()]).toMatchObject([
      400,
      { type: 'error', error: { type: 'invalid_request_error' } },
    ]);
  }, 30_000);

  test('ends a response as filtered content, also in mid-stream', async () => {
    const { gateway, mock } = await start([pii({ action: 'block', on: ['output'] })]);
    const text = `The number is ${CARD} as you know. More text follows here.`;
    mock.respondAlways((request) =>
      request.text().includes('"stream":true') ? characters(text) : completion(text),
    );
    const openai = gateway.openai();
    const messages = [{ role: 'user' as const, content: 'Hi' }];
    const plain = await openai.chat.completions.create({ model: 'chat', messages });
    expect([plain.choices[0]?.finish_reason, plain.choices[0]?.message.content ?? '']).toEqual([
      'content_filter',
      '',
    ]);
    const final = await openai.chat.completions.stream({ model: 'chat', messages }).finalChatCompletion();
    expect(final.choices[0]?.finish_reason).toBe('content_filter');
    expect(final.choices[0]?.message.content).toBe('The number ');
    const anthropic = new Anthropic({ apiKey: gateway.adminKey, baseURL: gateway.url });
    const message = await anthropic.messages
      .stream({ model: 'chat', max_tokens: 99, messages })
      .finalMessage();
    expect(message.stop_reason).toBe('refusal');
  }, 30_000);
});

describe('flag and shadow', () => {
  test('change nothing; flag names itself in a header, shadow counts only', async () => {
    const { gateway, mock, sent } = await start([
      pii({ id: 'seen', action: 'flag' }),
      pii({ id: 'tried', action: 'shadow', kinds: ['email'] }),
    ]);
    mock.respondAlways((request) =>
      request.text().includes('"stream":true')
        ? characters(`mail ${EMAIL} now`)
        : completion(`mail ${EMAIL}`),
    );
    for (const stream of [false, true]) {
      const response = await post(gateway, chat({ stream, messages: [{ role: 'user', content: EMAIL }] }));
      expect(response.headers.get('x-weir-guardrails')).toBe('seen');
      await response.text();
    }
    expect(sent()).toContain(EMAIL);
    const metrics = await (await fetch(`${gateway.metricsUrl}/metrics`)).text();
    for (const [id, action] of [
      ['seen', 'flag'],
      ['tried', 'shadow'],
    ]) {
      for (const stage of ['input', 'output']) {
        expect(metrics).toContain(
          `llm_guardrail_findings_total{guardrail="${id}",stage="${stage}",action="${action}",kind="email"} 2`,
        );
      }
    }
  }, 30_000);
});

test('guardrails hold for the models that they name, and every one of them applies', async () => {
  const { gateway, mock, sent } = await start(
    [
      pii({ id: 'cards', kinds: ['card'], style: 'mask' }),
      pii({ id: 'mails', kinds: ['email'], models: ['other'] }),
    ],
    {},
  );
  mock.respondAlways(completion());
  await (await post(gateway, chat({ messages: [{ role: 'user', content: `${CARD} ${EMAIL}` }] }))).text();
  expect(sent()).toContain(`**** **** **** 1111 ${EMAIL}`);
}, 30_000);
