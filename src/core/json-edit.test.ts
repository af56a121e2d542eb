import { describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import { runs } from '../../test/support/effort.ts';
import { editItem, editMembers, headThrough } from './json-edit.ts';

/** Pieces that scanners trip over: quotes, backslashes, brackets and commas inside strings, odd numbers. */
const trickyText = fc.string({
  unit: fc.constantFrom(
    '"',
    '\\',
    '{',
    '}',
    '[',
    ']',
    ',',
    ':',
    ' ',
    '\n',
    'a',
    'é',
    '💧',
    '\u2028',
    '\ud800',
  ),
  maxLength: 12,
});
const space = fc.constantFrom('', '', '', ' ', '\n', '\t', '\r\n', '  \n\t ');
const number = fc.constantFrom('0', '-0', '1', '1.0', '1e400', '-1E+2', '12345678901234567890', '0.1000');
const scalar = fc.oneof(
  number,
  fc.constantFrom('true', 'false', 'null'),
  trickyText.map((text) => JSON.stringify(text)),
);
/** JSON text of any value, with white space wherever the grammar allows it. */
const valueText = fc.letrec<{ value: string }>((tie) => ({
  value: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    scalar,
    fc
      .array(fc.tuple(space, tie('value'), space), { maxLength: 3 })
      .map((items) => `[${items.map((item) => item.join('')).join(',')}]`),
    fc
      .array(fc.tuple(space, trickyText, space, space, tie('value'), space), { maxLength: 3 })
      .map(
        (items) =>
          `{${items.map(([a, k, b, c, v, d]) => [a, JSON.stringify(k), b, ':', c, v, d].join('')).join(',')}}`,
      ),
  ),
})).value;

const NAMES = ['model', 'stream', 'a"b\\', 'é', '', '__proto__', 'constructor'];

/** The same key as JSON text, with every character escaped or none. */
const keyText = (name: string) =>
  fc
    .boolean()
    .map((escaped) =>
      escaped
        ? `"${Array.from(name.split(''), (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`).join('')}"`
        : JSON.stringify(name),
    );

interface MemberText {
  readonly name: string;
  readonly key: string;
  readonly value: string;
  /** White space before the key, before the colon, after it and after the value. */
  readonly spaces: readonly [string, string, string, string];
}

const member: fc.Arbitrary<MemberText> = fc.constantFrom(...NAMES).chain((name) =>
  fc.record({
    name: fc.constant(name),
    key: keyText(name),
    value: valueText,
    spaces: fc.tuple(space, space, space, space),
  }),
);

const spelled = ({ key, value, spaces: [a, b, c, d] }: MemberText) => `${a}${key}${b}:${c}${value}${d}`;

const object = fc.record({
  members: fc.array(member, { maxLength: 6 }),
  before: space,
  inside: space,
  after: space,
});
type ObjectText = typeof object extends fc.Arbitrary<infer T> ? T : never;

const objectText = ({ members, before, inside, after }: ObjectText) =>
  `${before}{${members.length === 0 ? inside : members.map(spelled).join(',')}}${after}`;

const edits = fc
  .uniqueArray(fc.tuple(fc.constantFrom(...NAMES), fc.option(valueText)), {
    selector: ([name]) => name,
    maxLength: 4,
  })
  .map((pairs) => new Map(pairs));
const asRecord = (map: ReadonlyMap<string, string | null>) => Object.fromEntries(map);

/** What the members of an edited object must be, in order, with the exact text of each value. */
function expectedMembers(members: readonly MemberText[], changes: ReadonlyMap<string, string | null>) {
  const present = new Set(members.map(({ name }) => name));
  const added = [...changes].flatMap(([name, value]) =>
    value === null || present.has(name) ? [] : [[name, value]],
  );
  const kept = members.flatMap(({ name, value }) => {
    const change = changes.get(name);
    if (change === null) return [];
    return [[name, change ?? value]];
  });
  return [...added, ...kept];
}

