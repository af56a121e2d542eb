import { describe, expect, test } from 'bun:test';
import { readdirSync, readFileSync } from 'node:fs';
import fc from 'fast-check';
import { stringify } from 'yaml';
import { runs } from '../../test/support/effort.ts';
import { parseDocument, readDocument } from './document.ts';
import { readPlainYaml } from './plain-yaml.ts';

const env = { NAME: 'value', EMPTY: '' };
const reference = (inside: string) => `$${`{${inside}}`}`;

/** Checks that the text is either read as the parser does, or left to it. @returns whether it was read */
function agrees(text: string): boolean {
  const root = readPlainYaml(text, env);
  if (root === undefined) return false;
  const parsed = parseDocument(text, env);
  expect({ text, problems: parsed.problems }).toEqual({ text, problems: [] });
  expect<unknown>({ text, root }).toEqual({ text, root: parsed.root });
  return true;
}

const word = fc.oneof(
  fc.constantFrom(
    ...[
      'a',
      'openai-compatible',
      'http://h:80/v1',
      '127.0.0.1',
      '127.0.0.1:80',
      '2026-01-01',
      '30s',
      '4o-mini',
    ],
    ...[
      '1',
      '-1',
      '0.25',
      '-0',
      '010',
      '0o7',
      '0x1F',
      '1e3',
      '1.',
      '.5',
      '-.5',
      '+.5',
      '+1',
      '1_000',
      '12:30:45',
      '.inf',
      '.nan',
    ],
    ...[
      'null',
      'Null',
      '~',
      'true',
      'True',
      'no',
      'y',
      '<<',
      '=',
      '-',
      '--',
      '---',
      '...',
      '?',
      ':',
      'a:b',
      'a: b',
    ],
    ...[
      ...[reference('NAME'), reference('EMPTY'), reference('NONE'), `$${reference('x')}`],
      'a # b',
      'a#b',
      '#',
      '&a',
      '*a',
      '!t',
      '|',
      '>',
      '%',
      '@',
      '`',
    ],
    ...[
      '[a',
      'a]',
      '{a',
      'a}',
      'a,b',
      "it's",
      'say "x"',
      'ü',
      '日本',
      'a\u00a0',
      '\u00a0b',
      'a\u2028b',
      '\\',
      'a\\nb',
    ],
  ),
  fc.string({ maxLength: 12 }),
  fc.string({ maxLength: 8, unit: 'grapheme' }),
);
const scalar = fc.oneof(word, fc.integer(), fc.double(), fc.boolean(), fc.constant(null));
const key = fc.oneof(
  { weight: 4, arbitrary: fc.stringMatching(/^[a-z_]{1,8}$/) },
  { weight: 1, arbitrary: word },
);
const { tree } = fc.letrec((tie) => ({
  tree: fc.oneof(
    { depthSize: 'small' },
    scalar,
    fc.array(tie('tree'), { maxLength: 4 }),
    fc.dictionary(key, tie('tree'), { maxKeys: 4 }),
  ),
}));
const document = fc.dictionary(key, tree, { minKeys: 1, maxKeys: 5 });
const options = fc.record({
  indent: fc.integer({ min: 1, max: 5 }),
  indentSeq: fc.boolean(),
  lineWidth: fc.constantFrom(0, 20, 80),
  collectionStyle: fc.constantFrom('any' as const, 'block' as const, 'flow' as const),
  defaultStringType: fc.constantFrom(
    ...(['PLAIN', 'QUOTE_DOUBLE', 'QUOTE_SINGLE', 'BLOCK_LITERAL', 'BLOCK_FOLDED'] as const),
  ),
  singleQuote: fc.constantFrom(null, true, false),
});

describe('plain YAML is read as the parser does', () => {
  test('in any style', () => {
    let read = 0;
    const property = fc.property(document, options, (value, style) => {
      if (agrees(stringify(value, style))) read += 1;
      // JSON for each section, as programs write it.
      const sections = Object.entries(value).map(([name, of]) => `${name}: ${JSON.stringify(of)}\n`);
      if (agrees(sections.join(''))) read += 1;
    });
    fc.assert(property, { numRuns: runs(1_500) });
    expect(read).toBeGreaterThan(100);
  });

  test('after any edit', () => {
    const characters = fc.constantFrom(
      ...' \n\t:-#,[]{}"\'&*!|>%@`?~.0123abc<=\\$_/+eEx\u00a0\u2028\r'.split(''),
    );
    const edit = fc.record({
      at: fc.nat(),
      remove: fc.integer({ min: 0, max: 3 }),
      insert: fc.string({ unit: characters, maxLength: 3 }),
    });
    const plain = fc.dictionary(fc.stringMatching(/^[a-z_]{1,6}$/), tree, { minKeys: 1, maxKeys: 5 });
    let read = 0;
    const property = fc.property(plain, options, fc.array(edit, { maxLength: 3 }), (value, style, edits) => {
      let text = stringify(value, style);
      for (const { at, remove, insert } of edits) {
        const start = at % (text.length + 1);
        text = text.slice(0, start) + insert + text.slice(start + remove);
      }
      if (agrees(text)) read += 1;
    });
    fc.assert(property, { numRuns: runs(4_000) });
    expect(read).toBeGreaterThan(100);
  });

  test('in the examples of the pages', () => {
    const folder = new URL('../../docs/', import.meta.url);
    for (const name of readdirSync(folder).filter((file) => file.endsWith('.md'))) {
      const page = readFileSync(new URL(name, folder), 'utf8');
      for (const [, text = ''] of page.matchAll(/```ya?ml\n([\s\S]*?)```/g)) agrees(text);
    }
  });
});

test.each([
  ['lists beside their key, and below it', 'a:\n- b: 1\n  c:\n  - d\n  -\n    e: f\n- g\nh:\n    - i\n'],
  ['comments on lines of their own', '# one\na:\n  # two\n  b: 1\n\nc: 2\n'],
  ['brackets on one line', 'a: { b: [1, x, "y"], c: {} }\n"d": [{ e: http://h:80/v1 }]\n'],
  ['variables', `a: ${reference('NAME')}\nb: '${reference('NONE:-x')}'\nc: "p ${reference('NAME')}"\n`],
])('reads %s', (_, text) => {
  expect(agrees(text)).toBe(true);
});

test('the parser still finds the positions', () => {
  const { origins } = readDocument(`a:\n  b: ${reference('NAME')}\n`, env);
  expect(origins.get(['a', 'b'])).toMatchObject({
    value: { line: 2, column: 6 },
    template: reference('NAME'),
  });
  expect(origins.get(['c'])).toBeUndefined();
});
