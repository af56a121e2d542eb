import { describe, expect, test } from 'bun:test';
import { mapRequestTexts, requestTexts } from './request-texts.ts';

/** Of the texts for the model. */
const kindsOf = (body: Readonly<Record<string, unknown>>) =>
  Object.fromEntries(
    requestTexts(body)
      .filter(({ isSetting }) => !isSetting)
      .map(({ text, kind }) => [text, kind]),
  );

describe('the texts of a request', () => {
  test('of chat completions', () => {
    expect(
      kindsOf({
        model: 'no',
        user: 'h',
        prediction: { type: 'content', content: 'g' },
        messages: [
          { role: 'system', content: 'a', name: 'i' },
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
        tools: [
          {
            type: 'function',
            function: {
              name: 'no',
              description: 'j',
              parameters: {
                type: 'object',
                properties: { name: { type: 'string', description: 'k', enum: ['no'], default: 'l' } },
              },
            },
          },
        ],
      }),
    ).toEqual({
      a: 'input',
      b: 'input',
      c: 'input',
      d: 'tool_call',
      e: 'tool_result',
      f: 'tool_result',
      g: 'input',
      h: 'input',
      i: 'input',
      j: 'input',
      k: 'input',
      l: 'input',
    });
  });

  test('have the role of who wrote them', () => {
    const roles = requestTexts({
      system: 'a',
      tools: [{ name: 'no', description: 'b' }],
      documents: ['c'],
      messages: [
        { role: 'user', content: 'd' },
        { role: 'assistant', content: [{ type: 'tool_use', name: 'no', input: { q: 'e' } }] },
        {
          role: 'user',
          content: [
            { type: 'tool_result', content: 'f' },
            { type: 'text', text: 'g' },
          ],
        },
        { role: 'user', content: [{ type: 'document', source: { type: 'text', data: 'h' } }] },
      ],
    });
    expect(Object.fromEntries(roles.map(({ text, role }) => [text, role]))).toEqual({
      ...{ a: 'system', b: 'system', c: 'tool', d: 'user' },
      ...{ e: 'assistant', f: 'tool', g: 'user', h: 'tool' },
    });
  });

  test('of files are those that are encoded, too', () => {
    const base64 = (text: string) => Buffer.from(text).toString('base64');
    const body = {
      messages: [
        {
          role: 'user',
          content: [
            { type: 'file', file: { filename: 'a.txt', file_data: `data:text/plain;base64,${base64('b')}` } },
            { type: 'input_file', file_data: base64('c') },
            { type: 'document', source: { type: 'base64', media_type: 'text/csv', data: base64('d') } },
            { type: 'document', source: { type: 'url', url: 'https://no.example/' } },
            { type: 'image_url', image_url: { url: `data:image/png;base64,${base64('no')}` } },
            {
              type: 'document',
              source: { type: 'base64', media_type: 'application/pdf', data: base64('no') },
            },
          ],
        },
      ],
    };
    expect(requestTexts(body).map(({ text }) => text)).toEqual(['a', 'b', 'c', 'd']);
    expect(mapRequestTexts(body, ({ text }) => (text === 'b' ? 'x' : text))).toMatchObject({
      messages: [
        { content: [{ file: { file_data: `data:text/plain;base64,${base64('x')}` } }, {}, {}, {}, {}, {}] },
      ],
    });
  });

  test('of tools include long numbers, which become strings when they change', () => {
    const input = { card: 4111111111111111, count: 12, password: 'hunter22!' };
    const body = { messages: [{ role: 'assistant', content: [{ type: 'tool_use', input }] }] };
    expect(requestTexts(body)).toMatchObject([
      { text: '4111111111111111', key: 'card' },
      { text: 'hunter22!', key: 'password' },
    ]);
    expect(mapRequestTexts(body, ({ text }) => (text.startsWith('4') ? '[CC]' : text))).toMatchObject({
      messages: [{ content: [{ input: { card: '[CC]', count: 12 } }] }],
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
    expect(mapRequestTexts(body, ({ text }) => text)).toBeUndefined();
    expect(mapRequestTexts(body, ({ text }) => (text === 'a' ? 'x' : text))).toEqual({
      messages: [{ role: 'user', content: 'x' }],
    });
    expect(body.messages[0]?.content).toBe('a');
  });
});
