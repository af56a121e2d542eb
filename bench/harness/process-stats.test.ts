import { expect, test } from 'bun:test';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  descendantReader,
  parseKib,
  parseProcStat,
  parsePs,
  parsePsTime,
  processTree,
  usageReader,
} from './process-stats.ts';

test('parseProcStat survives any command name', () => {
  const rest = 'S 17 1 1 0 -1 4194304 500 0 0 0 250 50 1 2 20 0 4 0 100 1000 200';
  expect(parseProcStat(`42 (bun) ${rest}`)).toEqual({ ppid: 17, ticks: 300 });
  expect(parseProcStat(`42 (a) b (c) ${rest}`)).toEqual({ ppid: 17, ticks: 300 });
  expect(() => parseProcStat('nothing')).toThrow(SyntaxError);
});

test('parseKib', () => {
  const status = 'Name:\tx\nVmHWM:\t   900 kB\nVmRSS:\t   512 kB\nThreads:\t3\n';
  expect(parseKib(status, 'VmRSS')).toBe(512);
  expect(parseKib(status, 'Threads')).toBeUndefined();
  expect(parseKib('Rss:   9 kB\nPss:   7 kB\nPss_Dirty: 5 kB\n', 'Pss')).toBe(7);
});

test('parsePsTime', () => {
  expect(parsePsTime('0:01.23')).toBeCloseTo(1.23);
  expect(parsePsTime('01:02:03')).toBe(3723);
  expect(parsePsTime('2-00:00:01')).toBe(172_801);
  expect(() => parsePsTime('never')).toThrow(SyntaxError);
});

test('parsePs', () => {
  expect(parsePs('  1     0  4096   0:00.50\n 20     1   100 00:00:02\n\n')).toEqual([
    { pid: 1, ppid: 0, rssKib: 4096, cpuSeconds: 0.5 },
    { pid: 20, ppid: 1, rssKib: 100, cpuSeconds: 2 },
  ]);
});

test('processTree holds descendants of descendants and no other process', () => {
  const parents = new Map([
    [1, 0],
    [2, 1],
    [3, 2],
    [4, 1],
    [5, 4],
  ]);
  expect(processTree(2, parents)).toEqual([2, 3]);
  expect(processTree(1, parents).toSorted()).toEqual([1, 2, 3, 4, 5]);
  expect(processTree(9, parents)).toEqual([9]);
});

test('usage of this very process', () => {
  const read = usageReader(process.platform);
  expect(read(process.pid)?.rssKib).toBeGreaterThan(1000);
  expect(read(process.pid)?.cpuSeconds).toBeGreaterThanOrEqual(0);
  expect(read(2 ** 30)).toBeUndefined();
});

test('the innermost descendant is what a launcher has started, or the process itself', async () => {
  const innermost = descendantReader(process.platform);
  const launcher = spawn('sh', ['-c', 'sleep 30 & echo $!; wait'], { stdio: ['ignore', 'pipe', 'ignore'] });
  const [line] = await once(launcher.stdout, 'data');
  const started = Number(String(line));
  try {
    expect(innermost(launcher.pid ?? 0)).toBe(started);
    expect(innermost(started)).toBe(started);
  } finally {
    process.kill(started);
    await once(launcher, 'exit');
  }
  expect(innermost(2 ** 30)).toBeUndefined();
});
