import { describe, expect, test } from 'bun:test';
import { toBytes } from '../../../test/support/bytes.ts';
import { readEvents } from '../../../test/support/chat-events.ts';
import { upstreamHeaders } from '../../../test/support/fake-transport.ts';
import { testProvider, testTarget } from '../../../test/support/inference.ts';
import { ChatChunkReader } from './chat-reader.ts';
import { parseChatCompletion } from './chat-response.ts';

const provider = testProvider();

function whole(body: unknown) {
  const response = { status: 200, headers: upstreamHeaders({}), body: toBytes(JSON.stringify(body)) };
  return parseChatCompletion(response, testTarget(provider));
}
const streamed = (chunks: readonly unknown[]) =>
  readEvents(
    new ChatChunkReader(provider),
    [...chunks.map((chunk) => JSON.stringify(chunk)), '[DONE]'].map((data) => toBytes(`data: ${data}\n\n`)),
  );

describe('a finish reason that reports a failure is an error', () => {
  test.each(['error', 'abort', 'insufficient_system_resource'])('%s', (reason) => {
    const choice = { index: 0, finish_reason: reason, native_finish_reason: 'MALFORMED_FUNCTION_CALL' };
    const expected = {
      code: 'upstream_invalid_response',
      message: expect.stringContaining(`"${reason}" (MALFORMED_FUNCTION_CALL)`),
    };
    expect(() => whole({ id: 'c', choices: [{ ...choice, message: { content: '' } }] })).toThrow(
      expect.objectContaining(expected),
    );
    expect(streamed([{ id: 'c', choices: [{ ...choice, delta: {} }] }]).error).toMatchObject(expected);
  });
});

describe('citations', () => {
  const note = (url: string) => ({ type: 'url_citation', url_citation: { url, title: 'A' } });
  const chunk = (delta: unknown, more: Readonly<Record<string, unknown>> = {}) => ({
    id: 'c',
    choices: [{ index: 0, delta, finish_reason: null }],
    ...more,
  });
  const end = { id: 'c', choices: [{ index: 0, delta: {}, finish_reason: 'stop' }] };
  const shown = (chunks: readonly unknown[]) =>
    streamed(chunks).events.flatMap((event) => {
      if (event.type === 'citation') return [event.citation.url];
      return event.type === 'delta' ? [event.text] : event.type === 'part-start' ? [event.part.type] : [];
    });

  test('before the text of a stream belong to that text', () => {
    const first = chunk({ role: 'assistant', annotations: [note('https://a.test/')] });
    expect(shown([first, chunk({ reasoning: 'Hm.' }), chunk({ content: 'See A.' }), end])).toEqual([
      'reasoning',
      'Hm.',
      'text',
      'https://a.test/',
      'See A.',
    ]);
  });

  test('after another part belong to the next text', () => {
    const call = { index: 0, id: 'x', function: { name: 'f', arguments: '{}' } };
    const late = chunk({ annotations: [note('https://b.test/')] });
    expect(
      shown([chunk({ content: 'A' }), chunk({ tool_calls: [call] }), late, chunk({ content: 'B' }), end]),
    ).toEqual(['text', 'A', 'tool-call', '{}', 'text', 'https://b.test/', 'B']);
  });

  const sources = {
    citations: ['https://a.test/', 'https://b.test/'],
    search_results: [{ title: 'A', url: 'https://a.test/', date: null }],
  };

  test('of the whole response belong to its text, once', () => {
    const message = { role: 'assistant', content: 'Seen [1].' };
    const choices = [{ index: 0, finish_reason: 'stop', message }];
    expect(whole({ id: 'c', choices, ...sources }).choices[0]?.content).toMatchObject([
      {
        type: 'text',
        text: 'Seen [1].',
        citations: [{ url: 'https://a.test/', title: 'A' }, { url: 'https://b.test/' }],
      },
    ]);
    const chunks = [chunk({ content: 'Seen' }, sources), chunk({ content: ' [1].' }, sources), end];
    expect(shown(chunks)).toEqual(['text', 'Seen', ' [1].', 'https://a.test/', 'https://b.test/']);
  });
});
