import { afterEach, beforeEach, expect, test } from 'bun:test';
import { BACKENDS } from '../../test/support/database-servers.ts';
import { openEventLog } from '../../test/support/event-log.ts';
import type { SubjectLimits } from '../core/limit.ts';
import { limitOf, limitSchema } from '../core/limit-schema.ts';
import { Calendar } from '../limits/calendar.ts';
import { countersOf } from '../limits/counter.ts';
import { LimitEvents } from './limit-events.ts';

const SUBJECT: SubjectLimits = {
  ...{ scope: 'key', id: 'acme/key_1', name: 'k', timeZone: 'UTC' },
  limits: [
    limitOf(limitSchema.parse({ of: 'cost', per: 'month', max: '100' })),
    limitOf(limitSchema.parse({ of: 'tokens', per: 'day', max: 1_000, mode: 'shadow' })),
  ],
};
const [NOVEMBER, DECEMBER] = [Date.UTC(2026, 10, 20), Date.UTC(2026, 11, 1)];
const NANO = 1_000_000_000;

let log: Awaited<ReturnType<typeof openEventLog>>;
beforeEach(async () => {
  const sqlite = BACKENDS.find(({ name }) => name === 'SQLite');
  if (!sqlite) throw new Error('no SQLite');
  log = await openEventLog(sqlite);
});
afterEach(() => log.close());

/** The use of all limits at a moment. */
const used = (dollars: number, at = NOVEMBER) =>
  countersOf(SUBJECT).flatMap((counter) =>
    counter.kind === 'period'
      ? [{ counter, period: new Calendar().periodAt(at, counter.per, 'UTC'), used: dollars * NANO }]
      : [],
  );
const stored = async () => {
  const rows = await log.control
    .selectFrom('event_log')
    .select(['type', 'data'])
    .orderBy('sequence')
    .execute();
  return rows.map(({ type, data }) => {
    const { percent, period, used: amount } = JSON.parse(data);
    return [type, percent ?? null, period, amount];
  });
};

test('each share is reported once for a period, by two gateways together, and a new period resets', async () => {
  const gateways = [0, 1].map(() => new LimitEvents(log.control, log.outbox));
  const report = async (dollars: number, at?: number) => {
    await Promise.all(gateways.map((gateway) => gateway.report('acme', used(dollars, at))));
  };
  for (const dollars of [10, 49.9, 50, 60, 85, 70, 120, 130]) await report(dollars);
  // One that starts later finds them reported.
  await new LimitEvents(log.control, log.outbox).report('acme', used(131));
  const november = [
    ['budget.threshold_reached', 50, '2026-11', 50],
    ['budget.threshold_reached', 80, '2026-11', 85],
    ['budget.threshold_reached', 90, '2026-11', 120],
    ['budget.exceeded', null, '2026-11', 120],
  ];
  expect(await stored()).toEqual(november);
  await report(0, DECEMBER);
  await report(55, DECEMBER);
  expect(await stored()).toEqual([
    ...november,
    ['budget.reset', null, '2026-12', 0],
    ['budget.threshold_reached', 50, '2026-12', 55],
  ]);
});

test('a limit that reached no share has no reset, and one in shadow mode no events', async () => {
  const events = new LimitEvents(log.control, log.outbox);
  await events.report('acme', used(1));
  await events.report('acme', used(0, DECEMBER));
  expect(await stored()).toEqual([]);
});

test('a counter is due when it passed a share that is not reported', async () => {
  const events = new LimitEvents(log.control, log.outbox);
  const [cost] = used(0);
  if (!cost) throw new Error('no counter');
  const { endsAt } = cost.period;
  expect(events.isDue(cost.counter, 49 * NANO, endsAt)).toBe(false);
  expect(events.isDue(cost.counter, 50 * NANO, endsAt)).toBe(true);
  await events.report('acme', used(60));
  expect(events.isDue(cost.counter, 70 * NANO, endsAt)).toBe(false);
  expect(events.isDue(cost.counter, 80 * NANO, endsAt)).toBe(true);
  // Of the next period.
  expect(events.isDue(cost.counter, 50 * NANO, endsAt + 1)).toBe(true);
});
