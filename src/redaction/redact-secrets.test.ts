import { describe, expect, test } from 'bun:test';
import { redactSecrets } from './redact-secrets.ts';

describe('redactSecrets', () => {
  test.each([
    'sk-proj-abcDEF123456',
    'gsk_abcdef1234567890',
    'xai-abcdef1234567890',
    'wr-admin-0123456789abcdef',
    'hf_abcdefghijkl',
    'AIzaSyA1234567890123456789012',
    'sk-*****abcd',
    'abc***********xyz',
    'eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2ln',
    'AKIAIOSFODNN7EXAMPLE',
    'ghp_0123456789abcdefghijABCDEFGHIJ012345',
    'password: "h0rse-battery"',
  ])('takes out %s', (secret) => {
    expect(redactSecrets(`Incorrect API key provided: ${secret}.`)).not.toContain(secret.slice(-4));
  });

  test('takes out exact values wherever they stand, and those too short to tell from words not', () => {
    expect(redactSecrets('a plain-secret b plain-secret', ['plain-secret', undefined, ''])).toBe(
      'a [redacted] b [redacted]',
    );
    expect(redactSecrets('abc', ['abc'])).toBe('abc');
  });

  test('takes the password out of a URL', () => {
    const message = 'connect to postgres://weir:p4ss-w0rd@db/weir failed';
    expect(redactSecrets(message)).toBe('connect to postgres://weir:[redacted]@db/weir failed');
  });

  test.each([
    'Incorrect API key provided: no key was sent',
    'The model `gpt-4o` does not exist',
    'max_tokens must be at least 1, got 0 (request 01234567-89ab)',
  ])('leaves "%s" as it is', (text) => {
    expect(redactSecrets(text)).toBe(text);
  });

  test('reads long hostile texts once', () => {
    for (const piece of ['x', 'eyJ-', 'eyJ', '-', 'a*', 'Bearer ', 'eyJaaaaaaaaaaaa.', 'sk-']) {
      redactSecrets(piece.repeat(1_000_000 / piece.length), ['no such secret']);
    }
  });
});
