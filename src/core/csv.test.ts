import { expect, test } from 'bun:test';
import { csvField, csvTable } from './csv.ts';

test.each([
  ['=1+1', "'=1+1"],
  ['+cmd', "'+cmd"],
  ['@SUM(A1)', "'@SUM(A1)"],
  // Begins with a number, and is a formula.
  ['-2+3+cmd|calc', "'-2+3+cmd|calc"],
  ['-1.50', '-1.50'],
  ['-3', '-3'],
  ['\t=1', "'\t=1"],
  ['a "b", c', '"a ""b"", c"'],
  [null, ''],
])('the field of %p is %p', (value, field) => expect(csvField(value)).toBe(field));

test('lines end as RFC 4180 says', () => {
  expect(
    csvTable([
      ['a', 1],
      ['b', null],
    ]),
  ).toBe('a,1\r\nb,\r\n');
});
