import { expect, test } from 'bun:test';
import fc from 'fast-check';
import { parseDuration, parseSize } from './units.ts';

test('durations are whole milliseconds', () => {
  expect(['500ms', '2s', '3m', '90m', '1h', '1d', '0s'].map(parseDuration)).toEqual([
    500, 2000, 180_000, 5_400_000, 3_600_000, 86_400_000, 0,
  ]);
});

test.each(['', '2', 's', '-1s', '1.5s', '1h30m', '2 s', '2S', '1w', '99999999999999999999s', ' 1s', '1s\n'])(
  '%j is no duration',
  (text) => expect(parseDuration(text)).toBeUndefined(),
);

test('sizes tell thousands from 1024s', () => {
  expect(['1B', '512KB', '512kB', '20MB', '20 MB', '1GB', '1KiB', '1MiB', '1GiB'].map(parseSize)).toEqual([
    1, 512_000, 512_000, 20_000_000, 20_000_000, 1_000_000_000, 1024, 1_048_576, 1_073_741_824,
  ]);
});

test.each(['', '20', 'MB', '1.5MB', '-1MB', '20mb', '20M', '1TB', '9999999999999999GB', '1MB\n'])(
  '%j is no size',
  (text) => expect(parseSize(text)).toBeUndefined(),
);

test('any text gives a whole number or nothing', () => {
  fc.assert(
    fc.property(fc.oneof(fc.string(), fc.stringMatching(/^\d{1,25}(ms|s|d|MB|GiB)$/)), (text) => {
      for (const value of [parseDuration(text), parseSize(text)]) {
        expect(value === undefined || Number.isSafeInteger(value)).toBe(true);
      }
    }),
  );
});
