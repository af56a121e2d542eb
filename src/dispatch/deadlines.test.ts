import { describe, expect, test } from 'bun:test';
import { DeadlineMonitor, intervalTicker, type Watched } from './deadlines.ts';

class Entry implements Watched {
  slot = -1;
  expiredAt: number[] = [];
  constructor(public expiresAt: number) {}
  expire(now: number): void {
    this.expiredAt.push(now);
  }
}

function create() {
  let now = 0;
  let running = 0;
  let started = 0;
  const monitor = new DeadlineMonitor(
    () => now,
    () => {
      running += 1;
      started += 1;
      return () => {
        running -= 1;
      };
    },
  );
  const sweepAt = (time: number) => {
    now = time;
    monitor.sweep();
  };
  return { monitor, sweepAt, running: () => running, started: () => started };
}

describe('DeadlineMonitor', () => {
  test('expires each entry once, when its time has come', () => {
    const { monitor, sweepAt } = create();
    const [early, late] = [new Entry(100), new Entry(200)];
    monitor.watch(early);
    monitor.watch(late);
    for (const time of [99, 100, 150, 250, 300]) sweepAt(time);
    expect([early.expiredAt, late.expiredAt]).toEqual([[100], [250]]);
  });

  test('follows a deadline that moves, and forgets unwatched requests', () => {
    const { monitor, sweepAt } = create();
    const [moved, dropped] = [new Entry(100), new Entry(100)];
    monitor.watch(moved);
    monitor.watch(dropped);
    moved.expiresAt = 500;
    monitor.unwatch(dropped);
    sweepAt(400);
    expect([moved.expiredAt, dropped.expiredAt]).toEqual([[], []]);
    sweepAt(500);
    expect(moved.expiredAt).toEqual([500]);
  });

  test('runs one timer while there is something to watch, and none otherwise', () => {
    const { monitor, sweepAt, running, started } = create();
    expect(running()).toBe(0);
    const entry = new Entry(100);
    monitor.watch(entry);
    monitor.watch(new Entry(50));
    expect(running()).toBe(1);
    sweepAt(60);
    expect(running()).toBe(1);
    monitor.unwatch(entry);
    sweepAt(61);
    expect(running()).toBe(0);
    monitor.watch(entry);
    expect([running(), started()]).toEqual([1, 2]);
  });

  test('keeps its timer for what begins while others expire', () => {
    const { monitor, sweepAt, running } = create();
    const next = new Entry(1_000);
    monitor.watch({ slot: -1, expiresAt: 10, expire: () => monitor.watch(next) });
    sweepAt(10);
    expect(running()).toBe(1);
    sweepAt(1_000);
    expect(next.expiredAt).toEqual([1_000]);
  });
});

test('the real ticker ticks until it is stopped', async () => {
  const { promise, resolve } = Promise.withResolvers<void>();
  let ticks = 0;
  const stop = intervalTicker(() => {
    ticks += 1;
    if (ticks === 2) resolve();
  }, 1);
  await promise;
  stop();
});
