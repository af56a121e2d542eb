import { describe, expect, test } from 'bun:test';
import type { ResponseInput } from 'openai/resources/responses/responses';
import type { AssistantPart, Message, UserPart } from '../../core/chat/request.ts';
import type { Warning } from '../../core/warning.ts';
import { inputItems } from './input-items.ts';

const user = (...content: UserPart[]): Message => ({ role: 'user', content });
const assistant = (...content: AssistantPart[]): Message => ({ role: 'assistant', content });
const text = (value: string) => ({ type: 'text', text: value }) as const;
const call = (id: string, args = '{"a":1}') =>
  ({ type: 'tool-call', id, name: 'f', arguments: args }) as const;

function items(
  messages: readonly Message[],
  extensions?: { dialect: 'openai-responses'; members: Record<string, unknown> },
) {
  const warnings: Warning[] = [];
  const request = { messages, ...(extensions === undefined ? {} : { extensions }) };
  const input = inputItems(request, 'openai', (warning) => {
    warnings.push(warning);
  });
  return { input, params: warnings.map(({ param }) => param) };
}

describe('messages', () => {
  test('become items in their order, under their roles', () => {
    const { input, params } = items([
      { role: 'system', content: [text('s')] },
      user(text('u'), { type: 'image', source: { kind: 'url', url: 'https://x/a.png' }, detail: 'low' }),
      assistant(text('a'), text('b'), call('call_1'), call('call_2', '')),
      {
        role: 'tool',
        content: [
          { type: 'tool-result', callId: 'call_1', content: [text('r')] },
          { type: 'tool-result', callId: 'call_2', content: [] },
        ],
      },
      { role: 'developer', content: [text('d')] },
      assistant({ type: 'refusal', text: 'no' }),
    ]);
    expect(params).toEqual([]);
    expect<unknown>(input).toEqual([
      { type: 'message', role: 'system', content: [{ type: 'input_text', text: 's' }] },
      {
        type: 'message',
        role: 'user',
        content: [
          { type: 'input_text', text: 'u' },
          { type: 'input_image', image_url: 'https://x/a.png', detail: 'low' },
        ],
      },
      { type: 'message', role: 'assistant', content: 'ab' },
      { type: 'function_call', call_id: 'call_1', name: 'f', arguments: '{"a":1}' },
      { type: 'function_call', call_id: 'call_2', name: 'f', arguments: '{}' },
      { type: 'function_call_output', call_id: 'call_1', output: 'r' },
      { type: 'function_call_output', call_id: 'call_2', output: '' },
      { type: 'message', role: 'developer', content: [{ type: 'input_text', text: 'd' }] },
      { type: 'message', role: 'assistant', content: 'no' },
    ] satisfies ResponseInput);
  });

  test('that are empty stay a turn where they are one, and vanish where they say nothing', () => {
    expect(items([user()]).input).toEqual([
      { type: 'message', role: 'user', content: [{ type: 'input_text', text: '' }] },
    ]);
    expect(
      items([user(text('a')), user(), assistant(text('')), { role: 'system', content: [] }]).input,
    ).toHaveLength(1);
  });

  test('have no names', () => {
    expect(items([{ role: 'user', name: 'n', content: [text('a')] }]).params).toEqual(['messages[0].name']);
  });
});

describe('media', () => {
  test('in every form that the API takes', () => {
    const { input, params } = items([
      user(
        { type: 'image', source: { kind: 'base64', mediaType: 'image/PNG', data: 'AA==' } },
        { type: 'image', source: { kind: 'file-id', id: 'file_1', origin: 'openai' } },
        { type: 'file', source: { kind: 'base64', mediaType: 'application/pdf', data: 'AA==' } },
        { type: 'file', source: { kind: 'url', url: 'https://x/a.pdf' }, title: 't' },
        { type: 'file', source: { kind: 'file-id', id: 'file_2', origin: 'openai' } },
        { type: 'file', source: { kind: 'text', mediaType: 'text/plain', text: 'hé' } },
      ),
    ]);
    expect(params).toEqual([]);
    expect<unknown>(input).toEqual([
      {
        type: 'message',
        role: 'user',
        content: [
          { type: 'input_image', detail: 'auto', image_url: 'data:image/png;base64,AA==' },
          { type: 'input_image', detail: 'auto', file_id: 'file_1' },
          { type: 'input_file', filename: 'document.pdf', file_data: 'data:application/pdf;base64,AA==' },
          { type: 'input_file', filename: 't', file_url: 'https://x/a.pdf' },
          { type: 'input_file', file_id: 'file_2' },
          { type: 'input_file', filename: 'document.txt', file_data: 'data:text/plain;base64,aMOp' },
        ],
      },
    ] satisfies ResponseInput);
  });

  test('that it does not take are left out with a warning, or refused', () => {
    const audio = { type: 'audio', source: { kind: 'base64', mediaType: 'audio/wav', data: '' } } as const;
    const foreign = {
      type: 'file',
      source: { kind: 'file-id', id: 'f', origin: 'anthropic' },
      citations: true,
    } as const;
    expect(items([user(text('a'), audio, foreign)]).params).toEqual([
      'messages[0].content[1]',
      'messages[0].content[2]',
    ]);
    const tiff = { type: 'image', source: { kind: 'base64', mediaType: 'image/tiff', data: '' } } as const;
    expect(() => items([user(tiff)])).toThrow('messages[0].content[0]: images of type "image/tiff"');
  });

  test('may come from tools', () => {
    const image = { type: 'image', source: { kind: 'url', url: 'https://x/a.png' } } as const;
    const { input, params } = items([
      assistant(call('c')),
      {
        role: 'tool',
        content: [{ type: 'tool-result', callId: 'c', content: [text('r'), image], isError: true }],
      },
    ]);
    expect(input[1]).toEqual({
      type: 'function_call_output',
      call_id: 'c',
      output: [
        { type: 'input_text', text: 'r' },
        { type: 'input_image', detail: 'auto', image_url: 'https://x/a.png' },
      ],
    });
    expect(params).toEqual(['messages[1].content[0].is_error']);
  });
});

