import { expect, test } from 'bun:test';
import { wheelOf } from '../../../test/support/embedder-wheel.ts';
import { readZipEntry } from './zip-file.ts';

const wheel = wheelOf({ 'a/one.txt': Buffer.from('one '.repeat(100)), 'b.txt': Buffer.from('two') });

test('reads stored and compressed files by their path', () => {
  expect(readZipEntry(wheel, 'a/one.txt', 1_000)?.toString()).toBe('one '.repeat(100));
  expect(readZipEntry(wheel, 'b.txt', 1_000)?.toString()).toBe('two');
});

test('returns nothing for other paths, larger files and damaged archives', () => {
  expect(readZipEntry(wheel, 'one.txt', 1_000)).toBeUndefined();
  expect(readZipEntry(wheel, 'a/one.txt', 10)).toBeUndefined();
  for (let length = 0; length < wheel.length; length += 7) {
    expect(readZipEntry(wheel.subarray(0, length), 'a/one.txt', 1_000)).toBeUndefined();
  }
});
