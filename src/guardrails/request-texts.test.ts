import { describe, expect, test } from 'bun:test';
import { mapRequestTexts, requestTexts } from './request-texts.ts';

const kindsOf = (body: Readonly<Record<string, unknown>>) =>
  Object.fromEntries(requestTexts(body).map(({ text, kind }) => [text, kind]));

describe('the texts of a request', () => {
  test('of chat completions', () => {
    expect(
      kindsOf({
        model: 'no',
        user: 'no',
        prediction: { type: 'content', content: 'g' },
        messages: [
          { role: 'system', content: 'a', name: 'no' },
          {
            role: 'user',
            content: [
              { type: 'text', text: 'b' },
              { type: 'image_url', image_url: { url: 'no' } },
            ],
          },
          {
            role: 'assistant',
            content: 'c',
            tool_calls: [{ id: 'no', type: 'function', function: { name: 'no', arguments: 'd' } }],
          },
          { role: 'tool', tool_call_id: 'no', content: 'e' },
          { role: 'tool', tool_call_id: 'no', content: [{ type: 'text', text: 'f' }] },
        ],
        tools: [{ type: 'function', function: { name: 'no', description: 'no' } }],
      }),
    ).toEqual({
      a: 'input',
      b: 'input',
      c: 'input',
      d: 'tool_call',
      e: 'tool_result',
      f: 'tool_result',
      g: 'input',
    });
  });

  test('of messages, where the data of tools may have any member', () => {
    expect(
      kindsOf({
        system: [{ type: 'text', text: 'a', cache_control: { type: 'no' } }],
        messages: [
          {
            role: 'assistant',
            content: [{ type: 'tool_use', id: 'no', name: 'no', input: { name: 'b', url: ['c'] } }],
          },
          { role: 'user', content: [{ type: 'tool_result', tool_use_id: 'no', content: 'd' }] },
          {
            role: 'user',
            content: [{ type: 'tool_result', tool_use_id: 'no', content: [{ type: 'text', text: 'e' }] }],
          },
          {
            role: 'user',
            content: [
              { type: 'document', title: 'f', source: { type: 'text', media_type: 'no', data: 'h' } },
            ],
          },
          { role: 'assistant', content: [{ type: 'thinking', thinking: 'g', signature: 'no' }] },
        ],
      }),
    ).toEqual({
      a: 'input',
      b: 'tool_call',
      c: 'tool_call',
      d: 'tool_result',
      e: 'tool_result',
      f: 'input',
      h: 'input',
      g: 'input',
    });
  });

  test('of responses, embeddings and rerank', () => {
    expect(
      kindsOf({
        instructions: 'a',
        input: [
          { role: 'user', content: [{ type: 'input_text', text: 'b' }] },
          { type: 'function_call', call_id: 'no', name: 'no', arguments: 'c' },
          { type: 'function_call_output', call_id: 'no', output: 'd' },
        ],
      }),
    ).toEqual({ a: 'input', b: 'input', c: 'tool_call', d: 'tool_result' });
    expect(kindsOf({ input: ['a', 'b'] })).toEqual({ a: 'input', b: 'input' });
    expect(kindsOf({ query: 'a', documents: ['b', { text: 'c' }] })).toEqual({
      a: 'input',
      b: 'input',
      c: 'input',
    });
  });

  test('are changed in a copy, and bodies without a change are no copy', () => {
    const body = { messages: [{ role: 'user', content: 'a' }], input: 'b', model: 'm' };
    expect(mapRequestTexts(body, (text) => text)).toBeUndefined();
    expect(mapRequestTexts(body, (text) => (text === 'a' ? 'x' : text))).toEqual({
      messages: [{ role: 'user', content: 'x' }],
    });
    expect(body.messages[0]?.content).toBe('a');
  });
});
