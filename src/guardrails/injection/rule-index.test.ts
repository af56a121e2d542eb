import { describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import { runs } from '../../../test/support/effort.ts';
import { shippedSet } from '../evaluation/evaluate.ts';
import { parseRegex } from '../regex/parse.ts';
import { longestMatch, prefixesOf } from '../regex/shape.ts';
import { DATA_RULES } from './data-rules.ts';
import { EXTRACTION_RULES } from './extraction-rules.ts';
import { JAILBREAK_RULES } from './jailbreak-rules.ts';
import { LANGUAGES } from './language-rules.ts';
import { OVERRIDE_RULES } from './override-rules.ts';
import { RegexIndex } from './rule-index.ts';

const RULES = [...OVERRIDE_RULES, ...EXTRACTION_RULES, ...JAILBREAK_RULES, ...DATA_RULES];
const TEXTS = shippedSet().map(({ text }) => text.toLowerCase());

/** The places that each expression finds alone. */
function foundAlone(patterns: readonly RegExp[], text: string): string[] {
  return patterns
    .flatMap((pattern, index) =>
      [...text.matchAll(pattern)].map(({ index: at, 0: match }) => `${index} ${at} ${match.length}`),
    )
    .sort();
}

function foundTogether(index: RegexIndex<number>, text: string): string[] {
  const found: string[] = [];
  index.search(text, (value, at, length) => {
    found.push(`${value} ${at} ${length}`);
    return false;
  });
  return found.sort();
}

const numbered = (patterns: readonly RegExp[]) => patterns.map((pattern, value) => ({ value, pattern }));
/** The end of one labelled text and the beginning of another. */
const mixed = fc
  .tuple(
    fc.constantFrom(...TEXTS),
    fc.nat(),
    fc.constantFrom('', ' ', '\n', '_', 'é'),
    fc.constantFrom(...TEXTS),
  )
  .map(([one, cut, between, other]) => one.slice(cut % (one.length + 1)) + between + other.slice(0, 400));

describe('rules that are searched together find what each of them finds alone', () => {
  const patterns = RULES.map(({ pattern }) => pattern);
  const index = new RegexIndex(numbered(patterns), 'words');

  test('and few of them are searched alone', () => {
    expect(index.unindexed).toBeLessThan(20);
  });

  test('in the labelled set, and in mixtures of its texts', () => {
    for (const text of TEXTS) expect(foundTogether(index, text)).toEqual(foundAlone(patterns, text));
    fc.assert(
      fc.property(mixed, (text) => {
        expect(foundTogether(index, text)).toEqual(foundAlone(patterns, text));
      }),
      { numRuns: runs(200) },
    );
  });

  test('and the triggers of languages match where they match alone', () => {
    const triggers = LANGUAGES.map(({ trigger }) => trigger);
    const languages = new RegexIndex(numbered(triggers), 'anywhere');
    fc.assert(
      fc.property(mixed, (text) => {
        const found = new Set<number>();
        languages.search(text, (value) => {
          found.add(value);
          return true;
        });
        expect([...found].sort()).toEqual(
          triggers.flatMap((trigger, value) => (trigger.test(text) ? [value] : [])).sort(),
        );
      }),
      { numRuns: runs(200) },
    );
  });
});

describe('the form of an expression', () => {
  const lengthOf = (source: string) => {
    const node = parseRegex(source);
    return node && longestMatch(node);
  };

  test.each<readonly [string, number | undefined]>([
    ['PRJ-\\d{4}', 8],
    ['\\b(?:ab|c{2,5})(?=x)d?', 6],
    ['(?P<name>a[b-d]){2}', 4],
    ['a+', Number.POSITIVE_INFINITY],
    ['[^a]', 2],
    ['\\p{L}', 2],
    ['\\x{10FFFF}a', 3],
    ['(a)\\1', undefined],
    ['\\Qa.b\\E', undefined],
    ['[[:alpha:]]', undefined],
    ['(?i)a', undefined],
  ])('"%s" has a longest match of %p', (source, length) => {
    expect(lengthOf(source)).toBe(length);
  });

  test('says how matches begin', () => {
    const prefixes = (source: string) =>
      [...(prefixesOf(parseRegex(source) ?? { kind: 'empty' }, 3) ?? [])].sort();
    expect(prefixes('\\b(?:ignore|for ?get)')).toEqual(['for', 'ign']);
    expect(prefixes('(?:the )?abc')).toEqual(['abc', 'the']);
    expect(prefixes('a?b')).toEqual(['ab', 'b']);
    expect(prefixes('a\\w+')).toEqual(['a']);
    expect(prefixes('.a')).toEqual(['']);
  });
});
