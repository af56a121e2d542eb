import { expect, test } from 'bun:test';
import fc from 'fast-check';
import { ANY_ORIGIN, chatResult } from '../../../test/properties/arbitraries.ts';
import { eventsOf as piecesOf } from '../../../test/properties/events.ts';
import { expectEventRules } from '../../../test/support/chat-events.ts';
import { ChatCollector, eventsOf } from './chat-collector.ts';
import type { ChatEvent, ChatResult } from './result.ts';

const ALL = chatResult({
  anyOrder: true,
  finishes: ['stop', 'length', 'content-filter', 'refusal'],
  origins: ANY_ORIGIN,
  usage: ['cachedInputTokens', 'cacheWriteTokens', 'reasoningTokens'],
  anyArguments: true,
  richToolResults: true,
  imageDetail: true,
  parameters: [],
  toolStrict: 'never',
});

function collected(events: Iterable<ChatEvent>): ChatResult {
  const collector = new ChatCollector();
  for (const event of events) collector.add(event);
  expect(collector.isComplete).toBe(true);
  return collector.result();
}

test('a response survives its own events, whole and in pieces', () => {
  fc.assert(
    fc.property(ALL, fc.integer({ min: 1, max: 9 }), (result, size) => {
      const events = [...eventsOf(result)];
      expectEventRules(events, true);
      expect(collected(events)).toEqual(result);
      expect(collected(piecesOf(result, size))).toEqual(result);
    }),
  );
});

test('parts of every kind survive', () => {
  const raw = { dialect: 'openai-chat', value: { url: 'https://a.test' } } as const;
  const result: ChatResult = {
    choices: [
      {
        index: 0,
        content: [
          {
            type: 'reasoning',
            text: 'Why',
            id: 'rs_1',
            summary: true,
            signature: { origin: 'openai', value: 's' },
          },
          { type: 'reasoning', text: '', redacted: { origin: 'anthropic', value: 'r' } },
          {
            type: 'text',
            text: 'So',
            citations: [{ url: 'https://a.test', raw }],
            signature: { origin: 'gemini', value: '' },
          },
          { type: 'text', text: '' },
          { type: 'image', source: { kind: 'base64', mediaType: 'image/png', data: 'AA==' } },
          {
            type: 'tool-call',
            id: 'c',
            name: 'f',
            arguments: '',
            kind: 'custom',
            signature: { origin: 'gemini', value: 't' },
          },
          { type: 'unknown', dialect: 'openai-responses', value: { type: 'web_search_call' } },
        ],
        finish: { unified: 'tool-calls', raw: 'tool_calls' },
        logprobs: [{ token: 'So', logprob: -0.1 }],
      },
      { index: 1, content: [{ type: 'refusal', text: 'No' }], finish: { unified: 'refusal' } },
    ],
  };
  const events = [...eventsOf(result)];
  expectEventRules(events, true);
  expect(collected(events)).toEqual(result);
});

test('choices that interleave are kept apart', () => {
  const collector = new ChatCollector();
  collector.add({ type: 'start' });
  for (const choice of [1, 0]) collector.add({ type: 'part-start', choice, part: { type: 'text' } });
  for (const text of ['a', 'b']) {
    collector.add({ type: 'delta', choice: 0, text });
    collector.add({ type: 'ping' });
    collector.add({ type: 'delta', choice: 1, text: text.toUpperCase() });
  }
  expect(collector.isComplete).toBe(false);
  expect(collector.result().choices.map(({ content }) => content)).toEqual([
    [{ type: 'text', text: 'ab' }],
    [{ type: 'text', text: 'AB' }],
  ]);
});
