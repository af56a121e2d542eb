import { expect, test } from 'bun:test';
import { RecordedEvents } from '../../test/support/recorded-events.ts';
import { JobRunner } from './job-runner.ts';

/** A ticker that the test drives. */
function ticker() {
  const ticks = new Map<number, () => void>();
  return {
    ticks,
    start: (ms: number, tick: () => void) => {
      ticks.set(ms, tick);
      return () => void ticks.delete(ms);
    },
    tick: async (ms: number) => {
      ticks.get(ms)?.();
      // Lets the job's promise settle.
      await new Promise((resolve) => setImmediate(resolve));
    },
  };
}

test('runs each job at its interval, until it is stopped', async () => {
  const { ticks, start, tick } = ticker();
  const runs: string[] = [];
  const runner = new JobRunner(new RecordedEvents(), start);
  runner.start([
    { name: 'a', everyMs: 100, impact: '', run: () => void runs.push('a') },
    { name: 'b', everyMs: 200, impact: '', run: async () => runs.push('b') },
  ]);
  expect(runs).toEqual([]);
  await tick(100);
  await tick(200);
  await tick(100);
  expect(runs).toEqual(['a', 'b', 'a']);
  runner.stop();
  expect(ticks.size).toBe(0);
});

test('reports a failure once for each run of failures, thrown or rejected, and goes on', async () => {
  const { start, tick } = ticker();
  const events = new RecordedEvents();
  const failure = new Error('unreachable');
  const work = [
    () => {
      throw failure;
    },
    () => Promise.reject(failure),
    () => undefined,
    () => Promise.reject(failure),
  ];
  new JobRunner(events, start).start([
    { name: 'refresh', everyMs: 1, impact: 'stale', run: () => work.shift()?.() },
  ]);
  for (const expected of [1, 1, 1, 2, 2]) {
    await tick(1);
    expect(events.names.length).toBe(expected);
  }
  expect(events.names[0]).toBe('job.failed');
  expect(events.payloads[0]).toEqual({ job: 'refresh', impact: 'stale', error: failure });
});
