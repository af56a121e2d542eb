import { describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import { runs } from '../../test/support/effort.ts';
import { ByteCollector } from './byte-collector.ts';

describe('ByteCollector', () => {
  test('returns what was added, in order', () => {
    const part = fc.oneof(
      fc.uint8Array({ maxLength: 20 }),
      fc.uint8Array({ minLength: 4000, maxLength: 20_000 }),
    );
    fc.assert(
      fc.property(fc.array(part, { maxLength: 40 }), (parts) => {
        const collector = new ByteCollector();
        for (const one of parts) collector.add(one);
        const expected = Buffer.concat(parts);
        expect([collector.length, collector.last]).toEqual([expected.length, expected.at(-1)]);
        expect(Buffer.from(collector.take()).equals(expected)).toBe(true);
        expect([collector.length, collector.last, collector.take().length]).toEqual([0, undefined, 0]);
      }),
      { numRuns: runs(100) },
    );
  });

  test('frees large parts once they are joined, or dropped', () => {
    const parts = () => Array.from({ length: 3 }, (_, value) => new Uint8Array(20_000).fill(value));
    const joined = parts();
    const collector = new ByteCollector();
    for (const one of joined) collector.add(one);
    const whole = collector.takeOwn();
    expect([whole.length, whole[0], whole[20_000], whole.at(-1)]).toEqual([60_000, 0, 1, 2]);
    expect(joined.map(({ length }) => length)).toEqual([0, 0, 0]);
    const single = new Uint8Array(20_000);
    collector.add(single);
    expect(collector.takeOwn()).toBe(single);
    const dropped = parts();
    for (const one of dropped) collector.add(one);
    collector.release();
    expect([...dropped.map(({ length }) => length), collector.length]).toEqual([0, 0, 0, 0]);
  });

  test('does not copy a single part', () => {
    const collector = new ByteCollector();
    const part = new Uint8Array(10);
    collector.add(part);
    expect(collector.take()).toBe(part);
  });

  test('keeps a million parts of one byte in little more than a megabyte', () => {
    const before = process.memoryUsage();
    const collector = new ByteCollector();
    for (let index = 0; index < 1_000_000; index += 1) collector.add(new Uint8Array(1));
    Bun.gc(true);
    const after = process.memoryUsage();
    expect(after.heapUsed + after.external - before.heapUsed - before.external).toBeLessThan(
      16 * 1024 * 1024,
    );
    expect(collector.take().length).toBe(1_000_000);
  });
});
