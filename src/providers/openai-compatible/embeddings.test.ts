import { describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import { reencodeEmbeddings } from './embeddings.ts';

const float = fc.float({ noNaN: true });

describe('reencodeEmbeddings', () => {
  test('there and back gives the same numbers', () => {
    fc.assert(
      fc.property(fc.array(float, { minLength: 1, maxLength: 20 }), (embedding) => {
        const base64 = reencodeEmbeddings([{ index: 0, embedding }], 'base64');
        expect(reencodeEmbeddings(base64, 'float')).toEqual([{ index: 0, embedding }]);
      }),
    );
  });

  test('writes little-endian 32-bit floats', () => {
    expect(reencodeEmbeddings([{ embedding: [1, -2] }], 'base64')).toEqual([{ embedding: 'AACAPwAAAMA=' }]);
  });

  test('has nothing to do for what is in the wanted form, or in none', () => {
    expect(reencodeEmbeddings([{ embedding: [1] }], 'float')).toBeUndefined();
    expect(reencodeEmbeddings([{ embedding: 'AACAPw==' }], 'base64')).toBeUndefined();
    expect(reencodeEmbeddings([{ embedding: 'abc' }, null, { other: 1 }], 'float')).toBeUndefined();
    expect(reencodeEmbeddings({ embedding: [1] }, 'base64')).toBeUndefined();
  });
});
