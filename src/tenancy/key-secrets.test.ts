import { describe, expect, test } from 'bun:test';
import { SecretDigester } from './key-secrets.ts';

const digester = new SecretDigester('test');

describe('secrets', () => {
  test('are stored as a digest that depends on the installation', () => {
    expect(new SecretDigester('a').digest('k')).not.toBe(new SecretDigester('b').digest('k'));
    expect(digester.digest('k')).toMatch(/^[0-9a-f]{64}$/);
    const plain = new Bun.CryptoHasher('sha256').update('k').digest('hex');
    expect(digester.ofPlainDigest(plain)).toBe(digester.digest('k'));
  });
});
