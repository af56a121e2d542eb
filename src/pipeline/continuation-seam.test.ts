import { expect, test } from 'bun:test';
import { ContinuationSeam } from './continuation-seam.ts';

/** All that a client reads of a continuation in these pieces. */
function joined(before: string, ...pieces: readonly string[]): string {
  const seam = new ContinuationSeam(before);
  return before + pieces.map((piece) => seam.push(piece)).join('') + seam.close();
}

const text = 'The weir holds the river back, and the river was a';

test.each([
  ['nothing', [' calm one.'], `${text} calm one.`],
  ['the end of the text', ['the river was a calm one.'], `${text} calm one.`],
  ['it in small pieces', ['and', ' the', ' river', ' was a', ' calm', ' one.'], `${text} calm one.`],
  ['it and nothing more', ['the river was a'], text],
  ['all of the text', [text, ' calm one.'], `${text} calm one.`],
  ['a text from the middle', ['The weir holds', ' water.'], `${text}The weir holds water.`],
  ['a few letters', ['a calm one.'], `${text}a calm one.`],
])('a continuation that repeats %s', (_, pieces, expected) => {
  expect(joined(text, ...pieces)).toBe(expected);
});

test('text is held back only while it agrees with the end', () => {
  const seam = new ContinuationSeam(text);
  expect(seam.push('the river ')).toBe('');
  expect(seam.push('is')).toBe('the river is');
  expect(seam.push(' the river was a')).toBe(' the river was a');
});

test('a space at the seam is not doubled, a line break stays', () => {
  expect(joined('The weir ', ' holds')).toBe('The weir holds');
  expect(joined('The weir', ' holds')).toBe('The weir holds');
  expect(joined('The weir.\n', '\nIt')).toBe('The weir.\n\nIt');
});

test('a text of one letter is compared in linear time', () => {
  const seam = new ContinuationSeam('a'.repeat(100_000));
  let out = '';
  for (let at = 0; at < 5_000; at += 1) out += seam.push('a');
  expect(out.length + seam.close().length).toBe(3_000);
});
