import { describe, expect, test } from 'bun:test';
import { HeaderBlock, ResponseHeaders } from './http.ts';

describe('ResponseHeaders', () => {
  test('are a list and a block, read as one', () => {
    const headers = ResponseHeaders.of({ 'x-a': '1', 'set-cookie': ['a=1', 'b=2'] });
    headers.block = new HeaderBlock({ 'x-shared': 's' });
    headers.set('x-a', '2');
    expect([headers.get('x-a'), headers.get('x-shared'), headers.get('x-none')]).toEqual([
      '2',
      's',
      undefined,
    ]);
    expect(headers.fields()).toEqual({ 'x-shared': 's', 'x-a': '2', 'set-cookie': ['a=1', 'b=2'] });
  });
});

describe('HeaderBlock', () => {
  test('is rendered once', () => {
    expect(new HeaderBlock({ 'x-a': '1', 'x-b': '2' }).text).toBe('x-a: 1\r\nx-b: 2\r\n');
  });

  test('extended with the same block is the same block, and the other one wins', () => {
    const base = new HeaderBlock({ 'x-a': '1', 'x-b': '2' });
    const more = new HeaderBlock({ 'x-b': '3' });
    expect(base.extendedWith(more).fields).toEqual({ 'x-a': '1', 'x-b': '3' });
    expect(base.extendedWith(more)).toBe(base.extendedWith(more));
    expect(more.extendedWith(base).fields).toEqual({ 'x-a': '1', 'x-b': '2' });
  });

  test.each([
    ['x a', 'b'],
    ['X-A', 'b'],
    ['x-a', 'b\r\nx-c: d'],
    ['x-a', 'ü'],
  ])('rejects %j: %j', (name, value) => {
    expect(() => new HeaderBlock({ [name]: value })).toThrow(TypeError);
  });
});
