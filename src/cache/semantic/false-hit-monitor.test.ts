import { expect, test } from 'bun:test';
import { answersAgree } from './compare-answers.ts';
import { FalseHitMonitor } from './false-hit-monitor.ts';

const BOUNDS = { maxShare: 0.1, minSamples: 10, pauseMs: 1_000 };

test('more false hits than the bound stop serving to one tenant from one model, for a while', () => {
  let now = 0;
  const monitor = new FalseHitMonitor(() => now);
  for (let hit = 0; hit < 9; hit += 1) monitor.add('acme', 'chat', hit < 2, BOUNDS);
  expect(monitor.isDisabled('acme', 'chat')).toBe(false);
  expect(monitor.add('acme', 'chat', false, BOUNDS)).toMatchObject({
    samples: 10,
    share: 0.2,
    isNewlyDisabled: true,
  });
  expect(monitor.state('acme', 'chat')?.disabledBy).toEqual({
    ...{ at: 0, samples: 10, share: 0.2, maxShare: 0.1 },
  });
  expect(monitor.isDisabled('acme', 'chat')).toBe(true);
  expect([monitor.isDisabled('acme', 'other'), monitor.isDisabled('globex', 'chat')]).toEqual([false, false]);
  now = 1_000;
  expect(monitor.isDisabled('acme', 'chat')).toBe(false);
  expect(monitor.state('acme', 'chat')?.samples).toBe(0);
});

test('only the last compared hits count', () => {
  const monitor = new FalseHitMonitor(() => 0);
  const bounds = { ...BOUNDS, minSamples: 200, maxShare: 1 };
  for (let hit = 0; hit < 400; hit += 1) monitor.add('acme', 'chat', hit < 200, bounds);
  expect(monitor.state('acme', 'chat')).toMatchObject({ samples: 200, share: 0 });
});

test('clearing serves again', () => {
  const monitor = new FalseHitMonitor(() => 0);
  for (let hit = 0; hit < 10; hit += 1) monitor.add('acme', 'chat', true, BOUNDS);
  monitor.reset('globex', undefined);
  expect(monitor.isDisabled('acme', 'chat')).toBe(true);
  monitor.reset('acme', undefined);
  expect(monitor.isDisabled('acme', 'chat')).toBe(false);
});

test.each([
  [true, 'Paris.', 'Paris.', undefined],
  [true, 'The capital is Paris.', 'It is Paris.', 0.8],
  [false, 'Yes, it is safe.', 'No, it is not.', 0.95],
  [false, 'It costs 20 dollars.', 'It costs 30 dollars.', 0.99],
  [true, 'It costs $1,000.', 'The price is 1000 dollars.', 0.7],
  [false, 'Use the form.', 'Bananas are yellow.', 0.1],
] as const)('agree %p: %p and %p', (agree, one, other, similarity) => {
  expect(answersAgree(one, other, similarity)).toBe(agree);
  expect(answersAgree(other, one, similarity)).toBe(agree);
});
