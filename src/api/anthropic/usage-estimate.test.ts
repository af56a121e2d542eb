import { expect, test } from 'bun:test';
import type { RenderContext } from '../../core/chat/dialect.ts';
import type { ChatEvent } from '../../core/chat/result.ts';
import { renderMessage } from './result.ts';
import { MessageEventWriter } from './stream-writer.ts';

const context: RenderContext = {
  ...{ model: 'm', requestId: 'req_1', createdSeconds: 7, includesStreamUsage: false, body: {} },
  estimateInputTokens: () => 120,
};
const events = (...usage: ChatEvent[]): ChatEvent[] => [
  { type: 'start' },
  { type: 'part-start', choice: 0, part: { type: 'text' } },
  { type: 'delta', choice: 0, text: 'x'.repeat(40) },
  { type: 'part-end', choice: 0 },
  { type: 'finish', choice: 0, finish: { unified: 'stop' } },
  ...usage,
  { type: 'end' },
];
const written = (list: readonly ChatEvent[]) => {
  const writer = new MessageEventWriter(context);
  const text = list.map((event) => writer.event(event)).join('');
  return [...text.matchAll(/^data: (.*)$/gm)].map(
    ([, data = '']): Record<string, unknown> => JSON.parse(data),
  );
};

test('a stream begins with an estimate of the input, which the reported usage corrects', () => {
  const reported = { inputTokens: 34, outputTokens: 9, cachedInputTokens: 4, raw: {} };
  const all = written(events({ type: 'usage', usage: reported }));
  expect(all[0]).toMatchObject({ message: { usage: { input_tokens: 120, output_tokens: 0 } } });
  expect(all.at(-2)).toMatchObject({
    type: 'message_delta',
    usage: { input_tokens: 30, cache_read_input_tokens: 4, output_tokens: 9 },
  });
});

test('usage that no upstream reports is estimated, in streams and complete messages', () => {
  expect(written(events()).at(-2)).toMatchObject({ usage: { input_tokens: 120, output_tokens: 10 } });
  const choices = [
    {
      index: 0,
      content: [{ type: 'text' as const, text: 'x'.repeat(40) }],
      finish: { unified: 'stop' as const },
    },
  ];
  expect(JSON.parse(renderMessage({ choices }, context))).toMatchObject({
    usage: { input_tokens: 120, output_tokens: 10 },
  });
});
