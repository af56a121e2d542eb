import { describe, expect, test } from 'bun:test';
import { keyFromRequest } from './request-key.ts';

describe('keyFromRequest', () => {
  const of = (headers: Record<string, string>) => keyFromRequest(new Headers(headers));
  test.each([
    [{ authorization: 'Bearer k' }, 'k'],
    [{ authorization: 'bearer   k  ' }, 'k'],
    [{ 'x-api-key': ' k ' }, 'k'],
    [{ 'api-key': 'k' }, 'k'],
    [{ authorization: 'Bearer a', 'x-api-key': 'b', 'api-key': 'c' }, 'a'],
    [{ authorization: 'Basic abc', 'x-api-key': 'b' }, 'b'],
    [{ authorization: 'Bearer' }, undefined],
    [{ authorization: 'Bearer a b' }, undefined],
    [{ 'x-api-key': '' }, undefined],
    [{}, undefined],
  ])('of %j', (headers, key) => {
    expect<string | undefined>(of(headers)).toBe(key);
  });
});
