import { expect, test } from 'bun:test';
import fc from 'fast-check';
import { testCall } from '../../test/support/inference.ts';
import { exactKey } from './cache-key.ts';
import { canonicalJson } from './canonical-json.ts';

const SCOPE = { tenant: 'acme', namespace: '', route: '["chat"]' };
const HI = { model: 'chat', messages: [{ role: 'user', content: 'hi' }] };

test('every part of the scope is a part of the key', () => {
  const keys = [
    exactKey(testCall(HI), SCOPE),
    exactKey(testCall(HI), { ...SCOPE, tenant: 'other' }),
    exactKey(testCall(HI), { ...SCOPE, namespace: 'eu' }),
    exactKey(testCall(HI), { ...SCOPE, route: '["other"]' }),
    // Texts that join to the same one.
    exactKey(testCall(HI), { ...SCOPE, tenant: 'acme"', namespace: '' }),
    exactKey(testCall(HI), { ...SCOPE, tenant: '', namespace: 'acme' }),
  ];
  expect(new Set(keys).size).toBe(keys.length);
});

test('how the response is sent is no part of the key', () => {
  const streamed = testCall({ ...HI, stream: true, stream_options: { include_usage: true } });
  expect(exactKey(streamed, SCOPE)).toBe(exactKey(testCall(HI), SCOPE));
});

test('the members of schemas keep their order, which a model reads', () => {
  const tool = (properties: object) => ({ ...HI, tools: [{ parameters: { properties }, name: 'f' }] });
  const one = exactKey(testCall(tool({ a: 1, b: 2 })), SCOPE);
  expect(exactKey(testCall(tool({ b: 2, a: 1 })), SCOPE)).not.toBe(one);
  const swapped = { ...HI, tools: [{ name: 'f', parameters: { properties: { a: 1, b: 2 } } }] };
  expect(exactKey(testCall(swapped), SCOPE)).toBe(one);
});

test('canonical JSON differs exactly where the values do', () => {
  fc.assert(
    fc.property(fc.jsonValue(), fc.jsonValue(), (one, other) => {
      expect(JSON.parse(canonicalJson(one))).toEqual(JSON.parse(JSON.stringify(one)));
      const isSame = Bun.deepEquals(JSON.parse(JSON.stringify(one)), JSON.parse(JSON.stringify(other)));
      expect(canonicalJson(one) === canonicalJson(other)).toBe(isSame);
    }),
  );
});
