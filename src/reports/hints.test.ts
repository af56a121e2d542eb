import { expect, test } from 'bun:test';
import {
  cacheCandidates,
  cheaperModels,
  idleEngines,
  type KeyUse,
  promptCacheUse,
  unusedKeys,
} from './hints.ts';

const DOLLAR = 1_000_000_000_000n;

function use(model: string, more: Partial<KeyUse> = {}): KeyUse {
  return {
    ...{ model, key: 'key_1', name: 'app', requests: 1_000n, attempts: 1_000n, failures: 0n },
    ...{ inputTokens: 1_000_000n, outputTokens: 100_000n, cachedTokens: 0n, costPico: 10n * DOLLAR },
    ...{ outputCostPico: 4n * DOLLAR, cacheHits: 0n, promptSavedPico: 0n, ...more },
  };
}

test('a cheaper model that succeeds as often saves the difference at the prices that were paid', () => {
  const cheap = use('cheap', { inputTokens: 2_000_000n, costPico: 4n * DOLLAR, outputCostPico: 2n * DOLLAR });
  // 1 million input at 1 $ a million, 100,000 output at 20 $ a million.
  expect(cheaperModels([use('large'), cheap])).toMatchObject([
    {
      ...{ kind: 'cheaper_model', subject: 'large', saves: '7', estimated: true },
      evidence: { model: 'cheap', cost: '10', cost_at_model: '3', success_percent: 100, requests: 1000 },
    },
  ]);
  const failing = { ...cheap, failures: 20n };
  expect(cheaperModels([use('large'), failing])).toEqual([]);
  expect(cheaperModels([use('large'), { ...cheap, requests: 99n }])).toEqual([]);
  // Without a price, or without output, nothing is known of its cost.
  expect(cheaperModels([use('large'), { ...cheap, costPico: 0n }])).toEqual([]);
  expect(cheaperModels([use('large'), { ...cheap, outputTokens: 0n }])).toEqual([]);
});

test('a model without hits of the cache would save what another one saves', () => {
  expect(cacheCandidates([use('cached', { cacheHits: 300n }), use('other')])).toMatchObject([
    { subject: 'other', saves: '3', evidence: { hit_rate_percent_of_model: 30, model: 'cached' } },
  ]);
  expect(cacheCandidates([use('cached', { cacheHits: 20n }), use('other')])).toEqual([]);
});

test('a key that hardly uses the prompt cache would save what another key on the model saves', () => {
  const good = use('m', { key: 'key_2', cachedTokens: 500_000n, promptSavedPico: DOLLAR });
  expect(promptCacheUse([good, use('m'), use('other')])).toMatchObject([
    {
      ...{ subject: 'key_1', saves: '1' },
      evidence: { cached_percent: 0, cached_percent_of_best_key: 50, best_key: 'key_2' },
    },
  ]);
});

test('unused keys and idle engines name what they are by', () => {
  expect(unusedKeys([{ id: 'k', name: 'old', lastUsedAt: null }])).toMatchObject([
    { subject: 'k', saves: '0', evidence: { key_name: 'old', last_used_at: null } },
  ]);
  expect(idleEngines([{ provider: 'chat0', hourlyPico: undefined }], 24)[0]?.saves).toBeNull();
  expect(idleEngines([{ provider: 'chat0', hourlyPico: DOLLAR }], 24)[0]?.saves).toBe('24');
});
