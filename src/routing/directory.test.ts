import { describe, expect, test } from 'bun:test';
import { testProvider } from '../../test/support/inference.ts';
import type { UpstreamModel } from '../providers/types.ts';
import { type ModelDefinition, ModelDirectory, UnknownProviderError } from './directory.ts';

const DEFINITION: ModelDefinition = {
  id: 'chat',
  aliases: ['assistant'],
  strategy: 'weighted',
  targets: [{ provider: 'a', model: 'up', weight: 2 }],
  fallbacks: ['b/x'],
};
const reported = (...ids: string[]): UpstreamModel[] => ids.map((id) => ({ id, ownedBy: undefined }));

function create(found: Record<string, UpstreamModel[]> = {}) {
  const providers = [
    testProvider({ id: 'a', models: ['known'] }),
    testProvider({ id: 'b', profile: { modelPattern: /^grok-/ } }),
  ];
  const discovered = new Map(Object.entries(found));
  return { directory: new ModelDirectory([DEFINITION], providers, () => discovered), discovered };
}

describe('resolve', () => {
  test('finds configured models by id and alias', () => {
    const { directory } = create({ b: reported('chat') });
    const route = directory.resolve('chat');
    expect(route).toMatchObject({ id: 'chat', label: 'chat', strategy: 'weighted', fallbacks: ['b/x'] });
    expect(route?.targets).toMatchObject([{ provider: { id: 'a' }, model: 'up', weight: 2 }]);
    expect(directory.resolve('assistant')).toBe(route);
  });

  test.each([
    ['b/any/model:1', 'b', 'any/model:1', 'b/other'],
    ['a/known', 'a', 'known', 'a/known'],
    ['known', 'a', 'known', 'known'],
    ['found', 'b', 'found', 'found'],
    ['grok-9', 'b', 'grok-9', 'b/other'],
  ])('finds %s at %s as %s, with the label %s', (name, provider, model, label) => {
    const { directory } = create({ b: reported('found') });
    expect(directory.resolve(name)).toMatchObject({
      id: name,
      label,
      targets: [{ provider: { id: provider }, model }],
    });
  });

  test.each([[''], ['/'], ['a/'], ['/known'], ['c/known'], ['Chat'], ['__proto__'], ['constructor']])(
    'does not find "%s"',
    (name) => {
      expect(create().directory.resolve(name)).toBeUndefined();
    },
  );

  test('finds no names that are longer than any model has, which caches would keep', () => {
    const { directory } = create();
    expect(directory.resolve(`a/${'x'.repeat(510)}`)).toBeDefined();
    expect(directory.resolve(`a/${'x'.repeat(511)}`)).toBeUndefined();
    expect(directory.resolve(`grok-${'x'.repeat(60_000)}`)).toBeUndefined();
  });

  test('uses models that providers report later', () => {
    const { directory, discovered } = create();
    expect(directory.resolve('late')).toBeUndefined();
    discovered.set('a', reported('late'));
    expect(directory.resolve('late')?.targets[0]?.provider.id).toBe('a');
  });
});

test('a definition with an unknown provider is rejected', () => {
  expect(() => new ModelDirectory([DEFINITION], [], () => new Map())).toThrow(UnknownProviderError);
});

test('the list has configured names first, and each name once', () => {
  const { directory } = create({ a: reported('known', 'more'), b: reported('more', 'chat') });
  expect(directory.list()).toEqual([
    { id: 'chat', ownedBy: 'a' },
    { id: 'assistant', ownedBy: 'a' },
    { id: 'known', ownedBy: 'a' },
    { id: 'more', ownedBy: 'a' },
  ]);
});

describe('suggest', () => {
  const { directory } = create({ b: reported('qwen-7b', 'qwen-72b', 'llama-8b') });
  test.each([
    ['caht', ['chat']],
    ['QWEN-7B', ['qwen-7b', 'qwen-72b']],
    ['qwen', ['qwen-72b', 'qwen-7b']],
    ['zzzzzzzzzzzz', []],
  ])('for "%s"', (name, wanted) => {
    expect(directory.suggest(name).slice(0, Math.max(2, wanted.length))).toEqual(wanted);
  });

  test('is fast and empty for very long names', () => {
    expect(directory.suggest('z'.repeat(1_000_000))).toEqual([]);
  });
});
