import { expect, test } from 'bun:test';
import { FakeClock } from '../../test/support/fake-clock.ts';
import { EventLoopDelay } from '../observability/event-loop-delay.ts';
import { Metrics } from '../observability/metrics.ts';
import { readProcessStats } from '../observability/process-stats.ts';
import { ServerMonitor } from './server-monitor.ts';

test('every limit that is reached counts, and one event a minute tells of them', async () => {
  const clock = new FakeClock();
  const eventLoop = new EventLoopDelay({ intervalMs: 20, now: () => 0, cpuMs: () => 0 });
  const metrics = new Metrics(
    () => readProcessStats(0),
    () => 0,
    eventLoop,
  );
  const emitted: unknown[] = [];
  const monitor = new ServerMonitor(clock, metrics, {
    emit: (name, payload) => {
      emitted.push([name, payload]);
    },
  });
  for (let count = 0; count < 100; count += 1) monitor.limitReached('max_connections_per_ip');
  monitor.limitReached('write_idle');
  clock.advance(60_000);
  monitor.limitReached('max_connections_per_ip');
  expect(emitted).toEqual([
    ['http.limit_reached', { limit: 'max_connections_per_ip', count: 1 }],
    ['http.limit_reached', { limit: 'write_idle', count: 1 }],
    ['http.limit_reached', { limit: 'max_connections_per_ip', count: 100 }],
  ]);
  expect(await metrics.render()).toContain(
    'weir_http_limit_reached_total{limit="max_connections_per_ip"} 101',
  );
});
