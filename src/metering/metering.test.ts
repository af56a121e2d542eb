import { describe, expect, test } from 'bun:test';
import { testProvider, testTarget } from '../../test/support/inference.ts';
import type { ChatRequest } from '../core/chat/request.ts';
import { modelLine } from '../providers/model-line.ts';
import { vocabularyFactor } from '../providers/model-vocabulary.ts';
import { lookUpCapabilities } from './capability-data.ts';
import { CounterThread, type ThreadListener } from './counter-thread.ts';
import { ModelData } from './model-data.ts';
import { lookUpPrice } from './price-data.ts';
import { TextCounter } from './text-counter.ts';
import { countable } from './token-count.ts';
import { Tokenizer } from './tokenizer.ts';

const DAY = new Date('2026-10-01T00:00:00Z');

describe('prices', () => {
  test('are exact decimals per million tokens', () => {
    expect(lookUpPrice('openai', 'gpt-4o-mini', DAY)).toMatchObject({
      contextWindow: 128_000,
      price: { input: { base: '0.15' }, output: { base: '0.6' }, cachedInput: { base: '0.075' } },
    });
  });

  test('have tiers, and are found by names with regions and dates', () => {
    expect(lookUpPrice('anthropic', 'claude-sonnet-4-5', DAY)?.price.input).toEqual({
      base: '3',
      tiers: [{ fromTokens: 200_000, price: '6' }],
    });
    expect(
      lookUpPrice('aws', 'us.anthropic.claude-sonnet-4-5-20250929-v1:0', DAY)?.price.output,
    ).toBeDefined();
    expect(lookUpPrice('openai', 'no-such-model', DAY)).toBeUndefined();
  });
});

describe('capabilities', () => {
  test.each([
    ['us.anthropic.claude-opus-4-1-20250805-v1:0', 'claude-opus-4-1'],
    ['models/gemini-2.5-flash', 'gemini-2.5-flash'],
    ['openai/gpt-4o-2024-11-20', 'gpt-4o'],
    ['claude-3-5-haiku@20241022', 'claude-3-5-haiku'],
    ['command-a-03-2025', 'command-a'],
  ])('%s is of the line %s', (model, line) => {
    expect(modelLine(model)).toBe(line);
  });

  test('are those of the model, or of its line for a new model', () => {
    expect(lookUpCapabilities('openai', 'gpt-5')).toMatchObject({
      contextWindow: 400_000,
      capabilities: { tools: true, vision: true, reasoning: true },
      inferred: false,
    });
    const newer = lookUpCapabilities('anthropic', 'claude-opus-99');
    expect(newer).toMatchObject({ capabilities: { tools: true }, inferred: true });
    expect(newer).not.toHaveProperty('contextWindow');
    expect(lookUpCapabilities('openai', 'nothing')).toBeUndefined();
  });
});

test('the configuration overrides the data', async () => {
  const data = await new ModelData(() => DAY).load();
  const provider = testProvider({ profile: { dataNames: { prices: 'openai', models: 'openai' } } });
  const target = testTarget(provider, 'gpt-4o-mini');
  expect(data.of(target).sources).toEqual(['price data', 'capability data']);
  expect(data.of(target, { contextWindow: 5, capabilities: { vision: false } })).toMatchObject({
    contextWindow: 5,
    price: { input: { base: '0.15' } },
    capabilities: { vision: false, tools: true },
    sources: ['configuration', 'price data', 'capability data'],
  });
  expect(data.of(testTarget()).sources).toEqual([]);
});

describe('tokens', () => {
  const request: ChatRequest = {
    messages: [
      { role: 'system', content: [{ type: 'text', text: 'ab' }] },
      {
        role: 'user',
        content: [
          { type: 'text', text: 'cde' },
          { type: 'image', source: { kind: 'url', url: 'https://x.test/a.png' } },
        ],
      },
    ],
  };
  test('are those of text, and of media by rule', () => {
    expect(countable(request)).toEqual({ words: ['ab', 'cde'], rest: [], fixed: 3 + 4 + 4 + 800 });
    expect(vocabularyFactor('anthropic/Claude-x')).toBe(1.2);
    expect(vocabularyFactor('gpt-5')).toBe(1);
  });

  test('text is counted by a tokenizer', async () => {
    const one: ChatRequest = {
      messages: [{ role: 'user', content: [{ type: 'text', text: 'hello world' }] }],
    };
    expect(await new Tokenizer(new TextCounter()).estimate(one, 'gpt-5')).toBe(3 + 4 + 2);
  });

  test('text that looks like a control token is counted as text', async () => {
    const { tokens } = await new TextCounter().count(['a <|endoftext|> b'], 'o200k_base');
    expect(tokens).toBeGreaterThan(3);
  });

  test('runs without a space are cut, and other tasks run in between', async () => {
    let turns = 0;
    const tokenizer = new TextCounter(async () => {
      turns += 1;
    });
    const { tokens, cuts } = await tokenizer.count(['漢字'.repeat(50_000)], 'o200k_base');
    expect(cuts).toBe(Math.ceil(100_000 / 128) - 1);
    expect(tokens).toBeGreaterThan(50_000);
    expect(turns).toBe(3);
  });

  test('cuts at spaces do not change the count', async () => {
    const text = 'One word, two words; 3 more. '.repeat(3_000);
    const { countTokens } = await import('gpt-tokenizer/encoding/o200k_base');
    const { tokens, cuts } = await new TextCounter().count([text], 'o200k_base');
    expect(cuts).toBe(2);
    expect(Math.abs(tokens - countTokens(text))).toBeLessThanOrEqual(cuts);
  });

  test.each(['', ' ', 'x', ' y'])('short text %j', async (text) => {
    expect(await new TextCounter().count([text], 'cl100k_base')).toEqual({
      tokens: text === '' ? 0 : 1,
      cuts: 0,
    });
  });
});

describe('CounterThread', () => {
  test('returns the same counts as TextCounter, for concurrent calls', async () => {
    const thread = new CounterThread();
    const texts = ['one', 'two words', 'ünïcödé 💧'];
    const asked = await Promise.all(texts.map((text) => thread.count([text], 'o200k_base')));
    const own = await Promise.all(texts.map((text) => new TextCounter().count([text], 'o200k_base')));
    expect(asked).toEqual(own);
    expect((await thread.count(['a b c d e f g h'], 'o200k_base', 1)).tokens).toBeGreaterThan(0);
  });

  test('rejects when the thread fails, and starts another one for the next call', async () => {
    const listeners: ThreadListener[] = [];
    const thread = new CounterThread((listener) => {
      listeners.push(listener);
      return { ask: () => undefined };
    });
    const lost = [thread.count(['a'], 'o200k_base'), thread.count(['b'], 'o200k_base')];
    listeners[0]?.failed(new Error('out of memory'));
    for (const one of lost) expect(one).rejects.toThrow('out of memory');
    const next = [thread.count(['c'], 'o200k_base'), thread.count(['d'], 'o200k_base')];
    expect(listeners).toHaveLength(2);
    listeners[1]?.onResult({ id: 4, error: 'no such vocabulary' });
    listeners[1]?.onResult({ id: 3, count: { tokens: 7, cuts: 0 } });
    expect(await next[0]).toEqual({ tokens: 7, cuts: 0 });
    expect(next[1]).rejects.toThrow('no such vocabulary');
  });
});
