import { expect, test } from 'bun:test';
import type { PromptCacheHint } from '../prompt-cache-hint.ts';
import { withBreakpoints } from './breakpoints.ts';

const CLAUDE = 'eu.anthropic.claude-sonnet-4-5-20250929-v1:0';
const NOVA = 'amazon.nova-pro-v1:0';
const POINT = { cachePoint: { type: 'default' } };
const LONG = { text: 'Follow the handbook. '.repeat(300) };
const TOOL = { toolSpec: { name: 'find', description: LONG.text, inputSchema: { json: {} } } };

/** Takes every prefix for one that was sent before. */
const ALL: PromptCacheHint = {
  seed: 0n,
  repeated: (prefixes) => prefixes.map(() => true),
  key: undefined,
};

const turn = (role: string, ...content: readonly object[]) => ({ role, content });

test('instructions and the last message that repeat get a cache point', () => {
  const body = { system: [LONG], messages: [turn('user', { text: 'one' })], inferenceConfig: {} };
  expect(withBreakpoints(body, CLAUDE, ALL)).toEqual({
    ...{ system: [LONG, POINT], inferenceConfig: {} },
    messages: [turn('user', { text: 'one' }, POINT)],
  });
});

test('tools get one without instructions, where the model takes it', () => {
  const body = { toolConfig: { tools: [TOOL] }, messages: [] };
  expect(withBreakpoints(body, CLAUDE, ALL)).toEqual({ ...body, toolConfig: { tools: [TOOL, POINT] } });
  expect(withBreakpoints(body, NOVA, ALL)).toEqual(body);
  expect(withBreakpoints({ ...body, system: [LONG] }, NOVA, ALL)).toMatchObject({ system: [LONG, POINT] });
});

test('reasoning and a text to continue get none', () => {
  const messages = [
    turn('user', LONG),
    turn('assistant', { reasoningContent: {} }),
    turn('assistant', { text: 'Once upon' }),
  ];
  const marked = withBreakpoints({ messages }, CLAUDE, ALL);
  expect(marked).toEqual({ messages: [turn('user', LONG, POINT), ...messages.slice(1)] });
});

test('nothing is added for other models, to marked requests, and to new or short prompts', () => {
  const body = { system: [LONG], messages: [turn('user', { text: 'one' })] };
  for (const model of ['meta.llama3-70b-instruct-v1:0', 'anthropic.claude-3-5-sonnet-20241022-v2:0']) {
    expect(withBreakpoints(body, model, ALL)).toBe(body);
  }
  // It caches nothing below 4,096 tokens.
  expect(withBreakpoints(body, 'anthropic.claude-haiku-4-5-20251001-v1:0', ALL)).toBe(body);
  const marked = { ...body, messages: [turn('user', { text: 'one' }, POINT)] };
  expect(withBreakpoints(marked, CLAUDE, ALL)).toBe(marked);
  const none: PromptCacheHint = { ...ALL, repeated: (prefixes) => prefixes.map(() => false) };
  expect(withBreakpoints(body, CLAUDE, none)).toBe(body);
  expect(withBreakpoints(body, CLAUDE, { ...ALL, repeated: undefined })).toBe(body);
  expect(withBreakpoints(body, CLAUDE, undefined)).toBe(body);
});
