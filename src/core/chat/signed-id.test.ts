import { describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import { SIGNED_ID_MARK, signId, splitSignedId } from './signed-id.ts';

const id = fc.stringMatching(/^[\w:.-]{1,40}$/).filter((one) => !one.includes(SIGNED_ID_MARK));
const origin = fc.stringMatching(/^[a-z]{1,10}$/);
const value = fc.oneof(
  fc.string(),
  fc.uint8Array().map((bytes) => Buffer.from(bytes).toString('base64')),
  fc.base64String(),
);

describe('a signed id', () => {
  test('gives back what it carries, and has characters that every vendor accepts', () => {
    fc.assert(
      fc.property(id, origin, value, (plain, from, carried) => {
        const wellFormed = carried.toWellFormed();
        const signed = signId(plain, { origin: from, value: wellFormed });
        expect(signed.slice(plain.length)).toMatch(/^[\w-]+$/);
        expect(splitSignedId(signed)).toEqual({ id: plain, carried: { origin: from, value: wellFormed } });
      }),
    );
  });

  test('that was cut or changed gives back the id alone', () => {
    fc.assert(
      fc.property(id, origin, fc.base64String({ minLength: 8 }), fc.nat(), (plain, from, carried, cut) => {
        const signed = signId(plain, { origin: from, value: carried });
        const start = plain.length + SIGNED_ID_MARK.length;
        const end = start + (cut % (signed.length - start));
        expect(splitSignedId(signed.slice(0, end))).toEqual({ id: plain });
        expect(splitSignedId(`${signed}x`)).toEqual({ id: plain });
      }),
    );
  });

  test('is signed once', () => {
    const signed = signId('call_1', { origin: 'one', value: 'a' });
    expect(signId(signed, { origin: 'two', value: 'b' })).toBe(signed);
  });

  test('differs from an id without a value', () => {
    expect(splitSignedId('call_1')).toEqual({ id: 'call_1' });
  });
});
