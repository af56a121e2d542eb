import { expect, test } from 'bun:test';
import { BACKENDS } from '../../../test/support/database-servers.ts';
import { openControlDatabase } from './control-database.ts';
import { CONTROL_DATABASE } from './database-server.ts';
import { PeriodCounters } from './period-counters.ts';
import { storePeriodCounts } from './store-period-counts.ts';

for (const backend of BACKENDS) {
  test.skipIf(!backend.available)(`use of quotas and budgets is saved on ${backend.name}`, async () => {
    const server = await backend.start();
    const control = await openControlDatabase(server.connect());
    const usage = await server.openUsage(CONTROL_DATABASE);
    let now = 1_000;
    const counters = new PeriodCounters(
      control.db,
      () => now,
      (update) => storePeriodCounts(usage, update),
    );
    const many = Array.from({ length: 1_234 }, (_, index) => ({
      ...{ counter: `c${index}`, period: '2026-11', used: index },
    }));
    await counters.save(many, true);
    await counters.save([], true);
    const saved = async () => {
      const counts = await counters.load();
      return new Map(counts.map(({ counter, used }) => [counter, used]));
    };
    expect(await saved()).toEqual(new Map(many.map(({ counter, used }) => [counter, used])));

    const change = (used: number) => [{ counter: 'c100', period: '2026-11', used }];
    now += 40 * 86_400_000;
    await counters.save(change(7), false);
    expect((await saved()).get('c100')).toBe(100);
    await counters.save(change(200), false);
    expect((await saved()).get('c100')).toBe(200);
    await counters.save(change(7), true);
    expect((await saved()).get('c100')).toBe(7);
    // Only the one that was saved since is younger than the retention.
    now += 1;
    await counters.deleteOld();
    expect([...(await saved())]).toEqual([['c100', 7]]);
    await usage.close();
    await control.close();
    await server.dispose();
  });
}
