import { expect, test } from 'bun:test';
import { cutTexts } from './cut-texts.ts';

const bytes = (value: unknown) => Buffer.byteLength(JSON.stringify(value));

test('short values stay as they are', () => {
  const parts = { request: { text: 'hello' }, response: null };
  expect(cutTexts(parts, 1_000)).toEqual({ parts, cut: [] });
});

test('the longest texts are cut and marked, and the others stay', () => {
  const request = { model: 'm', messages: [{ role: 'user', content: 'x'.repeat(10_000) }] };
  const response = { content: 'y'.repeat(100) };
  const { parts, cut } = cutTexts({ request, response }, 2_000);
  expect(cut).toEqual(['request']);
  expect(parts.response).toEqual(response);
  expect(parts.request).toEqual({
    model: 'm',
    messages: [
      { role: 'user', content: expect.stringMatching(/^x{1000,} \[cut: \d+ of 10000 characters\]$/) },
    ],
  });
});

const HOSTILE: readonly (readonly [string, unknown])[] = [
  ['pairs of surrogates', '😀'.repeat(5_000)],
  ['characters that are escaped', '\u0001"\\'.repeat(5_000)],
  ['one long name', { ['n'.repeat(20_000)]: 1 }],
  ['many numbers', Array.from({ length: 10_000 }, (_, index) => index)],
  ['many short texts', Array.from({ length: 3_000 }, () => 'short')],
  ['a text', 'z'.repeat(50_000)],
];
test.each(HOSTILE)('%s fit afterwards, and are JSON without halves of characters', (_, request) => {
  const { parts, cut } = cutTexts({ request, response: 'r' }, 4_000);
  expect(cut).toEqual(['request']);
  expect(bytes(parts)).toBeLessThanOrEqual(4_000);
  expect(JSON.stringify(parts).includes('\\ud83d"')).toBe(false);
  expect(JSON.stringify(parts.request)).toContain('[cut: ');
});
