import { expect, test } from 'bun:test';
import fc from 'fast-check';
import { AnswerText } from './answer-text.ts';

test('an answer is all of its texts in their order, whenever it is asked for', () => {
  const text = fc.oneof(fc.string({ maxLength: 4 }), fc.constantFrom(undefined, null, 7));
  const ascii = fc
    .oneof({ weight: 9, arbitrary: fc.integer({ min: 0, max: 12 }) }, fc.integer({ min: 250, max: 260 }))
    .map((length) => Buffer.from('the river rises '.repeat(17).slice(0, length)));
  fc.assert(
    fc.property(
      fc.array(fc.tuple(fc.oneof(text, ascii), fc.integer({ min: 0, max: 40 })), {
        maxLength: 150,
        size: 'max',
      }),
      (pieces) => {
        const answer = new AnswerText();
        let whole = '';
        for (const [piece, roll] of pieces) {
          if (piece instanceof Buffer) {
            // In the midst of something else, which is overwritten once the answer has it.
            const around = Buffer.concat([Buffer.from('<'), piece, Buffer.from('>')]);
            answer.addAscii(around, 1, 1 + piece.length);
            around.fill(0);
            whole += piece.toString();
          } else {
            answer.add(piece);
            if (typeof piece === 'string') whole += piece;
          }
          if (roll === 0) expect(String(answer)).toBe(whole);
        }
        expect(String(answer)).toBe(whole);
      },
    ),
  );
});
