import { describe, expect, test } from 'bun:test';
import { readFileSync } from 'node:fs';
import { z } from 'zod';
import targetData from '../targets.json';
import { metrics } from './metrics.ts';
import { absoluteTable, ratioTable, replaceResults, verdictTable } from './render.ts';
import { Measurements } from './series.ts';
import { figure, table } from './table.ts';
import { judge, target } from './targets.ts';

const targets = z.array(target).parse(targetData);

function sample(): Measurements {
  const measurements = new Measurements();
  for (const [floor, weir] of [
    [100, 130],
    [200, 250],
    [110, 150],
  ]) {
    measurements.add('non-streaming', 'floor', 'cpu_us', floor);
    measurements.add('non-streaming', 'weir', 'cpu_us', weir);
    measurements.add('non-streaming', 'direct', 'p50_us', 80);
    measurements.add('non-streaming', 'weir', 'failed', 0);
  }
  return measurements;
}

describe('Measurements', () => {
  test('median, ratio by round, and gaps', () => {
    const measurements = sample();
    expect(measurements.value('non-streaming', 'floor', 'cpu_us')).toBe(110);
    expect(measurements.ratio('non-streaming', 'weir', 'cpu_us', 'floor')).toBe(1.3);
    expect(measurements.value('streaming', 'floor', 'cpu_us')).toBeUndefined();
    measurements.add('memory', 'x', 'm', undefined);
    measurements.add('memory', 'x', 'm', Number.NaN);
    expect(measurements.rounds('memory', 'x', 'm')).toEqual([null, null]);
    expect(measurements.value('memory', 'x', 'm')).toBeUndefined();
  });
});

test('table lines up', () => {
  expect(table(['a', 'value'], [['long name', '1'], ['b']])).toBe(
    ['| a         | value |', '|-----------|------:|', '| long name |     1 |', '| b         |       |'].join(
      '\n',
    ),
  );
  expect(figure(undefined, 2)).toBe('-');
  expect(figure(1.005, 1)).toBe('1.0');
});

test('ratios leave out what was not measured, and the direct way', () => {
  const text = ratioTable(sample(), [1000]);
  expect(text).toContain('| ratio to the floor');
  expect(text).toContain('1.00 | 1.30 |');
  expect(text).not.toContain('direct');
  expect(text.split('\n')).toHaveLength(3);
  expect(ratioTable(new Measurements(), [])).toBe('');
});

test('absolute numbers show how far rounds lie apart', () => {
  expect(absoluteTable(sample(), [1000])).toContain('110.0 ±45%');
});

describe('targets', () => {
  test('every target names a metric that is shown', () => {
    const known = metrics([1000, 10_000]).map(({ scenario, id }) => `${scenario} ${id}`);
    for (const { scenario, metric } of targets) expect(known).toContain(`${scenario} ${metric}`);
  });

  test('judges what was measured', () => {
    const verdicts = judge(targets, true, sample(), 'weir');
    expect(verdicts.map(({ target: { id }, value, met }) => [id, value, met])).toEqual([
      ['non-streaming-cpu', 1.3, true],
      ['non-streaming-whole', 0, true],
    ]);
    expect(verdictTable(verdicts, 'weir')).toContain('met');
  });

  test('a target that is asked for and was not measured is missed', () => {
    const [verdict] = judge(targets, ['open-streams'], sample(), 'weir');
    expect(verdict).toMatchObject({ value: undefined, met: false });
    expect(() => judge(targets, ['speed'], sample(), 'weir')).toThrow('no such target: speed');
  });

  test('one bad round is enough for a worst value', () => {
    const measurements = sample();
    measurements.add('non-streaming', 'weir', 'failed', 3);
    const [verdict] = judge(targets, ['non-streaming-whole'], measurements, 'weir');
    expect(verdict).toMatchObject({ value: 3, met: false });
  });
});

test('results go between their markers, again and again', () => {
  const page = readFileSync(new URL('../../docs/performance.md', import.meta.url), 'utf8');
  const once = replaceResults(page, 'first');
  const twice = replaceResults(once, 'second');
  expect(once).toContain('\n\nfirst\n\n');
  expect(twice).not.toContain('\n\nfirst\n\n');
  expect(twice.length).toBe(once.length + 1);
  expect(() => replaceResults('no markers', 'x')).toThrow();
});
