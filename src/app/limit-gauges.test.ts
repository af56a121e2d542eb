import { describe, expect, test } from 'bun:test';
import { FakeClock } from '../../test/support/fake-clock.ts';
import type { Limit, SubjectLimits } from '../core/limit.ts';
import { countersOf } from '../limits/counter.ts';
import { Metrics } from '../observability/metrics.ts';
import { LimitGauges } from './limit-gauges.ts';

const DAY = 86_400_000;

function create(limits: SubjectLimits['limits']) {
  const clock = new FakeClock();
  const gauges = new LimitGauges(clock);
  const metrics = new Metrics(
    () => ({ cpuSeconds: 0, residentBytes: 0, startedAtSeconds: 0, openFiles: undefined }),
    () => 0,
    { takeMaxDelay: () => 0, takeMaxBusy: () => 0 },
  );
  const subject = { scope: 'tenant', id: 'acme/', name: 'acme', limits, timeZone: 'UTC' } as const;
  const counters = countersOf(subject);
  const page = async () => {
    gauges.update(metrics);
    const text = await metrics.render();
    return text.split('\n').filter((line) => /^llm_(?:quota|burst)_used_ratio\{/.test(line));
  };
  const use = (index: number, state: number, endsAt?: number) => {
    const counter = counters[index];
    if (!counter) throw new Error('no such counter');
    const period = endsAt === undefined ? undefined : { id: 'p', startsAt: 0, endsAt };
    gauges.record({ counter, amount: 1, period }, state);
  };
  return { clock, page, use, gauges, metrics };
}

const limit = (more: Pick<Limit, 'of' | 'per' | 'max'> & Partial<Limit>): Limit => ({
  ...{ burst: null, mode: 'enforce', onStoreLoss: 'local', ...more },
});

describe('the used part', () => {
  test('of a quota falls to 0 when its period ends, without another request', async () => {
    const { clock, page, use } = create([limit({ of: 'tokens', per: 'day', max: 1_000 })]);
    use(0, 950, clock.wallTime() + 1_000);
    expect(await page()).toEqual(['llm_quota_used_ratio{tenant="acme",quota="tokens_per_day"} 0.95']);
    clock.advance(1_000);
    expect(await page()).toEqual(['llm_quota_used_ratio{tenant="acme",quota="tokens_per_day"} 0']);
  });

  test('of a burst falls as it refills', async () => {
    const { clock, page, use } = create([limit({ of: 'requests', per: 'minute', max: 60, burst: 10 })]);
    use(0, 0);
    expect(await page()).toEqual(['llm_burst_used_ratio{tenant="acme",quota="requests_per_minute"} 1']);
    clock.advance(5_000);
    expect(await page()).toEqual(['llm_burst_used_ratio{tenant="acme",quota="requests_per_minute"} 0.5']);
    clock.advance(60_000);
    expect(await page()).toEqual(['llm_burst_used_ratio{tenant="acme",quota="requests_per_minute"} 0']);
  });

  test('has no series for a tenant that has been silent for a day', async () => {
    const { clock, page, use } = create([limit({ of: 'cost', per: 'month', max: 100 })]);
    use(0, 50, clock.wallTime() + 30 * DAY);
    clock.advance(DAY);
    expect(await page()).toHaveLength(1);
    clock.advance(1);
    expect(await page()).toEqual([]);
    use(0, 60, clock.wallTime() + 30 * DAY);
    expect(await page()).toEqual(['llm_quota_used_ratio{tenant="acme",quota="cost_per_month"} 0.6']);
  });

  test('of tenants beyond the bound is the largest of them, and each has its series when the bound is raised', async () => {
    const { clock, gauges, metrics, page } = create([]);
    metrics.maxSeries = 2;
    const record = (tenant: string, used: number) => {
      const limits = [limit({ of: 'tokens', per: 'day', max: 100 })];
      const [counter] = countersOf({
        scope: 'tenant',
        id: `${tenant}/`,
        name: tenant,
        limits,
        timeZone: 'UTC',
      });
      if (!counter) throw new Error('no counter');
      const period = { id: 'p', startsAt: 0, endsAt: clock.wallTime() + DAY };
      gauges.record({ counter, amount: 1, period }, used);
    };
    for (const [tenant, used] of [
      ['a', 1],
      ['b', 2],
      ['c', 90],
      ['d', 30],
    ] as const)
      record(tenant, used);
    const series = (tenant: string, ratio: number) =>
      `llm_quota_used_ratio{tenant="${tenant}",quota="tokens_per_day"} ${ratio}`;
    const other = 'llm_quota_used_ratio{tenant="other",quota="tokens_per_day"} 0.9';
    const bounded = [series('a', 0.01), series('b', 0.02), other];
    expect(await page()).toEqual(bounded);
    expect(await page()).toEqual(bounded);
    metrics.maxSeries = 10;
    expect(await page()).toEqual([series('a', 0.01), series('b', 0.02), series('c', 0.9), series('d', 0.3)]);
  });

  test('is that of the limit which is worst off, and all of one that allows nothing', async () => {
    const { clock, page, use } = create([
      limit({ of: 'tokens', per: 'day', max: 1_000 }),
      limit({ of: 'tokens', per: 'day', max: 2_000, mode: 'warn' }),
      limit({ of: 'requests', per: 'day', max: 0 }),
    ]);
    for (const index of [0, 1, 2]) use(index, index === 2 ? 0 : 900, clock.wallTime() + DAY);
    expect(await page()).toEqual([
      'llm_quota_used_ratio{tenant="acme",quota="tokens_per_day"} 0.9',
      'llm_quota_used_ratio{tenant="acme",quota="requests_per_day"} 1',
    ]);
  });
});
