import { expect, test } from 'bun:test';
import fc from 'fast-check';
import { BodyParts } from './body-parts.ts';

test('give what was added, whatever the sizes', () => {
  fc.assert(
    fc.property(fc.array(fc.oneof(fc.nat(40), fc.nat(40_000)), { maxLength: 40 }), (sizes) => {
      const parts = new BodyParts();
      const added = sizes.map((size, at) => Buffer.alloc(size, at + 1));
      for (const bytes of added) parts.add(bytes);
      expect(Buffer.compare(parts.take(), Buffer.concat(added))).toBe(0);
    }),
  );
});

test('a single part is not copied', () => {
  const parts = new BodyParts();
  const bytes = Buffer.from('small');
  parts.add(bytes);
  expect(parts.take()).toBe(bytes);
});

test('small parts do not keep what was read with them', () => {
  const COUNT = 100_000;
  const read = Buffer.alloc(64 * 1024);
  const parts = new BodyParts();
  for (let at = 0; at < COUNT; at += 1) parts.add(read.subarray(0, 1));
  const whole = parts.take();
  expect([whole.length, whole.buffer === read.buffer]).toEqual([COUNT, false]);
});
