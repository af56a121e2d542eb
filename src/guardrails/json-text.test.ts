import { describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import { runs } from '../../test/support/effort.ts';
import { SensitiveFinder } from '../redaction/find.ts';
import { Pseudonyms } from '../redaction/pseudonyms.ts';
import { Redactor } from '../redaction/redactor.ts';
import { StreamRedactor } from '../redaction/stream-redactor.ts';
import { replacerOf } from '../redaction/styles.ts';
import type { CheckContext, CheckedText, TextStream } from './guardrail.ts';
import { JsonTextStream, jsonValues, withJsonValues } from './json-text.ts';
import { PiiChecker } from './kinds/pii.ts';

const reply: Omit<CheckedText, 'text'> = { stage: 'output', direction: 'tool_call', role: 'assistant' };
const context: CheckContext = {
  ...{ requestId: 'r', tenant: 't', model: 'm', pseudonyms: new Pseudonyms() },
  pause: async () => undefined,
  ask: () => Promise.reject(new Error('no model')),
};
const redactor = new Redactor(new SensitiveFinder(), replacerOf('placeholder'));

function redacted(text: string, size: number, inner: () => TextStream = () => new StreamRedactor(redactor)) {
  const stream = new JsonTextStream(inner);
  let out = '';
  for (let at = 0; at < text.length; at += size) out += stream.push(text.slice(at, at + size)).text;
  return out + stream.end().text;
}

describe('JSON text', () => {
  test('keeps the bytes of what has no finding, wherever it is split', () => {
    const text = ' { "a\\u00e9\\/" : [ 1.50e3, true, null, "x\\ty", "" ], "b":{} } ';
    for (const size of [1, 2, 3, 7, 100]) expect(redacted(text, size)).toBe(text);
  });

  test('stays valid with findings next to escapes, in keys and in numbers', () => {
    const key = `-----BEGIN PRIVATE KEY-----\n${'MIIEowIBAAKCAQEA+/=\n'.repeat(6)}-----END PRIVATE KEY-----`;
    const value = {
      to: 'Hi\nanna@example.com\tand\n"bob@example.org"',
      'carl@example.net': 1,
      card: 4111111111111111,
      pem: key,
      password: 'hunter22!',
      list: ['4111 1111 1111 1111', 'no'],
    };
    for (const size of [1, 2, 5, 1000]) {
      const parsed: unknown = JSON.parse(redacted(JSON.stringify(value), size));
      expect(parsed).toEqual({
        to: 'Hi\n[EMAIL]\tand\n"[EMAIL]"',
        '[EMAIL]': 1,
        card: '[CC]',
        pem: '[PRIVATE_KEY]',
        password: '[API_KEY]',
        list: ['[CC]', 'no'],
      });
    }
  });

  test('writes restored values with the escapes of JSON', () => {
    const pseudonyms = new Pseudonyms();
    pseudonyms.tokenOf('name', 'a "quoted"\nname');
    const text = '{"to":"[NAME_1]","n":["x [NAME_1]"]}';
    for (const size of [1, 3, 100]) {
      const restored = redacted(text, size, () =>
        new PiiChecker({ action: 'pseudonymise' }, 's').stream(reply, { ...context, pseudonyms }),
      );
      expect(JSON.parse(restored)).toEqual({ to: 'a "quoted"\nname', n: ['x a "quoted"\nname'] });
    }
  });

  test('lists values with their keys, and takes others in their place', () => {
    const text = '{"a": "x", "b": [1, "y"], "c": {"d": true}}';
    const values = jsonValues(text);
    expect(values.filter(({ key }) => key !== '')).toEqual([
      { value: 'x', key: 'a' },
      { value: '1', key: 'b' },
      { value: 'd', key: 'c' },
      { value: 'true', key: 'd' },
    ]);
    const changed = values.map(({ value }) => (value === 'y' ? 'a "b"' : value));
    expect(withJsonValues(text, changed)).toBe('{"a": "x", "b": [1, "a \\"b\\""], "c": {"d": true}}');
  });

  test('is that of the whole text for any JSON and any split', () => {
    const word = fc.oneof(
      fc.string({ maxLength: 6 }),
      fc.constantFrom('anna@example.com', '4111 1111 1111 1111', 'call +49 30 901820', '\n', '"', '\\'),
    );
    const value = fc.array(
      fc.record({ a: fc.array(word).map((words) => words.join(' ')), b: fc.jsonValue() }),
      {
        maxLength: 3,
      },
    );
    fc.assert(
      fc.property(value, fc.integer({ min: 1, max: 9 }), (given, size) => {
        const text = JSON.stringify(given);
        const whole = redacted(text, text.length);
        expect(redacted(text, size)).toBe(whole);
        expect(() => JSON.parse(whole)).not.toThrow();
        expect(whole).not.toContain('anna@example.com');
      }),
      { numRuns: runs(200) },
    );
  });
});
