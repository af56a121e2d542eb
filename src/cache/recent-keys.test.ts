import { expect, test } from 'bun:test';
import { testCall } from '../../test/support/inference.ts';
import { exactKey } from './cache-key.ts';
import { RecentKeys } from './recent-keys.ts';

const SCOPE = { tenant: 'acme', namespace: '', route: '["chat"]' };
const HI = { model: 'chat', messages: [{ role: 'user', content: 'hi' }] };

test('the same bytes in the same scope have the same key', () => {
  const keys = new RecentKeys();
  const key = exactKey(testCall(HI), SCOPE);
  expect(keys.find(testCall(HI), SCOPE)).toBeUndefined();
  keys.remember(testCall(HI), SCOPE, key);
  expect(keys.find(testCall(HI), { ...SCOPE })).toBe(key);
  for (const scope of [
    { ...SCOPE, tenant: 'other' },
    { ...SCOPE, namespace: 'eu' },
    { ...SCOPE, route: '["other"]' },
  ]) {
    expect(keys.find(testCall(HI), scope)).toBeUndefined();
  }
  const call = testCall(HI);
  expect(keys.find({ ...call, text: `${call.text} ` }, SCOPE)).toBeUndefined();
  expect(keys.find({ ...call, model: 'another' }, SCOPE)).toBeUndefined();
  expect(
    keys.find({ ...call, dialect: { ...call.dialect, name: 'anthropic-messages' } }, SCOPE),
  ).toBeUndefined();
});

test('bodies of dialects that are not edited as text, legacy completions, and long ones are not remembered', () => {
  const keys = new RecentKeys();
  const call = testCall(HI);
  const { edit: _, ...dialect } = call.dialect;
  for (const other of [
    { ...call, dialect },
    { ...call, operation: 'completion' as const },
    { ...call, text: call.text + ' '.repeat(9_000) },
  ]) {
    keys.remember(other, SCOPE, 'key');
    expect(keys.find(other, SCOPE)).toBeUndefined();
  }
});