/** An independent reading of an object's members: cuts at top-level commas with a one-pass state machine. */
function readMembers(text: string): string[][] {
  const inner = text.trim().slice(1, -1);
  const pieces: string[] = [];
  let depth = 0;
  let inString = false;
  let escaped = false;
  let piece = '';
  for (const unit of inner.split('')) {
    if (inString) {
      if (escaped) escaped = false;
      else if (unit === '\\') escaped = true;
      else if (unit === '"') inString = false;
    } else if (unit === '"') inString = true;
    else if (unit === '{' || unit === '[') depth += 1;
    else if (unit === '}' || unit === ']') depth -= 1;
    else if (unit === ',' && depth === 0) {
      pieces.push(piece);
      piece = '';
      continue;
    }
    piece += unit;
  }
  if (piece.trim() !== '') pieces.push(piece);
  return pieces.map((one) => {
    const trimmed = one.trim();
    const key = /^"(?:[^"\\]|\\.)*"/su.exec(trimmed)?.[0] ?? '';
    return [String(JSON.parse(key)), trimmed.slice(key.length).trim().slice(1).trim()];
  });
}

describe('editMembers', () => {
  test('changes exactly the members that were named, and the result is JSON', () => {
    fc.assert(
      fc.property(object, edits, (source, changes) => {
        const out = editMembers(objectText(source), asRecord(changes));
        JSON.parse(out);
        expect(readMembers(out)).toEqual(expectedMembers(source.members, changes));
      }),
      { numRuns: runs(2_000) },
    );
  });

  test('equals editing the parsed value', () => {
    fc.assert(
      fc.property(object, edits, (source, changes) => {
        const text = objectText(source);
        const wanted = new Map<string, unknown>(Object.entries(JSON.parse(text)));
        for (const [name, value] of changes) {
          if (value === null) wanted.delete(name);
          else wanted.set(name, JSON.parse(value));
        }
        const got = new Map<string, unknown>(
          Object.entries(JSON.parse(editMembers(text, asRecord(changes)))),
        );
        expect(got).toEqual(wanted);
      }),
      { numRuns: runs(1_000) },
    );
  });

  test('keeps every byte that it was not asked to touch', () => {
    fc.assert(
      fc.property(object, edits, (source, changes) => {
        const text = objectText(source);
        const untouched = new Map(
          [...changes].filter(([name]) => !source.members.some((one) => one.name === name)),
        );
        const removalsOfNothing = new Map([...untouched].map(([name]): [string, null] => [name, null]));
        expect(editMembers(text, asRecord(removalsOfNothing))).toBe(text);

        // Replacing only: the text is the same with other values in place.
        const replaced = new Map(
          [...changes].filter(([name, value]) => value !== null && !untouched.has(name)),
        );
        const members = source.members.map((one) => ({ ...one, value: replaced.get(one.name) ?? one.value }));
        expect(editMembers(text, asRecord(replaced))).toBe(objectText({ ...source, members }));

        // Adding only: the text is the same with something more behind the brace.
        const added = new Map([...untouched].filter(([, value]) => value !== null));
        const out = editMembers(text, asRecord(added));
        const open = text.indexOf('{') + 1;
        expect(out.startsWith(text.slice(0, open))).toBe(true);
        expect(out.endsWith(text.slice(open))).toBe(true);
      }),
      { numRuns: runs(1_000) },
    );
  });

  test.each([
    ['first', 'a', '{ "b" : 2 , "c":3 }'],
    ['middle', 'b', '{ "a":1 , "c":3 }'],
    ['last', 'c', '{ "a":1 , "b" : 2  }'],
  ])('removes the %s member', (_, name, wanted) => {
    expect(editMembers('{ "a":1 , "b" : 2 , "c":3 }', { [name]: null })).toBe(wanted);
  });

  test('removes the only member, all members, and every occurrence of one', () => {
    expect(editMembers('{ "a" : [1,{"a":2}] }', { a: null })).toBe('{  }');
    expect(editMembers('{"a":1,"b":2,"c":3}', { a: null, b: null, c: null })).toBe('{}');
    expect(editMembers('{"a":1,"b":2,"c":3}', { b: null, c: null })).toBe('{"a":1}');
    expect(editMembers('{"a":1,"b":2,"a":3,"\\u0061":4}', { a: null })).toBe('{"b":2}');
    expect(editMembers('{"a":"x,y","b":1}', { a: '"p,q"', b: null })).toBe('{"a":"p,q"}');
  });

  test('adds to an empty object, and leaves members of nested objects alone', () => {
    expect(editMembers('{}', { model: '"m"' })).toBe('{"model":"m"}');
    expect(editMembers(' { } ', { model: '"m"', n: '1' })).toBe(' {"model":"m","n":1 } ');
    expect(editMembers('{"x":{"model":"a"}}', { model: '"m"' })).toBe('{"model":"m","x":{"model":"a"}}');
    expect(editMembers('{"a":1}', { a: null, b: '2' })).toBe('{"b":2}');
  });

  test('keeps numbers as they are written', () => {
    const text = '{"seed":12345678901234567890,"t":1.0,"p":1E-7,"model":"a","u":-0}';
    expect(editMembers(text, { model: '"b"' })).toBe(text.replace('"a"', '"b"'));
  });

  test('leaves the text as it is when there is nothing to do', () => {
    fc.assert(
      fc.property(object, (source) => expect(editMembers(objectText(source), {})).toBe(objectText(source))),
    );
  });
});

