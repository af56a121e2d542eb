import { expect, test } from 'bun:test';
import { FakeClock } from '../../test/support/fake-clock.ts';
import { PRINCIPAL } from '../../test/support/inference.ts';
import type { SubjectLimits } from '../core/limit.ts';
import { type LimitDocument, limitOf, limitSchema } from '../core/limit-schema.ts';
import { NO_EVENTS } from '../events/event-bus.ts';
import { assertBudgetsNotSpent } from './budget-check.ts';
import { Calendar } from './calendar.ts';
import { NO_USE } from './expected-use.ts';
import { Limiter } from './limiter.ts';
import { MemoryLimitStore } from './memory-limit-store.ts';

const owner = { tenant: 't', subject: 'key/k', timeZone: 'UTC' };
const budget = (max: string, more: Partial<LimitDocument> = {}) =>
  limitSchema.parse({ of: 'cost', per: 'day', max, ...more });

/** A limiter under which the key has spent 5 US dollars today. */
async function afterSpending(document = budget('100')) {
  const clock = new FakeClock();
  const store = new MemoryLimitStore(clock);
  const limiter = new Limiter({ clock, store, calendar: new Calendar(), events: NO_EVENTS });
  const limits = [limitOf(document)];
  const subject: SubjectLimits = { scope: 'key', id: 't/k', name: 'k', limits, timeZone: 'UTC' };
  const principal = { ...PRINCIPAL, limits: [subject] };
  const reservation = await limiter.admit({ principal, tags: [], use: NO_USE });
  reservation?.settle({ tokens: 0, nanoUsd: 5e9 });
  return limiter;
}

test('a budget below the amount spent in its period is rejected', async () => {
  const limiter = await afterSpending();
  const error = await assertBudgetsNotSpent(limiter, owner, [budget('4.99')]).catch(
    (thrown: unknown) => thrown,
  );
  expect(error).toMatchObject({
    code: 'invalid_request',
    param: 'limits',
    message: expect.stringMatching(/4\.99 US dollars per day.*: 5\./),
  });
});

test('a budget of at least the amount spent is accepted', async () => {
  const limiter = await afterSpending();
  await assertBudgetsNotSpent(limiter, owner, [budget('5'), budget('6')]);
});

test('only enforced budgets of the same subject and period are compared', async () => {
  const limiter = await afterSpending();
  const others: readonly (readonly [typeof owner, LimitDocument])[] = [
    [owner, budget('1', { per: 'month' })],
    [owner, budget('1', { mode: 'warn' })],
    [owner, limitSchema.parse({ of: 'tokens', per: 'day', max: 0 })],
    [{ ...owner, subject: 'key/other' }, budget('1')],
    [{ ...owner, subject: 'tag/k' }, budget('1')],
    [{ ...owner, subject: 'tenant' }, budget('1')],
    [{ ...owner, tenant: 'other' }, budget('1')],
  ];
  for (const [subject, document] of others) await assertBudgetsNotSpent(limiter, subject, [document]);
});
