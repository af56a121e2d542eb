import { expect, test } from 'bun:test';
import { testCall, testProvider, testTarget } from '../../test/support/inference.ts';
import { ContextWindows } from './context-window.ts';
import { ModelData } from './model-data.ts';
import { TextCounter } from './text-counter.ts';

const provider = testProvider({ profile: { dataNames: { prices: 'openai', models: 'openai' } } });
const modelData = await new ModelData(() => new Date('2026-10-01T00:00:00Z')).load();
const windows = new ContextWindows(modelData, new TextCounter());

/** One token, and four letters with its space. */
const WORD = ' the';

function check(model: string, words: number, facts: { contextWindow?: number } = { contextWindow: 5_000 }) {
  const content = WORD.repeat(words);
  return windows.check(
    testCall({ messages: [{ role: 'user', content }] }),
    testTarget(provider, model),
    facts,
  );
}

test('a conversation that fills the window is refused, with what was counted and what is allowed', async () => {
  expect(await check('gpt-4o', 5_200)).toMatchObject({
    code: 'context_length_exceeded',
    status: 400,
    param: 'messages',
    message: expect.stringMatching(/gpt-4o.*more than 5\d{3} tokens, where 5000 is the most/s),
  });
});

test('what fits to the token is not refused', async () => {
  expect(await check('gpt-4o', 5_000)).toBeUndefined();
  expect(await check('gpt-4-turbo', 4_999)).toBeUndefined();
});

test('what can not be told is left to the provider, at once', () => {
  expect(check('claude-sonnet-4-5', 20_000)).toBeUndefined();
  expect(check('some-model', 20_000, {})).toBeUndefined();
  expect(check('gpt-4o', 1_000)).toBeUndefined();
  expect(check('gpt-4o', 20_000, {})).toBeUndefined();
});
