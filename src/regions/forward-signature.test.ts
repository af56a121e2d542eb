import { expect, test } from 'bun:test';
import { ForwardSignature } from './forward-signature.ts';

const REQUEST = { to: 'eu', method: 'POST', target: '/v1/chat/completions?x=1' };
const FORWARDED = { from: 'us', client: '2001:db8::7' };
let now = 1_000_000;
const signature = new ForwardSignature('a shared key', () => now);

test('a region recognises what another one signed', () => {
  expect(signature.verify(signature.sign(FORWARDED, REQUEST), REQUEST)).toEqual(FORWARDED);
});

test('nothing of it can be changed', () => {
  const value = signature.sign(FORWARDED, REQUEST);
  for (const [part, other] of [
    ['from=us', 'from=ap'],
    ['2001:db8::7', '203.0.113.9'],
    ['at=1000000', 'at=1000001'],
  ] as const) {
    const changed = value.replace(part, other);
    expect(changed).not.toBe(value);
    expect(signature.verify(changed, REQUEST)).toBeUndefined();
  }
  for (const other of [{ to: 'ap' }, { method: 'GET' }, { target: '/v1/embeddings' }]) {
    expect(signature.verify(value, { ...REQUEST, ...other })).toBeUndefined();
  }
  expect(new ForwardSignature('another key', () => now).verify(value, REQUEST)).toBeUndefined();
});

test('it is valid for five minutes, in both directions', () => {
  const value = signature.sign(FORWARDED, REQUEST);
  for (const [later, isValid] of [
    [300, true],
    [301, false],
    [-300, true],
    [-301, false],
  ] as const) {
    now += later;
    expect(signature.verify(value, REQUEST) !== undefined).toBe(isValid);
    now -= later;
  }
});

test('other texts are no signatures', () => {
  const value = signature.sign(FORWARDED, REQUEST);
  for (const text of [
    '',
    'from=us',
    `${value}, x=1`,
    value.slice(0, -1),
    `${value}\n`,
    value.replace('us', 'u s'),
  ]) {
    expect(signature.verify(text, REQUEST)).toBeUndefined();
  }
});
