import { expect, test } from 'bun:test';
import { simulateFairness } from './fairness.ts';

test('a tenant that sends fifty times its share costs another next to nothing', async () => {
  const before = await simulateFairness({ greed: 1, order: 'fair' });
  const after = await simulateFairness({ greed: 50, order: 'fair' });
  expect(after.p99 / before.p99).toBeWithin(0.8, 1.2);
  expect(after.answeredP99 / before.answeredP99).toBeWithin(0.9, 1.1);
  expect([before.refused, after.refused]).toEqual([0, 0]);
  expect(after.asked).toBe(before.asked);
});

test('in one line for everybody it would cost nearly all of its answers', async () => {
  const { refused, asked } = await simulateFairness({ greed: 50, order: 'arrival' });
  expect(refused / asked).toBeGreaterThan(0.7);
});
