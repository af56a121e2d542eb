import { expect, test } from 'bun:test';
import { clientApplication } from './client-application.ts';

test.each([
  ['OpenAI/Python 2.1.0', 'OpenAI/Python'],
  ['AsyncAnthropic/Python 0.40.0', 'AsyncAnthropic/Python'],
  ['OpenAI/JS 5.0.1', 'OpenAI/JS'],
  ['curl/8.5.0', 'curl'],
  ['python-requests/2.31', 'python-requests'],
  ['Mozilla/5.0 (X11; Linux x86_64)', 'Mozilla'],
  ['my-app', 'my-app'],
  ['app/v2.0-beta', 'app'],
  ['', undefined],
  ['=cmd|x', undefined],
  [null, undefined],
])('the application of %p is %p', (userAgent, application) => {
  expect(clientApplication(userAgent)).toBe(application);
});

test('a long name is cut', () => {
  expect(clientApplication(`a${'b'.repeat(1_000_000)}`)).toBe(`a${'b'.repeat(39)}`);
});
