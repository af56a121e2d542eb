import { describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import { toSlice } from '../../test/support/bytes.ts';
import { runs } from '../../test/support/effort.ts';
import { ByteSlice, joinSlices } from './byte-slice.ts';

const strict = new TextDecoder('utf-8', { fatal: true });

/** What a decoder of the platform says to the same bytes. */
function decoded(bytes: Uint8Array, decoder: TextDecoder): string | undefined {
  try {
    return decoder.decode(bytes);
  } catch {
    return undefined;
  }
}

function textOf(slice: ByteSlice): string | undefined {
  try {
    return slice.text();
  } catch (error) {
    expect(error).toBeInstanceOf(TypeError);
    return undefined;
  }
}

const bytes = fc.oneof(
  fc.uint8Array({ maxLength: 20 }),
  fc
    .string({ unit: fc.constantFrom('a', 'é', '漢', '💧', '\ufeff', '\ufffd', '\n'), maxLength: 12 })
    .map((text) => new TextEncoder().encode(text)),
);

describe('ByteSlice', () => {
  test('reads as UTF-8 exactly what a decoder of the platform reads', () => {
    fc.assert(
      fc.property(bytes, (some) => {
        const slice = toSlice(some);
        expect(textOf(slice)).toBe(decoded(some, strict));
        expect(slice.lenientText()).toBe(new TextDecoder().decode(some));
      }),
      { numRuns: runs(2_000) },
    );
  });

  test('knows nothing of what stands around it', () => {
    const slice = new ByteSlice(Buffer.from('xabcx'), 1, 4);
    expect([slice.length, slice.text(), slice.view().toString(), slice.copy().text()]).toEqual([
      3,
      'abc',
      'abc',
      'abc',
    ]);
    expect(slice.copy().buffer).toHaveLength(3);
    expect(['abc', 'ab', '', 'abcx', 'b'].map((text) => slice.startsWith(Buffer.from(text)))).toEqual([
      true,
      true,
      true,
      false,
      false,
    ]);
  });

  test('are joined in order; a single one is handed back as it is', () => {
    fc.assert(
      fc.property(fc.array(bytes, { maxLength: 5 }), (parts) => {
        expect(joinSlices(parts.map(toSlice)).view()).toEqual(Buffer.concat(parts));
      }),
    );
    const one = toSlice('one');
    expect(joinSlices([one])).toBe(one);
  });
});
