import { expect, test } from 'bun:test';
import fc from 'fast-check';
import { compare, type Document, keyOf, merge, type Side } from '../../console/src/lib/merge.ts';

const leaf = fc.oneof(
  fc.constantFrom(0, 1, 'a', 'b', null, true),
  fc.array(fc.constantFrom(1, 2), { maxLength: 2 }),
);
const names = fc.constantFrom('name', 'limits', 'scopes', '__proto__', 'constructor');
const document: fc.Arbitrary<Document> = fc.letrec<{ document: Document; value: unknown }>((tie) => ({
  document: fc.dictionary(names, tie('value'), { maxKeys: 4, depthIdentifier: 'members' }),
  value: fc.oneof({ depthIdentifier: 'members', maxDepth: 2 }, leaf, tie('document')),
})).document;
const all = (side: Side, differences: ReturnType<typeof compare>) =>
  new Map(differences.map(({ path }) => [keyOf(path), side]));

test('a merge that takes one side everywhere is this side', () => {
  fc.assert(
    fc.property(document, document, document, (base, mine, theirs) => {
      const differences = compare(base, mine, theirs);
      expect(compare(base, merge(theirs, differences, all('theirs', differences)), theirs)).toEqual([]);
    }),
  );
});

test('members that only one side changed come from that side', () => {
  const base = { name: 'a', limits: [], scopes: { models: ['x'], addresses: [] } };
  const mine = { name: 'b', limits: [], scopes: { models: ['x'], addresses: ['10.0.0.0/8'] } };
  const theirs = {
    name: 'a',
    limits: [{ of: 'cost', max: '5' }],
    scopes: { models: ['x', 'y'], addresses: [] },
  };
  const differences = compare(base, mine, theirs);
  expect(differences.map(({ path, changedBy }) => `${path.join('.')} ${changedBy}`)).toEqual([
    'name mine',
    'limits theirs',
    'scopes.models theirs',
    'scopes.addresses mine',
  ]);
  expect(merge(theirs, differences, new Map())).toEqual({
    name: 'b',
    limits: [{ of: 'cost', max: '5' }],
    scopes: { models: ['x', 'y'], addresses: ['10.0.0.0/8'] },
  });
});

test('a member that both changed is a question, and one that both set alike is none', () => {
  const differences = compare({ a: 1, b: 1 }, { a: 2, b: 3 }, { a: 4, b: 3 });
  expect(differences).toEqual([{ path: ['a'], base: 1, mine: 2, theirs: 4, changedBy: 'both' }]);
  expect(merge({ a: 4, b: 3 }, differences, all('mine', differences))).toEqual({ a: 2, b: 3 });
  expect(merge({ a: 4, b: 3 }, differences, all('theirs', differences))).toEqual({ a: 4, b: 3 });
});

test('a member that was removed is removed by its side', () => {
  const differences = compare({ a: 1, b: 1 }, { b: 1 }, { a: 1, b: 2 });
  expect(merge({ a: 1, b: 2 }, differences, new Map())).toEqual({ b: 2 });
});
