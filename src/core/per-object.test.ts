import { expect, test } from 'bun:test';
import { perObject } from './per-object.ts';

test('makes one value for each object, and makes it again only after a failure', () => {
  let calls = 0;
  const of = perObject(({ name }: { readonly name: string }) => {
    calls += 1;
    if (calls === 1) throw new Error('first');
    return calls === 2 ? undefined : `${name} ${calls}`;
  });
  const [one, other] = [{ name: 'a' }, { name: 'a' }];
  expect(() => of(one)).toThrow('first');
  expect([of(one), of(one), of(other), of(other)]).toEqual([undefined, undefined, 'a 3', 'a 3']);
});
