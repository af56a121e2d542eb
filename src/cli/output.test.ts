import { expect, test } from 'bun:test';
import { paint, table } from './output.ts';

const output = (colour: boolean) => ({ out: () => undefined, err: () => undefined, colour });

test('paint colours only where colours are shown', () => {
  expect(paint(output(true), 'red', 'x')).toBe('\x1b[31mx\x1b[0m');
  expect(paint(output(false), 'red', 'x')).toBe('x');
});

test('table aligns columns and leaves no space at the ends of lines', () => {
  expect(table(['ID', 'NAME', 'X'], [['a', 'long name', ''], ['bcd', '', 'y'], ['e']])).toBe(
    ['ID   NAME       X', 'a    long name', 'bcd             y', 'e'].join('\n'),
  );
  expect(table(['ID'], [])).toBe('ID');
});
