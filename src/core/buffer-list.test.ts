import { expect, test } from 'bun:test';
import fc from 'fast-check';
import { toBytes, toSlice } from '../../test/support/bytes.ts';
import { BufferList, BufferListBuilder } from './buffer-list.ts';

const text = fc.string({ unit: fc.constantFrom('a', 'é', '漢', '💧'), maxLength: 6 });
const piece = fc.oneof(text, text.map(toSlice));

test('pieces are as long as their bytes, and come in the order in which they were added', () => {
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 6 }), (pieces) => {
      const builder = new BufferListBuilder();
      for (const one of pieces) builder.add(one);
      const taken = builder.take();
      const wanted = Buffer.concat(pieces.map(toBytes));
      expect(Buffer.from(taken?.joined() ?? [])).toEqual(wanted);
      expect(taken?.length).toBe(wanted.length === 0 ? undefined : wanted.length);
      expect(builder.take()).toBeUndefined();
    }),
  );
  expect(BufferList.of('é')).toHaveLength(2);
});
