import { expect, test } from 'bun:test';
import fc from 'fast-check';
import { OutputText } from './output-text.ts';

test('an answer is all of its texts in their order, whenever it is asked for', () => {
  const text = fc.oneof(fc.string({ maxLength: 4 }), fc.constantFrom(undefined, null, 7));
  fc.assert(
    fc.property(
      fc.array(fc.tuple(text, fc.integer({ min: 0, max: 40 })), { maxLength: 150, size: 'max' }),
      (pieces) => {
        const answer = new OutputText();
        let whole = '';
        for (const [piece, roll] of pieces) {
          answer.add(piece);
          if (typeof piece === 'string') whole += piece;
          if (roll === 0) expect(String(answer)).toBe(whole);
        }
        expect(String(answer)).toBe(whole);
      },
    ),
  );
});
