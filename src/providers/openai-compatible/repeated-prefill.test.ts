import { describe, expect, test } from 'bun:test';
import { testProvider, testTarget } from '../../../test/support/inference.ts';
import { encodeUtf8 } from '../../core/bytes.ts';
import type { ChatRequest } from '../../core/chat/request.ts';
import type { ChatEvent } from '../../core/chat/result.ts';
import { openAiChatFormat } from './chat-format.ts';
import { ENGINES } from './vendors.ts';

/** Newer versions of llama.cpp repeat the message that they continue. */

const PREFILL = 'The longest river is the';
const format = openAiChatFormat(() => 'http://engine/v1/chat/completions');
const llamaCpp = testTarget(testProvider({ profile: { repeatsPrefill: true } }));
const other = testTarget(testProvider());

const request = (last = PREFILL): ChatRequest => ({
  messages: [
    { role: 'user', content: [{ type: 'text', text: 'Name a river.' }] },
    { role: 'assistant', content: [{ type: 'text', text: last }] },
  ],
});

function plain(content: string, target = llamaCpp, of = request()): unknown {
  const body = encodeUtf8(
    JSON.stringify({
      choices: [{ index: 0, message: { role: 'assistant', content }, finish_reason: 'stop' }],
    }),
  );
  const result = format.parse({ status: 200, headers: new Headers(), body }, target, of);
  return result.choices[0]?.content;
}

function streamed(pieces: readonly string[], target = llamaCpp, of = request()): string[] {
  const reader = format.reader(target, of);
  const events: ChatEvent[] = [];
  const emit = (event: ChatEvent) => void events.push(event);
  const chunk = (delta: object, finish: string | null = null) =>
    reader.push(
      encodeUtf8(
        `data: ${JSON.stringify({ id: 'c', choices: [{ index: 0, delta, finish_reason: finish }] })}\n\n`,
      ),
      emit,
    );
  for (const content of pieces) chunk({ content });
  chunk({}, 'stop');
  reader.push(encodeUtf8('data: [DONE]\n\n'), emit);
  reader.end(emit);
  return events.flatMap((event) => (event.type === 'delta' ? [event.text] : []));
}

test('llama.cpp is known to repeat it', () => {
  expect(ENGINES.llamacpp).toMatchObject({ prefill: 'plain', repeatsPrefill: true });
});

describe('a complete response', () => {
  test.each([
    ['has the continuation only', `${PREFILL} Nile.`, ' Nile.'],
    ['of an older version is unchanged', ' Nile.', ' Nile.'],
    [
      'that only begins alike is unchanged',
      'The longest river is in Africa.',
      'The longest river is in Africa.',
    ],
  ])('%s', (_name, content, expected) => {
    expect(plain(content)).toEqual([{ type: 'text', text: expected }]);
  });

  test('of another server is unchanged', () => {
    expect(plain(`${PREFILL} Nile.`, other)).toEqual([{ type: 'text', text: `${PREFILL} Nile.` }]);
  });
});

describe('a stream', () => {
  test.each([
    ['without the repetition in one piece', [`${PREFILL} Nile`, ', which'], [' Nile', ', which']],
    ['without the repetition in pieces', ['The longest ', 'river is the', ' Nile'], [' Nile']],
    ['of an older version is unchanged', [' Nile', ', which'], [' Nile', ', which']],
    ['that only begins alike sends what was held', ['The longest ', 'lake'], ['The longest lake']],
    ['that ends within the repetition sends what was held', ['The long'], ['The long']],
  ])('%s', (_name, pieces, expected) => {
    expect(streamed(pieces)).toEqual(expected);
  });

  test('of another server is unchanged', () => {
    expect(streamed([`${PREFILL} Nile`], other)).toEqual([`${PREFILL} Nile`]);
  });

  test('of a conversation that ends with the user is unchanged', () => {
    const { messages } = request();
    const asked = { messages: [...messages, ...messages.slice(0, 1)] };
    expect(streamed([`${PREFILL} Nile`], llamaCpp, asked)).toEqual([`${PREFILL} Nile`]);
  });
});
