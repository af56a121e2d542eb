import { expect, test } from 'bun:test';
import { EventBus } from '../events/event-bus.ts';
import type { Logger } from '../observability/log.ts';
import { Metrics } from '../observability/metrics.ts';
import { subscribeLog } from './log-subscribers.ts';
import { subscribeMetrics } from './metric-subscribers.ts';

function create() {
  const errors: unknown[] = [];
  const events = new EventBus({ validate: true, onSubscriberError: (error) => errors.push(error) });
  return { events, errors };
}

test('metrics count limits by what they did, reloads, and outages of the limit store', async () => {
  const { events, errors } = create();
  const stats = { cpuSeconds: 0, residentBytes: 0, startedAtSeconds: 0, openFiles: undefined };
  const metrics = new Metrics(
    () => stats,
    () => 0,
    { takeMaxDelay: () => 0, takeMaxBusy: () => 0 },
  );
  subscribeMetrics(events, metrics);
  const page = () => metrics.render();

  events.emit('limit_store.lost', { error: new Error('unreachable') });
  expect(await page()).toContain('llm_limit_store_lost 1');
  events.emit('limit_store.restored', {});
  events.emit('limit_store.reservations_expired', { count: 3 });
  events.emit('limit.hit', { scope: 'key', mode: 'enforce', refused: true });
  events.emit('limit.hit', { scope: 'key', mode: 'shadow', refused: false });
  events.emit('config.reloaded', { file: 'weir.yaml', restart_keys: [], warnings: [] });
  events.emit('config.rejected', { error: new Error('no') });
  events.emit('engine.loaded', { engine: 'e', load_ms: 5 });
  events.emit('engine.failed', { engine: 'e', reason: 'exited', output: [] });
  const text = await page();
  for (const line of [
    'llm_limit_store_lost 0',
    'llm_reservations_lost_total 3',
    'llm_rate_limit_exceeded_total{scope="key"} 1',
    'llm_limit_passed_total{scope="key",mode="shadow"} 1',
    'weir_config_reloads_total{result="applied"} 1',
    'weir_config_reloads_total{result="rejected"} 1',
    'weir_engine_loads_total{engine="e"} 1',
    'weir_engine_failures_total{engine="e"} 1',
  ]) {
    expect(text).toContain(`${line}\n`);
  }
  expect(errors).toEqual([]);
});

test('the log has one line for what an operator should see, with the cause', () => {
  const { events, errors } = create();
  const lines: unknown[][] = [];
  const write =
    (level: string) =>
    (...args: unknown[]) =>
      lines.push([level, ...args]);
  const logger: Logger = {
    level: 'debug',
    debug: write('debug'),
    info: write('info'),
    warn: write('warn'),
    error: write('error'),
  };
  subscribeLog(events, logger);
  const error = new Error('refused');
  events.emit('job.failed', { job: 'save usage', impact: 'usage is retried', error });
  events.emit('provider.health_changed', { provider: 'p', healthy: false });
  events.emit('provider.discovery_failed', { provider: 'p', error });
  events.emit('config.reloaded', { file: 'weir.yaml', restart_keys: ['server.port'], warnings: ['w'] });
  events.emit('limit.hit', { scope: 'ip', mode: 'enforce', refused: true });
  expect(lines).toEqual([
    ['error', { job: 'save usage', err: error }, 'save usage failed: usage is retried'],
    ['warn', { provider: 'p' }, expect.stringContaining('fails its health checks')],
    ['warn', { provider: 'p', reason: 'refused' }, expect.stringContaining('did not list its models')],
    ['warn', 'w'],
    ['warn', { keys: ['server.port'] }, 'these keys take effect after a restart'],
    ['info', { file: 'weir.yaml' }, 'configuration reloaded'],
  ]);
  expect(errors).toEqual([]);
});
