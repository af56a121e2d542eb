import { describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import {
  concatBytes,
  copyBytes,
  decodeLossyUtf8,
  decodeUtf8,
  encodeUtf8,
  OutputBytes,
  partOf,
  startsWithBytes,
} from './bytes.ts';

const text = fc.string({ unit: fc.constantFrom('a', 'é', '漢', '💧'), maxLength: 6 });
/** As a socket gives bytes (a Buffer), and as most code makes them. */
const bytes = fc
  .tuple(
    fc.oneof(fc.uint8Array({ maxLength: 40 }), fc.uint8Array({ minLength: 990, maxLength: 1_100 })),
    fc.boolean(),
  )
  .map(([array, isBuffer]) => (isBuffer ? Buffer.from(array) : array));
const range = bytes.chain((all) =>
  fc
    .tuple(fc.nat(all.length), fc.nat(all.length))
    .map(([one, other]) => ({ all, from: Math.min(one, other), to: Math.max(one, other) })),
);

describe('UTF-8', () => {
  test('is decoded without its byte order mark', () => {
    const marked = Uint8Array.of(0xef, 0xbb, 0xbf, 0x61);
    expect(decodeUtf8(marked)).toBe('a');
    expect(decodeLossyUtf8(marked)).toBe('a');
  });

  test('that is malformed throws, or has the replacement character', () => {
    const malformed = Uint8Array.of(0x61, 0xff);
    expect(() => decodeUtf8(malformed)).toThrow(TypeError);
    expect(decodeLossyUtf8(malformed)).toBe('a\ufffd');
  });

  test('comes back as the same text', () => {
    fc.assert(
      fc.property(text, (value) => {
        expect(decodeUtf8(encodeUtf8(value))).toBe(value);
      }),
    );
  });
});

describe('a part', () => {
  test('has the bytes of its range, copied or not', () => {
    fc.assert(
      fc.property(range, ({ all, from, to }) => {
        const wanted = [...all].slice(from, to);
        expect([...partOf(all, from, to)]).toEqual(wanted);
        expect([...copyBytes(all, from, to)]).toEqual(wanted);
      }),
    );
  });

  test('that is a copy shares no memory with the whole', () => {
    fc.assert(
      fc.property(range, ({ all, from, to }) => {
        const copy = copyBytes(all, from, to);
        const before = [...copy];
        all.fill(7);
        expect([...copy]).toEqual(before);
      }),
    );
  });

  test('that is everything is the same array', () => {
    const all = Uint8Array.of(1, 2);
    expect(partOf(all, 0, 2)).toBe(all);
    expect(concatBytes([all])).toBe(all);
  });
});

test('a prefix is one only where every byte is the same', () => {
  fc.assert(
    fc.property(bytes, bytes, (all, prefix) => {
      const starts = Buffer.from(all).subarray(0, prefix.length).equals(Buffer.from(prefix));
      expect(startsWithBytes(all, prefix)).toBe(starts);
    }),
  );
});

test('output has all bytes and texts in their order, once', () => {
  fc.assert(
    fc.property(fc.array(fc.oneof(text, bytes), { maxLength: 6 }), (parts) => {
      const output = new OutputBytes();
      for (const part of parts) output.add(part);
      const wanted = Buffer.concat(parts.map((part) => Buffer.from(part)));
      const taken = output.take();
      expect(Buffer.from(taken ?? []).equals(wanted)).toBe(true);
      expect(taken === undefined).toBe(wanted.length === 0);
      expect(output.take()).toBeUndefined();
    }),
  );
});
