import { expect, test } from 'bun:test';
import { testCall, testProvider, testTarget } from '../../test/support/inference.ts';
import { ContextWindows } from './context-window.ts';
import { ModelData } from './model-data.ts';
import { TextCounter } from './text-counter.ts';

const provider = testProvider({ profile: { dataNames: { prices: 'openai', models: 'openai' } } });
const modelData = await new ModelData(() => new Date('2026-10-01T00:00:00Z')).load();
const windows = new ContextWindows(modelData, new TextCounter());

/** One token: four letters and a space. */
const WORD = ' the';

function check(model: string, words: number, facts: { contextWindow?: number } = { contextWindow: 5_000 }) {
  const content = WORD.repeat(words);
  return windows.check(
    testCall({ messages: [{ role: 'user', content }] }),
    testTarget(provider, model),
    facts,
  );
}

test('a conversation that exceeds the window is rejected, with both numbers', async () => {
  expect(await check('gpt-4o', 5_200)).toMatchObject({
    code: 'context_length_exceeded',
    status: 400,
    param: 'messages',
    message: expect.stringMatching(/gpt-4o.*more than 5\d{3} tokens, where 5000 is the most/s),
  });
});

test('a conversation that fits exactly is not rejected', async () => {
  expect(await check('gpt-4o', 5_000)).toBeUndefined();
  expect(await check('gpt-4-turbo', 4_999)).toBeUndefined();
});

test('where the size is uncertain, the provider decides, without a promise', () => {
  expect(check('claude-sonnet-4-5', 20_000)).toBeUndefined();
  expect(check('some-model', 20_000, {})).toBeUndefined();
  expect(check('gpt-4o', 1_000)).toBeUndefined();
  expect(check('gpt-4o', 20_000, {})).toBeUndefined();
});
