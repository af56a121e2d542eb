import { expect, test } from 'bun:test';
import { finishReasons, inputMessages, outputMessages, systemInstructions } from './gen-ai-messages.ts';

const text = (content: string) => ({ type: 'text', content });

test('messages of each dialect of clients become those of the conventions', () => {
  const user = [{ role: 'user', parts: [text('Hello.')] }];
  expect(inputMessages({ messages: [{ role: 'user', content: 'Hello.' }] })).toEqual(user);
  expect(
    inputMessages({ messages: [{ role: 'user', content: [{ type: 'text', text: 'Hello.' }] }] }),
  ).toEqual(user);
  expect(inputMessages({ input: 'Hello.' })).toEqual(user);
  expect(inputMessages({ input: ['Hello.'] })).toEqual(user);
  expect(inputMessages({ prompt: 'Hello.' })).toEqual(user);
  expect(inputMessages({ contents: [{ role: 'user', parts: [{ text: 'Hello.' }] }] })).toEqual(user);
  expect(
    inputMessages({
      input: [
        { type: 'message', role: 'user', content: [{ type: 'input_text', text: 'Hello.' }] },
        { type: 'function_call', call_id: 'c1', name: 'find', arguments: '{}' },
        { type: 'function_call_output', call_id: 'c1', output: 'found' },
      ],
    }),
  ).toEqual([
    ...user,
    { role: 'assistant', parts: [{ type: 'tool_call', id: 'c1', name: 'find', arguments: '{}' }] },
    { role: 'tool', parts: [{ type: 'tool_call_response', id: 'c1', response: 'found' }] },
  ]);
});

test('tools and instructions are kept', () => {
  const call = { id: 'c1', type: 'function', function: { name: 'find', arguments: '{}' } };
  expect(
    inputMessages({
      messages: [
        { role: 'assistant', content: null, tool_calls: [call] },
        { role: 'tool', tool_call_id: 'c1', content: 'found' },
        { role: 'user', content: [{ type: 'tool_result', tool_use_id: 'c1', content: 'found' }] },
        { role: 'user', content: [{ type: 'image_url', image_url: { url: '[image]' } }] },
      ],
    }).map(({ parts }) => parts),
  ).toEqual([
    [{ type: 'tool_call', id: 'c1', name: 'find', arguments: '{}' }],
    [{ type: 'tool_call_response', id: 'c1', response: 'found' }],
    [{ type: 'tool_call_response', id: 'c1', response: 'found' }],
    [{ type: 'image_url', image_url: { url: '[image]' } }],
  ]);
  expect(systemInstructions({ system: 'Be short.' })).toEqual([text('Be short.')]);
  expect(systemInstructions({ instructions: 'Be short.' })).toEqual([text('Be short.')]);
  expect(systemInstructions({ messages: [] })).toEqual([]);
});

test('responses of each dialect, and of streams, become messages', () => {
  const expected = [{ role: 'assistant', parts: [text('Hi.')], finish_reason: 'stop' }];
  const message = { role: 'assistant', content: 'Hi.' };
  expect(outputMessages({ choices: [{ message, finish_reason: 'stop' }] })).toEqual(expected);
  expect(outputMessages({ choices: [{ text: 'Hi.', finish_reason: 'stop' }] })).toEqual(expected);
  expect(outputMessages({ content: [{ type: 'text', text: 'Hi.' }], stop_reason: 'stop' })).toEqual(expected);
  expect(
    outputMessages({
      choices: [{ index: 0, content: [{ type: 'text', text: 'Hi.' }], finish: { unified: 'stop' } }],
    }),
  ).toEqual(expected);
  expect(
    outputMessages({ output: [{ type: 'message', role: 'assistant', content: [{ text: 'Hi.' }] }] }),
  ).toEqual([{ role: 'assistant', parts: [text('Hi.')] }]);
  expect(finishReasons(expected)).toEqual(['stop']);
});

const WITHOUT: readonly (readonly [unknown])[] = [
  ...([[null], ['a text that was cut'], [5], [[]], [{ data: [] }], [{ messages: 'none' }]] as const),
  [{ choices: [null] }],
];
test.each(WITHOUT)('other values have no messages: %j', (value) => {
  expect([inputMessages(value), outputMessages(value)]).toEqual([[], []]);
});
