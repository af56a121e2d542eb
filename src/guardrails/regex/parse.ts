/** A part of a regular expression, as far as its length and its first characters need it. */
export type RegexNode =
  /** One character. */
  | { readonly kind: 'character'; readonly classes: ReadonlySet<CharacterClass> }
  /** Nothing: an assertion, a border, the empty text. */
  | { readonly kind: 'empty' }
  | { readonly kind: 'sequence'; readonly items: readonly RegexNode[] }
  | { readonly kind: 'choice'; readonly items: readonly RegexNode[] }
  | { readonly kind: 'repeat'; readonly item: RegexNode; readonly min: number; readonly max: number };

/** A lower-case letter or a digit of ASCII; another character of ASCII; a character beyond it. */
export type CharacterClass = string;
export const OTHER: CharacterClass = ' ';
export const FOREIGN: CharacterClass = '\u00ff';

const LETTERS = [...'abcdefghijklmnopqrstuvwxyz'];
const DIGITS = [...'0123456789'];
const EMPTY: RegexNode = { kind: 'empty' };
const ANY = new Set([...LETTERS, ...DIGITS, OTHER, FOREIGN]);
const ESCAPED: Readonly<Record<string, ReadonlySet<CharacterClass>>> = {
  s: new Set([OTHER, FOREIGN]),
  S: ANY,
  w: new Set([...LETTERS, ...DIGITS, OTHER]),
  W: new Set([OTHER, FOREIGN]),
  d: new Set(DIGITS),
  D: new Set([...LETTERS, OTHER, FOREIGN]),
};
/** Groups that match no character themselves. */
const ASSERTION = /^\(\?<?[=!]/;
const GROUP = /^\((?:\?:|\?P?<[A-Za-z_]\w*>|(?!\?))/;
const QUANTIFIER = /^(?:[?*+]|\{(\d+)(,(\d*))?\})[?+]?/;

/** @returns the class of a character, in either case */
export function classOf(character: string): CharacterClass {
  const code = character.charCodeAt(0);
  if (code > 0x7f) return FOREIGN;
  return ASCII_CLASSES[code] ?? OTHER;
}

const ASCII_CLASSES: readonly CharacterClass[] = Array.from({ length: 128 }, (_, code) => {
  const character = String.fromCharCode(code).toLowerCase();
  return /[a-z0-9]/.test(character) ? character : OTHER;
});
/** A node for each class: expressions consist of single characters mostly. */
const SINGLES = new Map<CharacterClass, RegexNode>(
  [...ANY].map((one) => [one, { kind: 'character', classes: new Set([one]) }]),
);

function singleOf(character: string): RegexNode {
  return SINGLES.get(classOf(character)) ?? EMPTY;
}

/**
 * Reads the form of a regular expression of JavaScript or RE2.
 * @returns undefined for what it does not know, such as references to groups: then nothing is known about the expression
 */
export function parseRegex(source: string): RegexNode | undefined {
  const parser = new RegexParser(source);
  try {
    return parser.parse();
  } catch (error) {
    if (error instanceof UnknownSyntax) return undefined;
    throw error;
  }
}

class UnknownSyntax extends Error {}

class RegexParser {
  #at = 0;

  constructor(private readonly source: string) {}

  parse(): RegexNode {
    const node = this.#choice();
    if (this.#at < this.source.length) throw new UnknownSyntax();
    return node;
  }

  #choice(): RegexNode {
    const items = [this.#sequence()];
    while (this.#peek() === '|') {
      this.#at += 1;
      items.push(this.#sequence());
    }
    const [only] = items;
    return items.length === 1 && only ? only : { kind: 'choice', items };
  }

  #sequence(): RegexNode {
    const items: RegexNode[] = [];
    for (let next = this.#peek(); next !== '' && next !== '|' && next !== ')'; next = this.#peek()) {
      items.push(this.#quantified(this.#atom()));
    }
    return { kind: 'sequence', items };
  }

  #quantified(item: RegexNode): RegexNode {
    const next = this.#peek();
    if (next !== '?' && next !== '*' && next !== '+' && next !== '{') return item;
    const match = QUANTIFIER.exec(this.source.slice(this.#at, this.#at + 24));
    if (!match) return item;
    const [whole, least, range, most] = match;
    this.#at += whole.length;
    if (least !== undefined) {
      const min = Number(least);
      const max = range === undefined ? min : most === '' ? Number.POSITIVE_INFINITY : Number(most);
      return { kind: 'repeat', item, min, max };
    }
    const max = whole.startsWith('?') ? 1 : Number.POSITIVE_INFINITY;
    return { kind: 'repeat', item, min: whole.startsWith('+') ? 1 : 0, max };
  }

  #atom(): RegexNode {
    const next = this.#peek();
    if (next === '(') return this.#group();
    if (next === '[') return this.#class();
    if (next === '\\') return this.#escape();
    this.#at += 1;
    if (next === '^' || next === '$') return EMPTY;
    if (next === '.') return { kind: 'character', classes: ANY };
    if (next === '*' || next === '+' || next === '?') throw new UnknownSyntax();
    return singleOf(next);
  }

  #group(): RegexNode {
    const rest = this.source.slice(this.#at, this.#at + 80);
    const head = ASSERTION.exec(rest) ?? GROUP.exec(rest);
    if (!head) throw new UnknownSyntax();
    this.#at += head[0].length;
    const inner = this.#choice();
    if (this.#peek() !== ')') throw new UnknownSyntax();
    this.#at += 1;
    return ASSERTION.test(rest) ? EMPTY : inner;
  }

  #escape(): RegexNode {
    const kind = this.source.charAt(this.#at + 1);
    if (kind === 'b' || kind === 'B') {
      this.#at += 2;
      return EMPTY;
    }
    return { kind: 'character', classes: this.#escaped() };
  }

  #class(): RegexNode {
    this.#at += 1;
    const isNegated = this.#peek() === '^';
    if (isNegated) this.#at += 1;
    const classes = new Set<CharacterClass>();
    while (this.#peek() !== ']') {
      if (this.#peek() === '' || this.source.startsWith('[:', this.#at)) throw new UnknownSyntax();
      const first = this.#peek();
      const single = first === '\\' ? this.#escaped() : this.#plain();
      const isRange = this.#peek() === '-' && this.source.charAt(this.#at + 1) !== ']';
      if (!isRange) {
        for (const one of single) classes.add(one);
        continue;
      }
      this.#at += 1;
      const last = this.#peek();
      const end = last === '\\' ? this.#escaped() : this.#plain();
      for (const one of rangeOf(first, last, single, end)) classes.add(one);
    }
    this.#at += 1;
    // Of other and foreign characters some are always left.
    if (!isNegated) return { kind: 'character', classes };
    const left = [...ANY].filter((one) => one === OTHER || one === FOREIGN || !classes.has(one));
    return { kind: 'character', classes: new Set(left) };
  }

  #plain(): ReadonlySet<CharacterClass> {
    const character = this.#peek();
    this.#at += 1;
    return new Set([classOf(character)]);
  }

  #escaped(): ReadonlySet<CharacterClass> {
    const kind = this.source.charAt(this.#at + 1);
    const known = ESCAPED[kind];
    if (known) {
      this.#at += 2;
      return known;
    }
    if (kind === 'p' || kind === 'P') return this.#property();
    const code = /^\\(?:u([0-9a-f]{4})|x([0-9a-f]{2})|u\{([0-9a-f]+)\}|x\{([0-9a-f]+)\})/i.exec(
      this.source.slice(this.#at, this.#at + 12),
    );
    if (code) {
      const [whole, ...digits] = code;
      this.#at += whole.length;
      const point = Number.parseInt(digits.find((one) => one !== undefined) ?? '', 16);
      return new Set([point > 0x7f ? FOREIGN : classOf(String.fromCharCode(point))]);
    }
    this.#at += 2;
    if (/[nrtfv0]/.test(kind)) return new Set([OTHER]);
    // References to groups, and letters with a meaning in one of the dialects only.
    if (kind === '' || /[A-Za-z0-9]/.test(kind)) throw new UnknownSyntax();
    return new Set([classOf(kind)]);
  }

  #property(): ReadonlySet<CharacterClass> {
    const match = /^\\[pP](?:\{[^}]{1,60}\}|[A-Z])/.exec(this.source.slice(this.#at, this.#at + 64));
    if (!match) throw new UnknownSyntax();
    this.#at += match[0].length;
    return ANY;
  }

  #peek(): string {
    return this.source.charAt(this.#at);
  }
}

/** @returns the classes of a range; a wide one where an end is not a plain character */
function rangeOf(
  first: string,
  last: string,
  from: ReadonlySet<CharacterClass>,
  to: ReadonlySet<CharacterClass>,
): ReadonlySet<CharacterClass> {
  if (first === '\\' || last === '\\') return new Set([...ANY].filter((one) => isWithin(one, from, to)));
  const classes = new Set<CharacterClass>();
  for (let code = first.charCodeAt(0); code <= Math.min(last.charCodeAt(0), 0x80); code += 1) {
    classes.add(classOf(String.fromCharCode(code)));
  }
  if (last.charCodeAt(0) > 0x7f) classes.add(FOREIGN);
  return classes;
}

/** Between escaped ends: everything, unless both are beyond ASCII. */
function isWithin(
  one: CharacterClass,
  from: ReadonlySet<CharacterClass>,
  to: ReadonlySet<CharacterClass>,
): boolean {
  const isForeign = from.size === 1 && from.has(FOREIGN) && to.size === 1 && to.has(FOREIGN);
  return isForeign ? one === FOREIGN : true;
}
