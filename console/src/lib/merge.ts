/** An object as the admin API takes it. */
export type Document = Readonly<Record<string, unknown>>;

/** A member that is not the same in three versions of an object. Undefined where a version does not have it. */
export interface FieldDifference {
  /** Names from the outermost object on. Lists are one value. */
  readonly path: readonly string[];
  /** As it was when it was read. */
  readonly base: unknown;
  /** As the caller wants it. */
  readonly mine: unknown;
  /** As another caller has stored it since. */
  readonly theirs: unknown;
  /** Who changed it: with `both`, to different values. */
  readonly changedBy: 'mine' | 'theirs' | 'both';
}

export type Side = 'mine' | 'theirs';

/** @returns a text that is equal for equal values, whatever the order of their members */
export function textOf(value: unknown): string {
  if (value === undefined) return '';
  return JSON.stringify(value, (_, inner: unknown) =>
    isDocument(inner) ? Object.fromEntries(Object.entries(inner).sort(byName)) : inner,
  );
}

/**
 * Compares three versions of an object, member by member.
 * @returns members that were changed; what both changed to the same value is left out
 */
export function compare(base: Document, mine: Document, theirs: Document): FieldDifference[] {
  const [before, own, other] = [leavesOf(base), leavesOf(mine), leavesOf(theirs)];
  const keys = new Set([...before.keys(), ...own.keys(), ...other.keys()]);
  return [...keys].flatMap((key) => {
    const [was, is, now] = [before, own, other].map((leaves) => textOf(leaves.get(key)?.value));
    if (is === now) return [];
    const changedBy = is === was ? 'theirs' : now === was ? 'mine' : 'both';
    const path = own.get(key)?.path ?? other.get(key)?.path ?? before.get(key)?.path ?? [];
    return [
      {
        ...{ path, changedBy },
        ...{ base: before.get(key)?.value, mine: own.get(key)?.value, theirs: other.get(key)?.value },
      },
    ];
  });
}

/**
 * Puts members of both versions together.
 * @param choices sides of members, by {@link keyOf}; without one, the side that changed the member
 * @returns `theirs` with the members of `mine` that were chosen
 */
export function merge(
  theirs: Document,
  differences: readonly FieldDifference[],
  choices: ReadonlyMap<string, Side>,
): Document {
  const leaves = leavesOf(theirs);
  for (const difference of differences) {
    const { path, mine } = difference;
    const key = keyOf(path);
    if ((choices.get(key) ?? sideOf(difference)) === 'theirs') continue;
    if (mine === undefined) leaves.delete(key);
    else leaves.set(key, { path, value: mine });
  }
  const merged: Record<string, unknown> = {};
  for (const { path, value } of leaves.values()) put(merged, path, value);
  return merged;
}

/** @returns the side that is taken when nobody chooses: what both changed stays mine */
export const sideOf = ({ changedBy }: FieldDifference): Side => (changedBy === 'theirs' ? 'theirs' : 'mine');

export const keyOf = (path: readonly string[]): string => JSON.stringify(path);

interface Leaf {
  readonly path: readonly string[];
  readonly value: unknown;
}

function leavesOf(document: Document, path: readonly string[] = []): Map<string, Leaf> {
  const leaves = new Map<string, Leaf>();
  for (const [name, value] of Object.entries(document)) {
    if (value === undefined) continue;
    const at = [...path, name];
    // An empty object is a value: without it, the member would be lost.
    if (isDocument(value) && Object.keys(value).length > 0) {
      for (const [key, leaf] of leavesOf(value, at)) leaves.set(key, leaf);
    } else leaves.set(keyOf(at), { path: at, value });
  }
  return leaves;
}

function put(into: Record<string, unknown>, path: readonly string[], value: unknown): void {
  const [name = '', ...rest] = path;
  const set = (inner: unknown) =>
    // A name such as `__proto__` is a member like any other.
    Object.defineProperty(into, name, {
      value: inner,
      ...{ enumerable: true, configurable: true, writable: true },
    });
  if (rest.length === 0) {
    // One side has an empty object or a value where the other has members: the members win.
    if (!(isDocument(value) && isDocument(own(into, name)))) set(value);
    return;
  }
  const present = own(into, name);
  const inner: Record<string, unknown> = isDocument(present) ? { ...present } : {};
  put(inner, rest, value);
  set(inner);
}

const own = (of: Document, name: string): unknown => (Object.hasOwn(of, name) ? of[name] : undefined);

function isDocument(value: unknown): value is Document {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function byName([a]: readonly [string, unknown], [b]: readonly [string, unknown]): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
