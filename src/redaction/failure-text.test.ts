import { expect, test } from 'bun:test';
import { failureTextRedactor } from './failure-text.ts';

const redact = failureTextRedactor();

test.each([
  ['invalid value "ada@weir.test" for user', 'invalid value "[EMAIL]" for user'],
  ['key sk-proj-abcDEF1234567890 is not valid', 'key [API_KEY] is not valid'],
  ['card 4111 1111 1111 1111 was declined', 'card [CC] was declined'],
  ['Authorization: Bearer abcdef0123456789ABCDEF', 'Authorization: Bearer [API_KEY]'],
])('redacts %s', (text, expected) => {
  expect(redact(text)).toBe(expected);
});

test.each([
  'connect ECONNREFUSED 10.0.0.5:8000',
  'relation "audit_log" does not exist',
  'Provider "openai" responded with HTTP 503: overloaded',
  '    at run (/app/src/tenancy/key-restrictions.ts:120:17)',
  'request req_01hzx3v9k2m4n5p6q7r8s9t0 exceeded 30000 ms at 2026-11-29T23:15:00.000Z',
])('leaves %s', (text) => {
  expect(redact(text)).toBe(text);
});
