import { expect, test } from 'bun:test';
import fc from 'fast-check';
import { isRecord } from '../../core/json.ts';
import { partialObject } from './partial-json.ts';

test.each([
  ['', {}],
  ['null', {}],
  ['nonsense', {}],
  ['{"a":1', { a: 1 }],
  ['{"a":"b', { a: 'b' }],
  ['{"a":"b\\', { a: 'b' }],
  ['{"a":"b\\u00', { a: 'b' }],
  ['{"a":1,"b":', { a: 1 }],
  ['{"a":1,"b', { a: 1 }],
  ['{"a":[1,{"c":"d', { a: [1, { c: 'd' }] }],
  ['{"a":tru', {}],
])('%s', (text, value) => {
  expect(partialObject(text)).toEqual(value);
});

test('whole objects come through; any beginning of one is an object too', () => {
  fc.assert(
    fc.property(fc.dictionary(fc.string(), fc.jsonValue()), fc.nat(), (value, cut) => {
      const text = JSON.stringify(value);
      expect(JSON.stringify(partialObject(text))).toBe(text);
      expect(isRecord(partialObject(text.slice(0, cut % (text.length + 1))))).toBe(true);
    }),
  );
});
