import { expect, test } from 'bun:test';
import { DIALECTS, FORMATS } from '../../test/support/dialects-and-formats.ts';
import { upstreamHeaders } from '../../test/support/fake-transport.ts';
import { testCall, testContext } from '../../test/support/inference.ts';

/** Reads a complete response of a format for a client of a dialect. @returns the paths of warnings, and the response */
function receive(format: string, name: string, response: object) {
  const target = FORMATS[format];
  const dialect = DIALECTS[name]?.dialect;
  if (!target || !dialect) throw new Error(`no ${format} or ${name}`);
  const call = testCall({ messages: [] }, { dialect, chat: () => ({ messages: [] }) });
  const warned: string[] = [];
  const context = testContext({ warn: ({ param, message }) => warned.push(`${param}: ${message}`) });
  const body = Buffer.from(JSON.stringify(response));
  const upstream = { status: 200, headers: upstreamHeaders({}), body };
  const { text } = target.provider.adapter.parseResponse(upstream, call, target, context);
  return { warned, text };
}

const choice = (message: object) => ({
  choices: [{ index: 0, message: { role: 'assistant', content: 'Hi', ...message }, finish_reason: 'stop' }],
});

test('a server-side tool call that a dialect cannot express causes a warning', () => {
  const content = [
    { type: 'server_tool_use', id: 's1', name: 'web_search', input: { query: 'rain' } },
    { type: 'text', text: 'Hi' },
  ];
  const message = { id: 'msg_1', type: 'message', role: 'assistant', content, stop_reason: 'end_turn' };
  const warning =
    'response.choices[0].content[0]: This API has no form for "server_tool_use" in a response; it was omitted.';
  expect(receive('Anthropic', 'openai-chat', message).warned).toEqual([warning]);
  expect(receive('Anthropic', 'openai-responses', message).warned).toEqual([warning]);
});

test.each([
  [
    'openai-responses',
    [
      'response.choices[0].content[1]: This API has no form for a part of type "audio" in a response; it was omitted.',
    ],
  ],
  [
    'anthropic-messages',
    [
      'response.choices[0].content[1]: This API has no form for a part of type "audio" in a response; it was omitted.',
    ],
  ],
])('%s has no audio', (dialect, warned) => {
  expect(receive('OpenAI chat', dialect, choice({ audio: { id: 'a', data: 'AAAA' } })).warned).toEqual(
    warned,
  );
});

test('log probabilities and further choices have no place in messages', () => {
  const { choices } = choice({});
  const logprobs = { content: [{ token: 'Hi', logprob: -1 }] };
  const response = {
    choices: [
      { ...choices[0], logprobs },
      { ...choices[0], index: 1 },
    ],
  };
  expect(
    receive('OpenAI chat', 'anthropic-messages', response).warned.map((text) => text.split(':')[0]),
  ).toEqual(['response.choices[0].logprobs', 'response.choices[1]']);
});

test('a citation without an address has no place in chat completions', () => {
  const citation = {
    type: 'char_location',
    cited_text: 'Hi',
    document_index: 0,
    start_char_index: 0,
    end_char_index: 2,
  };
  const content = [{ type: 'text', text: 'Hi', citations: [citation] }];
  const message = { id: 'msg_1', type: 'message', role: 'assistant', content, stop_reason: 'end_turn' };
  expect(receive('Anthropic', 'openai-chat', message).warned).toEqual([
    'response.choices[0].content[0].citations: This API has no form for a citation of this kind in a response; it was omitted.',
  ]);
});

test('what every dialect can express causes no warning', () => {
  for (const dialect of ['openai-chat', 'openai-responses', 'anthropic-messages']) {
    const call = { id: 'c1', type: 'function', function: { name: 'look', arguments: '{}' } };
    const response = choice({ reasoning_content: 'Hm.', tool_calls: [call] });
    expect(receive('OpenAI chat', dialect, response).warned).toEqual([]);
  }
});

test('pieces of content that are no texts keep their form in forwarded responses', () => {
  const reference = { type: 'reference', reference_ids: [1] };
  const { text } = receive(
    'Mistral',
    'openai-chat',
    choice({ content: [{ type: 'text', text: 'Hi' }, reference] }),
  );
  expect(JSON.parse(text).choices[0].message).toEqual({
    role: 'assistant',
    content: 'Hi',
    content_parts: [reference],
  });
  const warned = receive('Mistral', 'anthropic-messages', choice({ content: [reference] })).warned;
  expect(warned).toEqual([
    'response.choices[0].content[0]: This API has no form for "reference" in a response; it was omitted.',
  ]);
});
