import { describe, expect, test } from 'bun:test';
import { budgetToEffort, effortToBudget, familyOf, nearestEffort } from './model-families.ts';

describe('a name tells the family, with whatever stands around it', () => {
  test.each([
    ['gpt-5', 'gpt-5'],
    ['gpt-5-mini-2025-08-07', 'gpt-5'],
    ['gpt-5.1', 'gpt-5.1'],
    ['gpt-5.5', 'gpt-5.5'],
    ['gpt-5.4-mini', 'gpt-5.2'],
    ['gpt-5.6', 'gpt-5.6'],
    ['gpt-5-chat-latest', 'gpt-5-chat'],
    ['openai/o3-mini', 'o-series'],
    ['o1', 'o-series'],
    ['o3', 'o3'],
    ['o4-mini-2025-04-16', 'o3'],
    ['grok-3', 'grok'],
    ['grok-3-mini-fast', 'grok-3-mini'],
    ['grok-4', 'grok-4'],
    ['grok-4-0709', 'grok-4'],
    ['x-ai/grok-4-fast-reasoning', 'grok-4'],
    ['grok-4-1-fast-non-reasoning', 'grok'],
    ['grok-code-fast-1', 'grok-4'],
    ['grok-4.3', 'grok reasoning'],
    ['gpt-4o-mini', 'gpt-4'],
    ['gpt-4o-search-preview', 'gpt-4-search'],
    ['gpt-5.2-chat-latest', 'gpt-5.x-chat'],
    ['chatgpt-4o-latest', 'gpt-4'],
    ['openai/gpt-oss-120b', 'gpt-oss'],
    ['claude-opus-4-8', 'claude adaptive'],
    ['claude-opus-4-7-20260101', 'claude adaptive'],
    ['us.anthropic.claude-sonnet-4-5-20250929-v1:0', 'claude 4.5'],
    ['anthropic.claude-3-haiku-20240307-v1:0', 'claude'],
    ['anthropic/claude-opus-4-6', 'claude 4.6'],
    ['claude-opus-4-5@20251101', 'claude opus 4.5'],
    ['claude-sonnet-4-20250514', 'claude 4'],
    ['claude-3-7-sonnet-latest', 'claude 4'],
    ['models/gemini-2.5-flash', 'gemini 2.5 flash'],
    ['gemini-2.5-flash-lite', 'gemini 2.5 flash-lite'],
    ['gemini-3-pro-preview', 'gemini 3'],
    ['gemini-3.1-flash', 'gemini 3 flash'],
    ['gemini-3.5-flash', 'gemini 3 flash'],
    ['gemini-3.5-flash-lite', 'gemini 3.6 flash'],
    ['gemini-3.6-flash', 'gemini 3.6 flash'],
    ['gemini-4-flash', 'gemini 3.6 flash'],
    ['gemini-flash-latest', 'gemini 3.6 flash'],
    ['gemini-3.8-pro', 'gemini 3.6'],
    ['mistral-large-latest', 'mistral'],
    ['mistralai/devstral-small-2505', 'mistral'],
    ['qwen3-8b', 'other'],
  ])('%s is %s', (model, name) => {
    expect(familyOf(model).name).toBe(name);
  });
});

test('effort and budget', () => {
  expect(effortToBudget('low', { min: 2_000, max: 9_000 })).toBe(2_000);
  expect(effortToBudget('max', { min: 0, max: 9_000 })).toBe(9_000);
  expect([0, 1_024, 8_192, 30_000].map(budgetToEffort)).toEqual(['none', 'low', 'medium', 'high']);
  expect(nearestEffort('minimal', ['low', 'high'])).toBe('low');
  expect(nearestEffort('xhigh', ['low', 'medium', 'high'])).toBe('high');
  expect(nearestEffort('high', [])).toBeUndefined();
});
