import { expect, test } from 'bun:test';
import type { Message } from '../../core/chat/request.ts';
import type { Warning } from '../../core/warning.ts';
import { wireContents } from './messages.ts';

const turn = (name: string, result: string): Message[] => [
  { role: 'assistant', content: [{ type: 'tool-call', id: 'call_0', name, arguments: '{}' }] },
  {
    role: 'tool',
    content: [{ type: 'tool-result', callId: 'call_0', content: [{ type: 'text', text: result }] }],
  },
];

test('a result has the name of the call before it, where turns use an id again', () => {
  const { contents } = wireContents(
    {
      messages: [
        { role: 'user', content: [{ type: 'text', text: 'Compare.' }] },
        ...turn('first', '1'),
        ...turn('second', '2'),
      ],
    },
    { signsCalls: false, hasIds: true },
    () => undefined,
  );
  expect(contents).toMatchObject([
    { role: 'user' },
    { parts: [{ functionCall: { name: 'first' } }] },
    { parts: [{ functionResponse: { name: 'first', response: { result: 1 } } }] },
    { parts: [{ functionCall: { name: 'second' } }] },
    { parts: [{ functionResponse: { name: 'second', response: { result: 2 } } }] },
  ]);
});

test('a message of the user precedes a tool call at the beginning', () => {
  const warnings: Warning[] = [];
  const { contents } = wireContents(
    { messages: turn('first', '1') },
    { signsCalls: false, hasIds: true },
    (warning) => warnings.push(warning),
  );
  expect(contents.map(({ role }) => role)).toEqual(['user', 'model', 'user']);
  expect(warnings).toMatchObject([{ kind: 'changed', param: 'messages' }]);
});

test.each([
  [true, 'call_0'],
  [false, undefined],
])('calls and results have ids (%p) only where the API takes them', (hasIds, id) => {
  const { contents } = wireContents(
    { messages: turn('first', '1') },
    { signsCalls: false, hasIds },
    () => undefined,
  );
  const [, called, result] = JSON.parse(JSON.stringify(contents));
  expect([called.parts[0].functionCall.id, result.parts[0].functionResponse.id]).toEqual([id, id]);
});