describe('editItem', () => {
  test('replaces one item of a list, and no other byte', () => {
    const text = '{ "a" : [1e3 , {"b":[2,"],"]} ,3], "n":12345678901234567890}';
    const double = (item: string) => `<${item}>`;
    expect(editItem(text, 'a', 0, double)).toBe(text.replace('1e3', '<1e3>'));
    expect(editItem(text, 'a', 1, double)).toBe(text.replace('{"b":[2,"],"]}', '<{"b":[2,"],"]}>'));
    expect(editItem(text, 'a', 2, double)).toBe(text.replace('3]', '<3>]'));
    for (const [member, index] of [
      ['a', 3],
      ['n', 0],
      ['missing', 0],
    ] as const) {
      expect(editItem(text, member, index, double)).toBe(text);
    }
    expect(editItem('{"a":[]}', 'a', 0, double)).toBe('{"a":[]}');
  });

  test('replaces the item that a parser finds at the index', () => {
    fc.assert(
      fc.property(fc.array(fc.jsonValue(), { minLength: 1 }), fc.nat(), fc.nat(3), (items, at, indent) => {
        const index = at % items.length;
        const text = JSON.stringify({ first: 1, list: items, last: '[' }, null, indent);
        const edited = JSON.parse(editItem(text, 'list', index, () => '"edited"'));
        expect(edited).toEqual(
          JSON.parse(JSON.stringify({ first: 1, list: items.with(index, 'edited'), last: '[' })),
        );
      }),
      { numRuns: runs(1_000) },
    );
  });
});

describe('headThrough', () => {
  test('ends behind the last of the members when they come first, in any order', () => {
    expect(headThrough('{"id":"a","created":1,"x":2}', ['id', 'created'])).toBe('{"id":"a","created":1');
    expect(headThrough('{ "created" : 1 , "id":"a" }', ['id', 'created'])).toBe('{ "created" : 1 , "id":"a"');
  });

  test('is undefined when one is missing, repeated, or follows another member', () => {
    expect(headThrough('{"id":"a"}', ['id', 'created'])).toBeUndefined();
    expect(headThrough('{"id":"a","id":"b","created":1}', ['id', 'created'])).toBeUndefined();
    expect(headThrough('{"id":"a","x":1,"created":1}', ['id', 'created'])).toBeUndefined();
    expect(headThrough('{}', ['id'])).toBeUndefined();
  });

  test('is a prefix whose members are the wanted ones', () => {
    fc.assert(
      fc.property(object, fc.subarray(NAMES, { minLength: 1 }), (source, wanted) => {
        const text = objectText(source);
        const head = headThrough(text, wanted);
        const first = source.members.slice(0, wanted.length).map(({ name }) => name);
        const complete = first.length === wanted.length && wanted.every((name) => first.includes(name));
        expect(head !== undefined).toBe(complete);
        if (head === undefined) return;
        expect(text.startsWith(head)).toBe(true);
        expect(readMembers(`${head}}`).map(([name]) => name)).toEqual(first);
      }),
      { numRuns: runs(1_000) },
    );
  });
});
