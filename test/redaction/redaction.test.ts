import { describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import { SensitiveFinder } from '../../src/redaction/find.ts';
import { fold } from '../../src/redaction/fold.ts';
import { SENSITIVE_KINDS, type SensitiveKind } from '../../src/redaction/kinds.ts';
import { Pseudonyms, RestoringStream } from '../../src/redaction/pseudonyms.ts';
import { Redactor } from '../../src/redaction/redactor.ts';
import { StreamRedactor } from '../../src/redaction/stream-redactor.ts';
import { replacerOf } from '../../src/redaction/styles.ts';
import { runs } from '../support/effort.ts';
import { LABELLED } from './labelled-set.ts';

const finder = new SensitiveFinder();
const redactor = new Redactor(finder, replacerOf('placeholder'));

/** @returns a line without its marks, and the findings that the marks say */
function unmarked(line: string) {
  const expected: { kind: string; start: number; end: number }[] = [];
  let text = '';
  for (const part of line.split(/(«\w+:[^»]*»)/)) {
    const mark = /^«(\w+):([^»]*)»$/.exec(part);
    if (mark)
      expected.push({ kind: mark[1] ?? '', start: text.length, end: text.length + (mark[2] ?? '').length });
    text += mark ? mark[2] : part;
  }
  return { text, expected };
}

describe('the labelled set', () => {
  test('has a precision and a recall of at least 0.98', () => {
    let [right, missed, wrong] = [0, 0, 0];
    const faults: string[] = [];
    for (const line of LABELLED) {
      const { text, expected } = unmarked(line);
      const found = finder.find(text);
      const key = ({ kind, start, end }: { kind: string; start: number; end: number }) =>
        `${kind} ${start}-${end}`;
      const foundKeys = new Set(found.map(key));
      const expectedKeys = new Set(expected.map(key));
      const shown = (kind: string, start: number, end: number) =>
        `${kind} "${text.slice(start, end)}" in: ${text}`;
      for (const one of expected) {
        if (foundKeys.has(key(one))) right += 1;
        else {
          missed += 1;
          faults.push(`missed ${shown(one.kind, one.start, one.end)}`);
        }
      }
      for (const one of found) {
        if (expectedKeys.has(key(one))) continue;
        wrong += 1;
        faults.push(`wrong ${shown(one.kind, one.start, one.end)}`);
      }
    }
    const precision = right / (right + wrong);
    const recall = right / (right + missed);
    console.info(
      `${LABELLED.length} texts, ${right + missed} findings: precision ${precision.toFixed(3)}, recall ${recall.toFixed(3)}\n${faults.join('\n')}`,
    );
    expect(precision).toBeGreaterThanOrEqual(0.98);
    expect(recall).toBeGreaterThanOrEqual(0.98);
  });

  test('has every kind that needs no dictionary', () => {
    const marked = new Set(LABELLED.flatMap((line) => unmarked(line).expected.map(({ kind }) => kind)));
    const others = SENSITIVE_KINDS.filter((kind) => kind !== 'name' && kind !== 'private_key');
    expect(others.filter((kind) => !marked.has(kind))).toEqual([]);
  });
});

const KEY = `-----BEGIN RSA PRIVATE KEY-----\n${'MIIEowIBAAKCAQEA+/=\n'.repeat(12)}-----END RSA PRIVATE KEY-----`;

describe('findings', () => {
  const found = (text: string) =>
    finder.find(text).map(({ kind, start, end }) => [kind, text.slice(start, end)]);

  test('include whole private keys, also without their end', () => {
    expect(found(`a ${KEY} b`)).toEqual([['private_key', KEY]]);
    expect(found(`a ${KEY.slice(0, 200)}`)).toEqual([['private_key', KEY.slice(0, 200)]]);
  });

  test('that overlap are one, of the kind that comes first', () => {
    const url = 'https://jo:geheim99@example.com/';
    expect(redactor.redact(url).text).not.toContain('geheim99');
    expect(found('password=eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmN')).toHaveLength(
      1,
    );
  });

  test('of names need a dictionary, and are whole words in any case', () => {
    const names = new SensitiveFinder({ names: ['Jane Doe', 'Müller', 'Jane'] });
    const text = 'JANE DOE met müller, Janet and jane.';
    expect(names.find(text).map(({ start, end }) => text.slice(start, end))).toEqual([
      'JANE DOE',
      'müller',
      'jane',
    ]);
    expect(found(text)).toEqual([]);
  });

  test('are those of the chosen kinds only', () => {
    const text = 'jo@example.com 4111 1111 1111 1111 203.0.113.7';
    for (const kind of ['email', 'card', 'ip'] as const) {
      expect(new SensitiveFinder({ kinds: [kind] }).find(text).map((one) => one.kind)).toEqual([kind]);
    }
    // The digits of a card are no telephone number when only these are looked for.
    expect(new SensitiveFinder({ kinds: ['phone'] }).find('call 4111 1111 1111 1111')).toEqual([]);
  });
});

test('a folded text leads back to the original', () => {
  const original = 'a\u200b\u0664\uff11 \ud835\udfcf\u2013b';
  const { text, originalIndex } = fold(original);
  expect(text).toBe('a41 1-b');
  expect([...text].map((_, index) => originalIndex(index))).toEqual([0, 2, 3, 4, 5, 7, 8]);
  expect(fold('plain').text).toBe('plain');
});

describe('styles', () => {
  const styled = (style: Parameters<typeof replacerOf>[0], text: string) =>
    new Redactor(finder, replacerOf(style, 'secret')).redact(text).text;
  const text = 'jo@example.com, 4111 1111 1111 1111, +49 30 901820, 203.0.113.7, ssn 123-45-6789';

  test.each([
    ['placeholder', '[EMAIL], [CC], [PHONE], [IP], ssn [SSN]'],
    ['label', '[REDACTED_EMAIL], [REDACTED_CC], [REDACTED_PHONE], [REDACTED_IP], ssn [REDACTED_SSN]'],
    ['mask', 'j***@example.com, **** **** **** 1111, +** ** **1820, 203.0.*.*, ssn ***-**-**89'],
  ] as const)('%s', (style, expected) => {
    expect(styled(style, text)).toBe(expected);
  });

  test('a hash is equal for equal values under one secret', () => {
    const [first, second] = styled('hash', 'jo@example.com jo@example.com').split(' ');
    expect(first).toMatch(/^\[EMAIL:[0-9a-f]{12}\]$/);
    expect(second).toBe(first ?? '');
    expect(new Redactor(finder, replacerOf('hash', 'other')).redact('jo@example.com').text).not.toBe(
      first ?? '',
    );
    expect(() => replacerOf('hash')).toThrow('secret');
  });

  test('findings are counted by kind', () => {
    const { counts } = redactor.redact('a@b.example, c@d.example, 203.0.113.7');
    expect([...counts]).toEqual([
      ['email', 2],
      ['ip', 1],
    ]);
  });
});

/** Splits a text at some places. */
function pieces(text: string, cuts: readonly number[]): string[] {
  const at = [...new Set(cuts.map((cut) => cut % (text.length + 1)))].sort((a, b) => a - b);
  return [0, ...at].map((start, index) => text.slice(start, at[index] ?? text.length));
}

const line = fc.constantFrom(
  ...LABELLED.map((one) => unmarked(one).text),
  KEY,
  'at dot (at) 4 1',
  'GB29 NWBK',
  'Jane Doe',
);
/** Words of prose, and what makes a finding of the words around it. */
const prose = fc
  .array(
    fc.constantFrom(
      ...'The weir holds the river back, so that the mill has water in summer; Who is there? No "one" does!'.split(
        ' ',
      ),
      ...'jo at example dot com bearer password token: = - -- / . + ( ) : [at] <dot> de GB29 12 4111 1111'.split(
        ' ',
      ),
      ...[
        'attend',
        'dots',
        'AT',
        'Dot',
        'a',
        'it',
        'é',
        '\u200b',
        '&#64;',
        '%40',
        'jo@example.com',
        'correct-horse-battery',
      ],
    ),
    { minLength: 1, maxLength: 30 },
  )
  .map((words) => words.join(' '));
const splitText = fc
  .tuple(
    fc.array(fc.oneof(line, prose), { minLength: 1, maxLength: 6 }),
    fc.constantFrom(' ', '\n', '. ', '', '  '),
    fc.array(fc.nat(), { maxLength: 60 }),
  )
  .map(([lines, between, cuts]) => pieces(lines.join(between), cuts));

describe('streams', () => {
  const named = new Redactor(new SensitiveFinder({ names: ['Jane Doe'] }), replacerOf('placeholder'));

  test.each([
    ['with names', named],
    ['without names', redactor],
  ])('are redacted as the whole text is, wherever they are split: %s', (_, one) => {
    fc.assert(
      fc.property(splitText, (split) => {
        const stream = new StreamRedactor(one);
        const parts = split.map((piece) => stream.push(piece));
        const all = [...parts, stream.end()];
        const whole = one.redact(split.join(''));
        expect(all.map(({ text }) => text).join('')).toBe(whole.text);
        const counted = all
          .flatMap(({ counts }) => [...counts.values()])
          .reduce((sum, count) => sum + count, 0);
        expect(counted).toBe([...whole.counts.values()].reduce((sum, count) => sum + count, 0));
      }),
      { numRuns: runs(500) },
    );
  });

  test('hold back a word of prose, and not more than 4 KiB of anything', () => {
    const stream = new StreamRedactor(redactor);
    expect(stream.push('The weather is nice today').text).toBe('The weather is nice ');
    expect(stream.end().text).toBe('today');
    let sent = 0;
    for (let count = 1; count <= 2_000; count += 1) {
      sent += stream.push('abcdefgh').text.length;
      expect(count * 8 - sent).toBeLessThanOrEqual(4_096 + 8);
    }
  });

  test('do not send a private key that never ends', () => {
    const stream = new StreamRedactor(redactor);
    const text = `key: ${KEY.slice(0, -40)}`;
    const sent = [...text].map((character) => stream.push(character).text).join('');
    expect(`${sent}${stream.end().text}`).toBe('key: [PRIVATE_KEY]');
  });
});

describe('pseudonyms', () => {
  test('are reversible, wherever a stream is split', () => {
    fc.assert(
      fc.property(splitText, (split) => {
        const text = split.join('');
        const pseudonyms = new Pseudonyms();
        pseudonyms.reserve(text);
        const { text: hidden } = new Redactor(finder, (kind, value) =>
          pseudonyms.tokenOf(kind, value),
        ).redact(text);
        for (const { kind, start, end } of finder.find(text)) {
          if (kind === 'email') expect(hidden).not.toContain(text.slice(start, end));
        }
        expect(pseudonyms.restore(hidden)).toBe(text);
        const stream = new RestoringStream(pseudonyms);
        const restored = [...hidden].map((character) => stream.push(character)).join('') + stream.end();
        expect(restored).toBe(text);
      }),
      { numRuns: runs(200) },
    );
  });

  test('are equal for equal values, and never a token that is in the text already', () => {
    const pseudonyms = new Pseudonyms();
    pseudonyms.reserve('who is [EMAIL_1]?');
    expect(pseudonyms.tokenOf('email', 'a@b.example')).toBe('[EMAIL_2]');
    expect(pseudonyms.tokenOf('email', 'a@b.example')).toBe('[EMAIL_2]');
    expect(pseudonyms.tokenOf('email', 'c@b.example')).toBe('[EMAIL_3]');
    expect(pseudonyms.restore('[EMAIL_1] [EMAIL_2] [EMAIL_9] [IP_2]')).toBe(
      '[EMAIL_1] a@b.example [EMAIL_9] [IP_2]',
    );
    expect(pseudonyms.restore('"[EMAIL_3]"')).toBe('"c@b.example"');
  });
});

describe('time is linear', () => {
  /** CPU microseconds of the fastest of some runs. */
  function cost(text: string): number {
    let least = Number.POSITIVE_INFINITY;
    for (let run = 0; run < 3; run += 1) {
      const before = process.cpuUsage();
      finder.find(text);
      const { user, system } = process.cpuUsage(before);
      least = Math.min(least, user + system);
    }
    return Math.max(least, 300);
  }

  const seeds: readonly string[] = [
    ...[
      'a@',
      '@',
      'a.',
      '1 ',
      '1',
      '1-',
      '(1)',
      '+1',
      '4',
      'eyJ',
      'eyJaaaaaaaaa.',
      'sk-',
      'sk-a1',
      'password=',
      'password',
      'key:',
    ],
    ...[
      '-----BEGIN PRIVATE KEY-----',
      '::',
      '1:',
      'a::1',
      '1.1.1.',
      'at ',
      ' dot ',
      'a at ',
      '(at)',
      'jo @ ',
      'GB29 ',
      'AB12',
      'A1',
      'Bearer ',
    ],
    ...[
      '://',
      'x://a:b',
      'x://',
      '\u200b',
      '\uff14',
      'é@',
      '[',
      '555-',
      '01 ',
      'key_',
      '"',
      '=',
      'token=>',
      '1.1',
      '٣',
    ],
  ];

  test.each(seeds.map((seed) => [seed]))('for %j again and again', (seed) => {
    const text = (size: number) => seed.repeat(Math.ceil(size / seed.length));
    const [small, large] = [cost(text(40_000)), cost(text(160_000))];
    // Four times as much text; quadratic work would be sixteen times as much.
    expect(large / small).toBeLessThan(10);
  });

  test('at 50 MB/s of prose without findings', () => {
    const prose =
      'The quick brown fox jumps over the lazy dog, and then it goes home to sleep for a while. In 2024 there were 12 of them; 3.5 percent. ';
    const text = prose.repeat(20_000);
    finder.find(text);
    const speed = text.length / cost(text);
    console.info(`${speed.toFixed(0)} MB/s of CPU time`);
    // Half of it: other processes share the caches of this machine.
    expect(speed).toBeGreaterThan(25);
  });
});

test('every kind has a placeholder', () => {
  const kinds: readonly SensitiveKind[] = SENSITIVE_KINDS;
  const placeholder = replacerOf('placeholder');
  expect(new Set(kinds.map((kind) => placeholder(kind, 'x'))).size).toBe(kinds.length);
});
