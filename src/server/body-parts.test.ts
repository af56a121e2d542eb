import { expect, test } from 'bun:test';
import fc from 'fast-check';
import { BodyParts } from './body-parts.ts';

test('give what was added, whatever the sizes', () => {
  const part = fc.record({
    size: fc.oneof(fc.nat(40), fc.nat(40_000)),
    before: fc.nat(5_000),
    after: fc.nat(5_000),
  });
  fc.assert(
    fc.property(fc.array(part, { maxLength: 40 }), (added) => {
      const parts = new BodyParts();
      const contents = added.map(({ size, before, after }, at) => {
        const content = Buffer.alloc(size, at + 1);
        const read = Buffer.concat([Buffer.alloc(before), content, Buffer.alloc(after)]);
        parts.add(read, before, before + size);
        return content;
      });
      expect(Buffer.compare(parts.take(), Buffer.concat(contents))).toBe(0);
    }),
  );
});

test('a single part is not copied', () => {
  const parts = new BodyParts();
  const bytes = Buffer.from('small');
  parts.add(bytes, 0, bytes.length);
  expect(parts.take()).toBe(bytes);
});

test('small parts do not keep what was read with them', () => {
  const COUNT = 100_000;
  const read = Buffer.alloc(64 * 1024);
  const parts = new BodyParts();
  for (let at = 0; at < COUNT; at += 1) parts.add(read, at % 1_000, (at % 1_000) + 1);
  const whole = parts.take();
  expect([whole.length, whole.buffer === read.buffer]).toEqual([COUNT, false]);
});

test.each([1, 2_000, 5_000, 200_000])('a part of %d bytes of a large read does not keep the read', (size) => {
  const read = Buffer.alloc(512 * 1024);
  const parts = new BodyParts();
  parts.add(read, 100, 100 + size);
  const whole = parts.take();
  expect(whole.length).toBe(size);
  expect(whole.buffer.byteLength).toBeLessThanOrEqual(Math.max(2 * size, 1_000));
});
