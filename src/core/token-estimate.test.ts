import { expect, test } from 'bun:test';
import { anthropicMessagesDialect } from '../api/anthropic/dialect.ts';
import { estimateInputTokens } from './token-estimate.ts';

function estimate(body: Readonly<Record<string, unknown>>): number {
  return estimateInputTokens({
    text: JSON.stringify(body),
    view: () => anthropicMessagesDialect.requestView(body),
  });
}

test('input tokens are estimated from what the model reads', () => {
  const asked = (content: unknown) =>
    estimate({ model: 'm', max_tokens: 10, messages: [{ role: 'user', content }] });
  const plain = asked('x'.repeat(4_000));
  expect(plain).toBeWithin(1_000, 1_030);
  expect(asked('水'.repeat(1_000))).toBeWithin(1_200, 1_300);
  const image = {
    type: 'image',
    source: { type: 'base64', media_type: 'image/png', data: 'A'.repeat(400_000) },
  };
  expect(asked([image, { type: 'text', text: 'x'.repeat(4_000) }])).toBeWithin(1_000, 1_100);
});
