import { expect, test } from 'bun:test';
import { eventJson } from '../../../../test/support/event-stream.ts';
import { ItemIds, outputItems, wireUsage } from './items.ts';
import { ResponseEventWriter } from './stream-writer.ts';

test('usage has cache writes where the provider reports them', () => {
  const counts = { inputTokens: 90, outputTokens: 4, cachedInputTokens: 30, raw: {} };
  expect(wireUsage({ ...counts, cacheWriteTokens: 50 })).toMatchObject({
    input_tokens: 90,
    input_tokens_details: { cached_tokens: 30, cache_write_tokens: 50 },
    total_tokens: 94,
  });
  expect(wireUsage(counts)?.input_tokens_details).toEqual({ cached_tokens: 30 });
});

const entry = (token: string) => ({ token, logprob: -0.5, bytes: [104], top_logprobs: [] });
const context = { requestId: 'req_1', model: 'm', body: {}, createdSeconds: 7, includesStreamUsage: false };

test('log probabilities belong to the text of a complete response', () => {
  const content = [
    { type: 'reasoning', text: 'Hm.' },
    { type: 'text', text: 'Hi' },
    { type: 'text', text: '!' },
  ] as const;
  expect(outputItems(content, new ItemIds('req_1'), new Map(), [entry('Hi'), entry('!')])).toMatchObject([
    { type: 'reasoning' },
    {
      content: [
        { text: 'Hi', logprobs: [entry('Hi'), entry('!')] },
        { text: '!', logprobs: [] },
      ],
    },
  ]);
});

test('log probabilities of a stream are in its deltas and at the end of the text', () => {
  const writer = new ResponseEventWriter(context);
  const text = [
    writer.event({ type: 'start' }),
    writer.event({ type: 'part-start', choice: 0, part: { type: 'text' } }),
    writer.event({ type: 'delta', choice: 0, text: 'H', logprobs: [entry('H')] }),
    writer.event({ type: 'delta', choice: 0, text: 'i', logprobs: [entry('i')] }),
    writer.event({ type: 'part-end', choice: 0 }),
    writer.event({ type: 'finish', choice: 0, finish: { unified: 'stop' } }),
    writer.event({ type: 'end' }),
  ].join('');
  const events = eventJson(new TextEncoder().encode(text));
  const all = [entry('H'), entry('i')];
  expect(events).toContainEqual(
    expect.objectContaining({ type: 'response.output_text.delta', delta: 'i', logprobs: [entry('i')] }),
  );
  expect(events).toContainEqual(
    expect.objectContaining({ type: 'response.output_text.done', text: 'Hi', logprobs: all }),
  );
  expect(events.at(-1)).toMatchObject({
    response: { output: [{ content: [{ text: 'Hi', logprobs: all }] }] },
  });
});
