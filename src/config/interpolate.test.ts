import { describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import { interpolate } from './interpolate.ts';

const env = { A: 'a', EMPTY: '', NESTED: '$' + '{A}' };
/** `${inside}`, spelled so that it cannot be taken for a template. */
const ref = (inside: string): string => `$${`{${inside}}`}`;

describe('interpolate', () => {
  test.each([
    ['plain $ text {A} $A', 'plain $ text {A} $A'],
    [ref('A'), 'a'],
    [`x${ref('A')}y${ref('A')}`, 'xaya'],
    [ref('NONE:-d e:f'), 'd e:f'],
    [ref('NONE:-'), ''],
    [ref('A:-d'), 'a'],
    [ref('EMPTY'), ''],
    [ref('EMPTY:-d'), 'd'],
    [`$${ref('A')}`, ref('A')],
    [`$$${ref('A')}`, `$${ref('A')}`],
    [ref('NESTED'), ref('A')],
    [ref('NONE:-a:-b'), 'a:-b'],
  ])('%j becomes %j', (template, text) => {
    expect(interpolate(template, env)).toMatchObject({ text, problems: [] });
  });

  test.each([
    [ref('NONE'), 'the environment variable NONE is not set'],
    [ref('constructor'), 'the environment variable constructor is not set'],
    [ref(''), 'needs the name of an environment variable'],
    [ref('1A'), 'needs the name of an environment variable'],
    [ref('A B'), 'needs the name of an environment variable'],
    [ref('A-d'), 'needs the name of an environment variable'],
    [`$${'{A'}`, 'is never closed'],
    [ref(`NONE:-${ref('A')}`), 'a default cannot contain another'],
  ])('%j is refused', (template, message) => {
    expect(interpolate(template, env).problems).toEqual([expect.stringContaining(message)]);
  });

  test('every missing variable is named', () => {
    expect(interpolate(ref('X') + ref('Y'), env).problems).toHaveLength(2);
  });

  test('says whether something was put in', () => {
    expect(interpolate(ref('A'), env).substituted).toBe(true);
    expect(interpolate(`$${ref('A')}`, env).substituted).toBe(false);
  });

  test("a variable's content is never looked into, and a literal survives escaping", () => {
    fc.assert(
      fc.property(fc.string({ minLength: 1 }), (value) => {
        expect(interpolate(ref('V'), { V: value }).text).toBe(value);
        const literal = value.replaceAll('$', '').concat(ref('V'));
        expect(
          interpolate(
            literal.replaceAll('${', () => '$${'),
            {},
          ).text,
        ).toBe(literal);
      }),
    );
  });
});
