import { expect, test } from 'bun:test';
import { Rates } from './rates.ts';

test('measures the increase of the last minute, however often it is read', () => {
  const rates = new Rates();
  let total = 0;
  let seen = 0;
  for (let second = 0; second <= 300; second += 1) {
    total += second < 200 ? 10 : 40;
    seen = rates.update(second * 1_000, new Map([['m', total]])).get('m') ?? -1;
    if (second > 60 && second < 200) expect(seen).toBeCloseTo(10, 1);
  }
  expect(seen).toBeCloseTo(40, 1);
});

test('is 0 before there are two readings, and counts a new model from its beginning', () => {
  const rates = new Rates();
  expect(rates.update(0, new Map([['a', 1_000]])).get('a')).toBe(0);
  expect(
    rates.update(
      10_000,
      new Map([
        ['a', 1_100],
        ['b', 50],
      ]),
    ),
  ).toEqual(
    new Map([
      ['a', 10],
      ['b', 5],
    ]),
  );
});

test('measures between two rare scrapes', () => {
  const rates = new Rates();
  rates.update(0, new Map([['a', 0]]));
  expect(rates.update(600_000, new Map([['a', 6_000]])).get('a')).toBe(10);
  expect(rates.update(1_200_000, new Map([['a', 18_000]])).get('a')).toBe(20);
});
