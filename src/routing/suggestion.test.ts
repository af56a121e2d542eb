import { describe, expect, test } from 'bun:test';
import { type CandidateFacts, type SuggestionRequest, suggestModels } from './suggestion.ts';

const chat = (id: string, price: string, more: Partial<CandidateFacts> = {}): CandidateFacts => ({
  id,
  provider: 'p',
  contextWindow: 128_000,
  inputPrice: price,
  outputPrice: String(Number(price) * 4),
  ...more,
  capabilities: { tools: true, vision: false, reasoning: false, ...more.capabilities },
});

const MODELS: readonly CandidateFacts[] = [
  chat('small', '0.1'),
  chat('middle', '1', { capabilities: { vision: true } }),
  chat('large', '10', { capabilities: { vision: true, reasoning: true }, contextWindow: 1_000_000 }),
  { id: 'vectors', provider: 'p', capabilities: { embeddings: true } },
  { id: 'unknown', provider: 'q', capabilities: {} },
];

const ask = (task: string, more: Partial<SuggestionRequest> = {}) =>
  suggestModels(MODELS, {
    task,
    constraints: {},
    expected: { inputTokens: 1_000, outputTokens: 500 },
    limit: 5,
    ...more,
  });
const best = (task: string) => ask(task).suggestions[0]?.model;

describe('the task determines the ranking', () => {
  test.each([
    ['Classify millions of support mails, as cheap as possible', 'small'],
    ['Prove a hard theorem with careful reasoning', 'large'],
    ['Describe the screenshots of users, quickly', 'middle'],
    ['Embed our documents for semantic search', 'vectors'],
    ['Answer questions about a whole codebase', 'large'],
  ])('%s: %s', (task, model) => {
    expect(best(task)).toBe(model);
  });

  test('needs are reported, with a reason for each model', () => {
    const { needs, suggestions } = ask('Read charts in long reports');
    expect(needs).toEqual(['vision', 'long documents']);
    expect(suggestions.map(({ model }) => model)).not.toContain('small');
    for (const { reasons } of suggestions) expect(reasons.length).toBeGreaterThan(1);
  });
});

describe('constraints exclude models', () => {
  test.each([
    [{ maxInputPrice: 1 }, ['middle', 'small']],
    [{ maxOutputPrice: 1 }, ['small']],
    [{ minContextWindow: 500_000 }, ['large']],
    [{ capabilities: ['vision'] }, ['large', 'middle']],
    [{ providers: ['q'] }, ['unknown']],
    [{ exclude: ['small', 'unknown', 'middle'] }, ['large']],
  ])('%j leaves %j', (constraints, left) => {
    const { suggestions, excluded } = ask('Hello', { constraints });
    expect(suggestions.map(({ model }) => model).sort()).toEqual([...left].sort());
    const out = Object.values(excluded).reduce((sum, count) => sum + count, 0);
    expect(out).toBe(MODELS.length - left.length);
  });

  test('a model whose context window is too small is excluded', () => {
    const expected = { inputTokens: 200_000, outputTokens: 1 };
    expect(ask('Hello', { expected }).suggestions.map(({ model }) => model)).toEqual(['large', 'unknown']);
  });
});

test('the same request returns the same suggestions, at most as many as requested', () => {
  expect(ask('Write code', { limit: 2 })).toEqual(ask('Write code', { limit: 2 }));
  expect(ask('Write code', { limit: 2 }).suggestions).toHaveLength(2);
});
