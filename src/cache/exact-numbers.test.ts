import { expect, test } from 'bun:test';
import fc from 'fast-check';
import { hasExactNumbers } from './exact-numbers.ts';

test.each([
  '{"seed":9007199254740993}',
  '{"a":[1,{"seed":-12345678901234567890}]}',
  '{"temperature":1e999}',
  '[1E+400]',
])('%s has a number that a double does not hold', (text) => {
  expect(hasExactNumbers(text)).toBe(false);
});

test.each([
  '{}',
  '{"a":"\\"9007199254740993","b":"\\\\","9007199254740993":1}',
  '{"seed":123456789012345,"top_p":0.30000000000000004,"x":1E-20,"y":false}',
])('%s has none', (text) => {
  expect(hasExactNumbers(text)).toBe(true);
});

test('different integers that are parsed as one number are never both exact', () => {
  fc.assert(
    fc.property(fc.bigInt(0n, 10n ** 25n), fc.bigInt(1n, 10n), (seed, step) => {
      const [one, other] = [`{"seed":${seed}}`, `{"seed":${seed + step}}`];
      const isSame = JSON.parse(one).seed === JSON.parse(other).seed;
      if (isSame) expect(hasExactNumbers(one) && hasExactNumbers(other)).toBe(false);
    }),
  );
});
