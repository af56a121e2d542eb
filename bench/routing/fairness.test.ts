import { expect, test } from 'bun:test';
import { simulateFairness } from './fairness.ts';

test('a tenant that sends fifty times its share costs another next to nothing', async () => {
  const before = await simulateFairness({ load: 1, order: 'fair' });
  const after = await simulateFairness({ load: 50, order: 'fair' });
  expect(after.p99 / before.p99).toBeWithin(0.8, 1.2);
  expect(after.responseP99 / before.responseP99).toBeWithin(0.9, 1.1);
  expect([before.refused, after.refused]).toEqual([0, 0]);
  expect(after.asked).toBe(before.asked);
});

test('in one queue in order of arrival it would cost nearly all of its responses', async () => {
  const { refused, asked } = await simulateFairness({ load: 50, order: 'arrival' });
  expect(refused / asked).toBeGreaterThan(0.7);
});
