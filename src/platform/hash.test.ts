import { expect, test } from 'bun:test';
import { createHmac } from 'node:crypto';
import { hmacSha256Hex } from './hash.ts';

test('a hash is made after another key could not be imported', async () => {
  const algorithm = { name: 'RSASSA-PKCS1-v1_5', hash: 'SHA-256' };
  const imported = crypto.subtle.importKey('pkcs8', Uint8Array.of(0, 0, 0), algorithm, false, ['sign']);
  expect(await imported.catch((error: unknown) => error)).toBeInstanceOf(Error);
  expect(hmacSha256Hex('key', 'text')).toBe(createHmac('sha256', 'key').update('text').digest('hex'));
});
