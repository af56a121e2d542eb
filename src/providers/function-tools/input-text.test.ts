import { expect, test } from 'bun:test';
import fc from 'fast-check';
import { InputTextReader, inputText } from './input-text.ts';

const cuts = fc.array(fc.nat(), { maxLength: 8 });

function read(json: string, positions: readonly number[]): string {
  const ends = [...positions.map((at) => at % (json.length + 1)), json.length].sort((a, b) => a - b);
  const reader = new InputTextReader();
  let text = '';
  let start = 0;
  for (const end of ends) {
    text += reader.push(json.slice(start, end));
    start = end;
  }
  return text + reader.end();
}

test('any text is read from its JSON, however that is cut', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), cuts, fc.stringMatching(/^[ \n\t]*$/), (text, at, space) => {
      const json = `${space}{${space}"input"${space}:${space}${JSON.stringify(text)}${space}}`;
      expect(read(json, at)).toBe(text);
      expect(inputText(json)).toBe(text);
    }),
  );
});

test('text of another form is read the same in pieces', () => {
  fc.assert(
    fc.property(fc.oneof(fc.string(), fc.json()), cuts, (json, at) => {
      expect(read(json, at)).toBe(read(json, []));
    }),
  );
});
