import { expect, test } from 'bun:test';
import { WriteHealth } from './write-health.ts';

function create() {
  const reports: unknown[] = [];
  let now = 0;
  const health = new WriteHealth({
    now: () => now,
    onFailed: ({ area, failures }) => reports.push([area, failures]),
    onRestored: (area) => reports.push([area, 'restored']),
  });
  return {
    health,
    reports,
    pass: (ms: number) => {
      now += ms;
    },
  };
}

const broken = () => {
  throw new Error('full');
};

test('fails from the first failed write to the first probe that succeeds', () => {
  const { health, reports } = create();
  let works = false;
  health.probe();
  health.failed('database', new Error('full'), () => {
    if (!works) broken();
  });
  expect([health.isFailing, health.fails('database'), health.fails('usage_journal')]).toEqual([
    true,
    true,
    false,
  ]);
  health.probe();
  expect(health.isFailing).toBe(true);
  works = true;
  health.probe();
  expect([health.isFailing, reports]).toEqual([
    false,
    [
      ['database', 1],
      ['database', 'restored'],
    ],
  ]);
});

test('reports once a minute for each area, with the number of failures', () => {
  const { health, reports, pass } = create();
  for (let second = 0; second < 120; second += 1) {
    for (let request = 0; request < 10; request += 1) health.failed('database', new Error('full'), broken);
    health.failed('usage_journal', new Error('full'), broken);
    pass(1_000);
  }
  expect(reports).toEqual([
    ['database', 1],
    ['usage_journal', 1],
    ['database', 600],
    ['usage_journal', 60],
  ]);
});

test('an area that fails now and then is reported no more often', () => {
  const { health, reports, pass } = create();
  for (let second = 0; second < 59; second += 1) {
    health.failed('database', new Error('full'), () => undefined);
    health.probe();
    pass(1_000);
  }
  expect(reports).toEqual([
    ['database', 1],
    ['database', 'restored'],
  ]);
});
