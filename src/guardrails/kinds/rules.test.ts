import { describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import { runs } from '../../../test/support/effort.ts';
import { patternFault } from '../../config/search-pattern.ts';
import type { ChatResult } from '../../core/chat/result.ts';
import { Pseudonyms } from '../../redaction/pseudonyms.ts';
import type { CheckContext, CheckedText } from '../guardrail.ts';
import { RulesChecker, type RulesSettings } from './rules.ts';

const context: CheckContext = {
  ...{ requestId: 'r', tenant: 't', model: 'chat', pseudonyms: new Pseudonyms() },
  pause: async () => undefined,
  ask: () => Promise.reject(new Error('no model')),
};
const input = (text: string): CheckedText => ({ text, stage: 'input', direction: 'input', role: 'user' });
const found = async (
  rules: RulesSettings,
  text: string,
  action: 'block' | 'redact' | 'sanitise' = 'block',
) => {
  const verdict = await new RulesChecker(action, rules).check(input(text), context);
  return { kinds: [...verdict.counts.keys()], text: verdict.text };
};

describe('words', () => {
  const rules = { words: ['secret project', 'darn', 'grübel'] };
  test.each([
    'DARN it',
    'darned',
    'd4rn',
    'd.a.r.n',
    'd a r n',
    'daaaarn',
    'd\u200barn',
    'dаrn',
    'dar-n',
    'ｄａｒｎ',
    'the Secret  Projects',
    'grubel',
  ])('find "%s"', async (text) => {
    expect((await found(rules, text)).kinds).toEqual(['word']);
  });
  test.each(['darning needle in Darnell', 'secret of a project', 'd and a and r', 'barn'])(
    'pass "%s"',
    async (text) => {
      expect((await found({ words: ['secret project', 'arn', 'grübel'] }, text)).kinds).toEqual([]);
    },
  );
  test('are replaced where they are', async () => {
    expect((await found(rules, 'a d4rned b', 'redact')).text).toBe('a [REMOVED] b');
  });
});

test('topics need several words, and may be allowed for a model', async () => {
  const topic = { name: 'medicine', words: ['dose', 'patient', 'tablet'], min: 2, models: ['clinic'] };
  expect((await found({ topics: [topic] }, 'The patient takes a dose.')).kinds).toEqual(['topic:medicine']);
  expect((await found({ topics: [topic] }, 'Be patient.')).kinds).toEqual([]);
  const verdict = await new RulesChecker('block', { topics: [topic] }).check(
    input('The patient takes a dose.'),
    {
      ...context,
      model: 'clinic',
    },
  );
  expect(verdict.counts.size).toBe(0);
});

test('languages, code, addresses and pattern sets', async () => {
  const rules = {
    languages: ['en'],
    code: false,
    urls: { allow: ['example.com', '*.example.org'] },
    sets: ['sql' as const],
  };
  expect(
    (await found(rules, 'Bitte schreibe mir einen Brief, und zwar auf Deutsch, nicht kurz.')).kinds,
  ).toEqual(['language']);
  expect((await found(rules, '請寫一封信給我的朋友們吧')).kinds).toEqual(['language']);
  expect((await found(rules, 'Please write a letter to my friend and thank her.')).kinds).toEqual([]);
  expect((await found(rules, 'Fix:\n```js\nlet a = 1;\n```')).kinds).toEqual(['code']);
  expect((await found(rules, 'See https://example.com/a and http://a.example.org.')).kinds).toEqual([]);
  expect((await found(rules, 'See https://evil.example/x, or www.evil.example')).kinds).toEqual(['url']);
  expect((await found(rules, "1' OR '1'='1")).kinds).toEqual(['sql']);
});

test('length, size and tools are those of the request', () => {
  const checker = new RulesChecker('block', { length: { max: 10 }, size: 100, tools: 1 });
  const kinds = (characters: number, bytes: number, tools: number) => [
    ...checker.request({ model: 'm', characters, bytes, tools }).counts.keys(),
  ];
  expect(kinds(10, 100, 1)).toEqual([]);
  expect(kinds(11, 101, 2)).toEqual(['length', 'size', 'tools']);
});

test('sanitise removes null bytes, control and invisible characters, and markup, and keeps emoji and Persian', async () => {
  const text =
    'a\u0000b\u0007c\u200bd <b onclick="x">e</b><!-- hidden -->\tf\n👨‍👩‍👧 می\u200cخواهم 1 < 2 > 0';
  expect((await found({}, text, 'sanitise')).text).toBe('abcd e\tf\n👨‍👩‍👧 می\u200cخواهم 1 < 2 > 0');
  expect((await found({ sanitise: ['null_bytes'] }, 'a\u0000<b>', 'sanitise')).text).toBe('a<b>');
});

describe('patterns of tenants', () => {
  test.each([
    '(a+)+$',
    '(a|a)*b',
    '(.*)*x',
    '(a|aa)+$',
    '([a-zA-Z]+)*1',
    '(x+x+)+y',
    '^(\\w+\\s?)*$',
    '(?:a?){30}a{30}',
  ])('"%s" takes linear time or is rejected', (pattern) => {
    if (patternFault(pattern) !== undefined) return;
    const checker = new RulesChecker('block', { patterns: [{ name: 'p', pattern }] });
    const before = performance.now();
    try {
      checker.check(input('a'.repeat(16_000)), context);
    } catch {
      // The time of one call is over: the failure policy decides.
    }
    expect(performance.now() - before).toBeLessThan(2_000);
  });

  test('are rejected where they are too large, too long, or match everything', () => {
    expect(patternFault('((a{1,100}){1,100}){1,100}')).toBeDefined();
    expect(patternFault('(?:a{1000})(?:b{1000})')).toBeDefined();
    expect(patternFault('a'.repeat(501))).toBeDefined();
    expect(patternFault('a*')).toBeDefined();
    expect(patternFault('(?=a)b')).toBeDefined();
    expect(patternFault('PRJ-\\d{4}')).toBeUndefined();
  });

  test('find and replace', async () => {
    const rules = { patterns: [{ name: 'project', pattern: '\\bPRJ-\\d{4}\\b' }] };
    expect(await found(rules, 'see prj-1234!', 'redact')).toEqual({
      kinds: ['project'],
      text: 'see [REMOVED]!',
    });
  });
});

test('streams are changed as the whole text is, wherever they are split', () => {
  const rules: RulesSettings = {
    words: ['secret project', 'darn'],
    patterns: [{ name: 'p', pattern: 'PRJ-\\d{2,4}' }],
    urls: { allow: ['ok.example'] },
    sanitise: ['null_bytes', 'invisible', 'markup'],
  };
  const checker = new RulesChecker('redact', rules);
  const word = fc.constantFrom(
    ...[
      'darn',
      'secret',
      'project',
      'secret project',
      'PRJ-12',
      'PRJ-1',
      '234',
      'https://evil.example/a',
      'https://ok.example',
    ],
    ...['a', ' ', '\n', '.', '<b>', '</', '>', '<!--', '-->', '\u0000', 'd', 'r', 'n', '\u200b', 'é', '👍'],
  );
  fc.assert(
    fc.property(
      fc.array(word, { maxLength: 40 }),
      fc.array(fc.integer({ min: 1, max: 7 }), { minLength: 1 }),
      (words, sizes) => {
        const text = words.join('');
        const whole = checker.check(input(text), context);
        if (whole instanceof Promise) throw new Error('a short text is checked at once');
        const stream = checker.stream({ stage: 'output', direction: 'output', role: 'assistant' }, context);
        let out = '';
        for (let at = 0, turn = 0; at < text.length; turn += 1) {
          const size = sizes[turn % sizes.length] ?? 1;
          out += stream?.push(text.slice(at, at + size)).text ?? '';
          at += size;
        }
        expect(out + (stream?.end().text ?? '')).toBe(whole.text);
      },
    ),
    { numRuns: runs(500) },
  );
});

test('a response has to match its schema', () => {
  const response_schema = {
    type: 'object',
    properties: { city: { type: 'string' } },
    required: ['city'],
    additionalProperties: false,
  };
  const checker = new RulesChecker('block', { response_schema });
  const result = (text: string): ChatResult => ({
    choices: [{ index: 0, content: [{ type: 'text', text }], finish: { unified: 'stop' } }],
  });
  expect(checker.response?.(result('{"city":"Basel"}')).counts.size).toBe(0);
  expect(checker.response?.(result('Basel'))).toMatchObject({
    repair: expect.stringContaining('not valid JSON'),
  });
  expect(checker.response?.(result('{"city":1}')).counts.get('response_schema')).toBe(1);
  expect(
    new RulesChecker('block', { response_schema, repair: false }).response?.(result('x')).repair,
  ).toBeUndefined();
});
