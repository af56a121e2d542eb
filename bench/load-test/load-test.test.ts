import { expect, test } from 'bun:test';
import { createServer } from 'node:net';
import { bestOf, meetsTarget } from './frontier.ts';
import { durationOf, loadTestOptions } from './options.ts';
import { startSlowNetwork } from './slow-network.ts';
import { growthOf } from './soak.ts';

const step = { completedPerSecond: 100, p50: 1, p95: 2, cpuMicros: 100 };

test('the frontier is the highest rate within each bound, without failures', () => {
  const steps = [
    { ...step, rate: 100, failed: 0, p99: 0.8 },
    { ...step, rate: 200, failed: 0, p99: 4 },
    { ...step, rate: 300, failed: 1, p99: 4 },
    { ...step, rate: 400, failed: 0, p99: 60 },
  ];
  expect(bestOf(steps)).toEqual([
    { p99BelowMs: 1, rate: 100 },
    { p99BelowMs: 5, rate: 200 },
    { p99BelowMs: 10, rate: 200 },
    { p99BelowMs: 50, rate: 200 },
  ]);
  expect(bestOf([])[0]).toEqual({ p99BelowMs: 1, rate: undefined });
});

test('the target needs the rate, the latency and nearly no failures', () => {
  const good = { ...step, rate: 100, failed: 0, p99: 1_500, p95: 400 };
  expect(meetsTarget(good, 1_000)).toBe(true);
  expect(meetsTarget({ ...good, failed: 1 }, 1_000)).toBe(false);
  expect(meetsTarget({ ...good, failed: 1 }, 10_000)).toBe(true);
  expect(meetsTarget({ ...good, p95: 500 }, 1_000)).toBe(false);
  expect(meetsTarget({ ...good, completedPerSecond: 90 }, 1_000)).toBe(false);
});

test('memory grows by the last third to the first one, after the warm-up', () => {
  expect(growthOf([10, 90, 100, 100, 100, 100, 100, 120, 120, 120])).toBe(1.2);
  expect(growthOf([100, 100])).toBeUndefined();
});

test('options name durations, workers and the upstream, and reject others', () => {
  const defaults = { workers: [2], rate: 100, durationMs: 1_000 };
  expect(loadTestOptions([], defaults)).toMatchObject({ ...defaults, upstream: 'simulator' });
  const args = ['--workers', '0,4', '--rate', '5000', '--duration', '1.5m', '--upstream', 'mock'];
  expect(loadTestOptions(args, defaults)).toEqual({
    ...{ workers: [0, 4], rate: 5_000, durationMs: 90_000, upstream: 'mock', json: undefined },
  });
  for (const wrong of [
    ['--rate', '0'],
    ['--workers', 'two'],
    ['--upstream', 'other'],
    ['--duration', '5'],
  ]) {
    expect(() => loadTestOptions(wrong, defaults)).toThrow();
  }
  expect(durationOf('2h')).toBe(7_200_000);
});

test('a slow network delays what it carries, and resets connections when it is cut', async () => {
  const echo = createServer((socket) => {
    socket.on('error', () => undefined);
    socket.pipe(socket);
  });
  await new Promise<void>((resolve) => echo.listen(0, '127.0.0.1', resolve));
  const address = echo.address();
  const network = await startSlowNetwork(typeof address === 'object' && address ? address.port : 0);
  let received = Promise.withResolvers<string>();
  const closed = Promise.withResolvers<void>();
  const client = await Bun.connect({
    hostname: '127.0.0.1',
    port: network.port,
    socket: {
      data: (_, bytes) => received.resolve(bytes.toString()),
      close: () => closed.resolve(),
      error: () => undefined,
    },
  });
  client.write('one');
  expect(await received.promise).toBe('one');
  network.delayMs = 30;
  received = Promise.withResolvers();
  const startedAt = performance.now();
  client.write('two');
  expect(await received.promise).toBe('two');
  // Timers may be early by a millisecond.
  expect(performance.now() - startedAt).toBeGreaterThan(55);
  network.cut();
  await closed.promise;
  network.close();
  echo.close();
});