describe('tool calls', () => {
  const result = (callId: string): Message => ({
    role: 'tool',
    content: [{ type: 'tool-result', callId, content: [text('r')] }],
  });

  test('of free text keep their kind', () => {
    const { input } = items([assistant({ ...call('c', 'SELECT 1'), kind: 'custom' }), result('c')]);
    expect<unknown>(input).toEqual([
      { type: 'custom_tool_call', call_id: 'c', name: 'f', input: 'SELECT 1' },
      { type: 'custom_tool_call_output', call_id: 'c', output: 'r' },
    ] satisfies ResponseInput);
  });

  test('must have been made before their results', () => {
    expect(() => items([user(text('a')), result('c')])).toThrow(
      '"messages[1]" is the result of the tool call "c"',
    );
  });

  test('may be known upstream only', () => {
    const members = { previous_response_id: 'resp_1' };
    expect(items([result('c')], { dialect: 'openai-responses', members }).input).toHaveLength(1);
  });

  test('with long ids find their results', () => {
    const [one, two] = [`${'x'.repeat(80)}1`, `${'x'.repeat(80)}2`];
    const { input } = items([assistant(call(one), call(two)), result(two), result(one)]);
    const ids = input.map((item) => String(item.call_id));
    expect(ids.map((id) => id.length)).toEqual([64, 64, 64, 64]);
    expect([ids[0], ids[1]]).toEqual([ids[3] ?? '', ids[2] ?? '']);
    expect(ids[0]).not.toBe(ids[1] ?? '');
  });
});

describe('reasoning', () => {
  const signed = (value: string, more: object = {}) =>
    ({ type: 'reasoning', text: '', redacted: { origin: 'openai', value }, ...more }) as const;

  test('goes back to who encrypted it, with its summary', () => {
    const { input, params } = items([
      assistant(
        {
          type: 'reasoning',
          text: 'one',
          summary: true,
          id: 'rs_1',
          signature: { origin: 'openai', value: '' },
        },
        { type: 'reasoning', text: 'two', id: 'rs_1', signature: { origin: 'openai', value: 'secret' } },
        call('c'),
        signed('more'),
        text('done'),
      ),
    ]);
    expect(params).toEqual([]);
    expect<unknown>(input.filter(({ type }) => type === 'reasoning')).toEqual([
      {
        type: 'reasoning',
        id: 'rs_1',
        summary: [
          { type: 'summary_text', text: 'one' },
          { type: 'summary_text', text: 'two' },
        ],
        encrypted_content: 'secret',
      },
      { type: 'reasoning', id: 'rs_more', summary: [], encrypted_content: 'more' },
    ]);
  });

  test('of others, unsigned, or without its end is left out with one warning', () => {
    const { input, params } = items([
      assistant(
        { type: 'reasoning', text: 'a', signature: { origin: 'anthropic', value: 's' } },
        { type: 'reasoning', text: 'b' },
        { type: 'reasoning', text: 'c', signature: { origin: 'openai', value: '' } },
        text('x'),
      ),
      user(text('go on')),
      assistant(signed('cut off')),
      user(text('again')),
      assistant(call('c'), signed('after')),
      { role: 'tool', content: [{ type: 'tool-result', callId: 'c', content: [] }] },
    ]);
    expect(params).toEqual(['messages']);
    expect(input.map(({ type, role }) => role ?? type)).toEqual([
      'assistant',
      'user',
      'user',
      'function_call',
      'function_call_output',
    ]);
  });
});

describe('what has no canonical form', () => {
  test('stays itself for its own API, and is left out for others', () => {
    const reference = { type: 'item_reference', id: 'x' };
    const search = { type: 'web_search_call', id: 'ws_1', status: 'completed' };
    const special = { type: 'input_file', file_id: 'f', detail: 'high' };
    const own = (value: Record<string, unknown>) =>
      ({ type: 'unknown', dialect: 'openai-responses', value }) as const;
    const { input, params } = items([
      user(text('a'), own(reference), own(special)),
      assistant(text('b'), own(search), {
        type: 'unknown',
        dialect: 'anthropic-messages',
        value: { type: 'server_tool_use' },
      }),
    ]);
    expect(input).toEqual([
      { type: 'message', role: 'user', content: [{ type: 'input_text', text: 'a' }] },
      reference,
      { type: 'message', role: 'user', content: [special] },
      { type: 'message', role: 'assistant', content: 'b' },
      search,
    ]);
    expect(params).toEqual(['messages[1].content[2]']);
  });
});
