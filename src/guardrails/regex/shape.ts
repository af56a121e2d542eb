import { type CharacterClass, FOREIGN, type RegexNode } from './parse.ts';

/** Classes of one character of a prefix above which it counts as any. */
const MAX_CLASSES = 14;
/** Prefixes of one expression. */
const MAX_PREFIXES = 4_000;

/** @returns UTF-16 units of the longest match; `Infinity` where it has no bound */
export function longestMatch(node: RegexNode): number {
  switch (node.kind) {
    case 'character':
      return node.classes.has(FOREIGN) ? 2 : 1;
    case 'empty':
      return 0;
    case 'sequence':
      return node.items.reduce((sum, item) => sum + longestMatch(item), 0);
    case 'choice':
      return node.items.reduce((most, item) => Math.max(most, longestMatch(item)), 0);
    case 'repeat': {
      const one = longestMatch(node.item);
      return one === 0 ? 0 : one * node.max;
    }
  }
}

/**
 * Finds how the matches of an expression begin.
 * @param length characters of a prefix
 * @returns prefixes of classes; a shorter one may be followed by anything. undefined for more than are worth it
 */
export function prefixesOf(node: RegexNode, length: number): readonly string[] | undefined {
  const done = new Set<string>();
  const open = new Walk(length, done).after(new Set(['']), node);
  // The match is over: anything may follow.
  for (const prefix of open) done.add(prefix);
  return done.size > MAX_PREFIXES ? undefined : [...done];
}

class Walk {
  constructor(
    private readonly length: number,
    private readonly done: Set<string>,
  ) {}

  /** @param before prefixes that are shorter than the length. @returns those that still are, after a node */
  after(before: ReadonlySet<string>, node: RegexNode): ReadonlySet<string> {
    if (before.size === 0) return before;
    switch (node.kind) {
      case 'empty':
        return before;
      case 'character':
        return this.#character(before, node.classes);
      case 'sequence':
        return node.items.reduce((prefixes, item) => this.after(prefixes, item), before);
      case 'choice':
        return new Set(node.items.flatMap((item) => [...this.after(before, item)]));
      case 'repeat':
        return this.#repeat(before, node);
    }
  }

  #character(before: ReadonlySet<string>, classes: ReadonlySet<CharacterClass>): ReadonlySet<string> {
    const open = new Set<string>();
    for (const prefix of before) {
      if (classes.size > MAX_CLASSES) {
        this.done.add(prefix);
        continue;
      }
      for (const one of classes) {
        const longer = prefix + one;
        if (longer.length === this.length) this.done.add(longer);
        else open.add(longer);
      }
    }
    return open;
  }

  #repeat(
    before: ReadonlySet<string>,
    { item, min, max }: Extract<RegexNode, { kind: 'repeat' }>,
  ): ReadonlySet<string> {
    const open = new Set(min === 0 ? before : []);
    let current = before;
    // An item has at least one character, or adds nothing.
    for (let count = 1; count <= Math.min(max, this.length); count += 1) {
      current = this.after(current, item);
      if (count >= Math.min(min, this.length)) for (const prefix of current) open.add(prefix);
    }
    return open;
  }
}
