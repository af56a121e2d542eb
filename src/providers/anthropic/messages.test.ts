import { describe, expect, test } from 'bun:test';
import type { AssistantPart, Message } from '../../core/chat/request.ts';
import { wireConversation } from './messages.ts';

const convert = (messages: readonly Message[]) => wireConversation({ messages }, () => undefined);
const asked: Message = { role: 'user', content: [{ type: 'text', text: 'Which day?' }] };
const said = (...content: AssistantPart[]): Message => ({ role: 'assistant', content });
const call = { type: 'tool-call', id: 'c1', name: 'day', arguments: '{}' } as const;

describe('text of white space only is left out', () => {
  test('beside a call, and in a tool result', () => {
    const { messages } = convert([
      { role: 'system', content: [{ type: 'text', text: ' \n' }] },
      asked,
      said({ type: 'text', text: '\n\n' }, call),
      {
        role: 'tool',
        content: [{ type: 'tool-result', callId: 'c1', content: [{ type: 'text', text: ' ' }] }],
      },
    ]);
    expect(messages.slice(1)).toEqual([
      { role: 'assistant', content: [{ type: 'tool_use', id: 'c1', name: 'day', input: {} }] },
      { role: 'user', content: [{ type: 'tool_result', tool_use_id: 'c1' }] },
    ]);
  });

  test.each([
    { type: 'text', text: '\t' },
    { type: 'refusal', text: '\n' },
  ] as const)('as the only part of a turn, whose neighbours become one: %j', (part) => {
    const { system, messages } = convert([asked, said(part), asked]);
    const text = { type: 'text', text: 'Which day?' };
    expect({ system, messages }).toEqual({ system: [], messages: [{ role: 'user', content: [text, text] }] });
  });
});

test('a conversation may begin with the assistant', () => {
  const { messages } = convert([said({ type: 'text', text: 'Welcome.' }), asked]);
  expect(messages.map(({ role }) => role)).toEqual(['assistant', 'user']);
});

test('the text that the model continues has no white space at its end', () => {
  const { messages } = convert([asked, said({ type: 'text', text: 'It is \n' })]);
  expect(messages.at(-1)).toEqual({ role: 'assistant', content: [{ type: 'text', text: 'It is' }] });
});
