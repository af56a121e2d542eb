import type { Random } from '../random.ts';
import { type Budget, SchemaError } from './types.ts';

/**
 * Regular expressions for matching and generating. Matching tracks sets of positions, so that no client's pattern causes
 * catastrophic backtracking, as in the built-in engine. Look-around, back references and flags are not supported.
 */
export interface Pattern {
  /** @returns whether the pattern occurs in the text */
  matches(text: string, budget: Budget): boolean;
  /** Generates a text for the pattern. @param extra repetitions in addition to the minimum */
  generate(random: Random, extra: () => number, budget: Budget): string;
}

type Node =
  | {
      readonly kind: 'set';
      readonly has: (character: string) => boolean;
      readonly own: readonly string[];
      readonly samples: readonly string[];
    }
  | { readonly kind: 'all'; readonly parts: readonly Node[] }
  | { readonly kind: 'any'; readonly options: readonly Node[] }
  | { readonly kind: 'repeat'; readonly node: Node; readonly min: number; readonly max: number }
  | { readonly kind: 'start' | 'end' | 'boundary' | 'inside' };
type SetNode = Extract<Node, { kind: 'set' }>;

const MAX_PATTERN_LENGTH = 1000;
const SAMPLES = Array.from(
  'abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_. ,:;/+@#!?=&%*()[]{}<>~^$|\'"\\`\t\n',
);

const isDigit = (character: string) => character >= '0' && character <= '9';
const isWord = (character: string) => /^\w$/.test(character);
const isSpace = (character: string) => /^\s$/.test(character);
const CLASSES: Readonly<Record<string, (character: string) => boolean>> = {
  d: isDigit,
  w: isWord,
  s: isSpace,
  D: (character) => !isDigit(character),
  W: (character) => !isWord(character),
  S: (character) => !isSpace(character),
};
const CONTROLS: Readonly<Record<string, string>> = { n: '\n', r: '\r', t: '\t', f: '\f', v: '\v', '0': '\0' };

/** Parses a pattern. @throws SchemaError for an invalid or unsupported one */
export function parsePattern(source: string): Pattern {
  if (source.length > MAX_PATTERN_LENGTH) throw new SchemaError('a pattern is too long');
  const root = new Parser(Array.from(source), source).parse();
  return {
    matches: (text, budget) => {
      const characters = Array.from(text);
      const everywhere = new Set(characters.keys()).add(characters.length);
      return advance(root, everywhere, characters, budget).size > 0;
    },
    generate: (random, extra, budget) => generate(root, random, extra, budget),
  };
}

class Parser {
  private at = 0;

  constructor(
    private readonly characters: readonly string[],
    private readonly source: string,
  ) {}

  parse(): Node {
    const node = this.alternatives();
    if (this.at < this.characters.length) this.fail();
    return node;
  }

  private alternatives(): Node {
    const options = [this.sequence()];
    while (this.take('|')) options.push(this.sequence());
    const [only] = options;
    return options.length === 1 && only !== undefined ? only : { kind: 'any', options };
  }

  private sequence(): Node {
    const parts: Node[] = [];
    for (let next = this.peek(); next !== undefined && next !== '|' && next !== ')'; next = this.peek()) {
      parts.push(this.quantified(this.atom()));
    }
    return { kind: 'all', parts };
  }

  private atom(): Node {
    const character = this.advance();
    switch (character) {
      case '^':
        return { kind: 'start' };
      case '$':
        return { kind: 'end' };
      case '.':
        return setOf((other) => other !== '\n' && other !== '\r', []);
      case '[':
        return this.characterClass();
      case '(':
        return this.group();
      case '\\':
        if (this.take('b')) return { kind: 'boundary' };
        if (this.take('B')) return { kind: 'inside' };
        return this.escape();
      case '*':
      case '+':
      case '?':
        return this.fail();
      default:
        return literal(character);
    }
  }

  private group(): Node {
    if (this.take('?') && !this.take(':')) {
      if (!this.take('<') || this.peek() === '=' || this.peek() === '!') this.fail();
      while (this.advance() !== '>');
    }
    const node = this.alternatives();
    if (!this.take(')')) this.fail();
    return node;
  }

  private quantified(node: Node): Node {
    let range: readonly [number, number] | undefined;
    if (this.take('*')) range = [0, Number.POSITIVE_INFINITY];
    else if (this.take('+')) range = [1, Number.POSITIVE_INFINITY];
    else if (this.take('?')) range = [0, 1];
    else if (this.peek() === '{') range = this.braces();
    if (range === undefined) return node;
    this.take('?');
    return { kind: 'repeat', node, min: range[0], max: range[1] };
  }

  private braces(): readonly [number, number] {
    const rest = this.characters.slice(this.at, this.at + 24).join('');
    const match = /^\{(\d{1,9})(,(\d{1,9})?)?\}/.exec(rest);
    if (match === null) return this.fail();
    this.at += match[0].length;
    const min = Number(match[1]);
    const max =
      match[2] === undefined ? min : match[3] === undefined ? Number.POSITIVE_INFINITY : Number(match[3]);
    return max < min ? this.fail() : [min, max];
  }

  private characterClass(): Node {
    const negated = this.take('^');
    const parts: SetNode[] = [];
    while (!this.take(']')) {
      const from = this.classMember();
      const low = from.own[0];
      if (this.peek() === '-' && this.characters[this.at + 1] !== ']' && low !== undefined) {
        this.at += 1;
        const high = this.classMember().own[0];
        if (high === undefined || codeOf(high) < codeOf(low)) this.fail();
        else parts.push(rangeOf(low, high));
      } else {
        parts.push(from);
      }
    }
    const has = (character: string) => parts.some((part) => part.has(character)) !== negated;
    return setOf(has, negated ? [] : parts.flatMap((part) => part.own));
  }

  private classMember(): SetNode {
    const character = this.advance();
    if (character !== '\\') return literal(character);
    return this.take('b') ? literal('\b') : this.escape();
  }

  /** Parses an escape. */
  private escape(): SetNode {
    const character = this.advance();
    const inClass = CLASSES[character];
    if (inClass !== undefined) return setOf(inClass, []);
    const control = CONTROLS[character];
    if (control !== undefined) return literal(control);
    if (character === 'p' || character === 'P') return this.property(character);
    if (character === 'x') return literal(this.hex(/^[0-9a-fA-F]{2}/));
    if (character === 'u') return literal(this.hex(/^(?:[0-9a-fA-F]{4}|\{[0-9a-fA-F]{1,6}\})/));
    if (/^[\w]$/.test(character)) this.fail();
    return literal(character);
  }

  private property(letter: string): SetNode {
    const rest = this.characters.slice(this.at, this.at + 60).join('');
    const match = /^\{[\w=]+\}/.exec(rest);
    if (match === null) return this.fail();
    this.at += match[0].length;
    const expression = this.compile(`^\\${letter}${match[0]}$`);
    return setOf((character) => expression.test(character), []);
  }

  private compile(source: string): RegExp {
    try {
      return new RegExp(source, 'u');
    } catch {
      return this.fail();
    }
  }

  private hex(shape: RegExp): string {
    const match = shape.exec(this.characters.slice(this.at, this.at + 10).join(''));
    if (match === null) return this.fail();
    this.at += match[0].length;
    const code = Number.parseInt(match[0].replace(/[{}]/g, ''), 16);
    return code > 0x10ffff ? this.fail() : String.fromCodePoint(code);
  }

  private peek(): string | undefined {
    return this.characters[this.at];
  }

  private take(character: string): boolean {
    if (this.peek() !== character) return false;
    this.at += 1;
    return true;
  }

  private advance(): string {
    const character = this.peek();
    if (character === undefined) return this.fail();
    this.at += 1;
    return character;
  }

  private fail(): never {
    throw new SchemaError(`the pattern '${this.source}' is not supported`);
  }
}

function literal(character: string): SetNode {
  return { kind: 'set', has: (other) => other === character, own: [character], samples: [character] };
}

function rangeOf(low: string, high: string): SetNode {
  const [from, to] = [codeOf(low), codeOf(high)];
  return setOf((character) => codeOf(character) >= from && codeOf(character) <= to, [low, high]);
}

/** @param own characters in the set, for sets without any of the common ones */
function setOf(has: (character: string) => boolean, own: readonly string[]): SetNode {
  const known = SAMPLES.filter(has);
  // Letters and digits are preferred.
  const plain = known.filter(isWord);
  return { kind: 'set', has, own, samples: plain.length > 0 ? plain : known.length > 0 ? known : own };
}

function codeOf(character: string): number {
  return character.codePointAt(0) ?? 0;
}

/** @returns every position after the node, from any of the given positions */
function advance(
  node: Node,
  from: ReadonlySet<number>,
  text: readonly string[],
  budget: Budget,
): Set<number> {
  budget.spend(from.size + 1);
  switch (node.kind) {
    case 'set':
      return new Set(filter(from, (at) => at < text.length && node.has(text[at] ?? '')).map((at) => at + 1));
    case 'start':
      return new Set(filter(from, (at) => at === 0));
    case 'end':
      return new Set(filter(from, (at) => at === text.length));
    case 'boundary':
    case 'inside':
      return new Set(filter(from, (at) => isBoundary(text, at) === (node.kind === 'boundary')));
    case 'all': {
      let positions = new Set(from);
      for (const part of node.parts) positions = advance(part, positions, text, budget);
      return positions;
    }
    case 'any':
      return new Set(node.options.flatMap((option) => [...advance(option, from, text, budget)]));
    case 'repeat':
      return repeat(node, from, text, budget);
  }
}

function repeat(
  { node, min, max }: Extract<Node, { kind: 'repeat' }>,
  from: ReadonlySet<number>,
  text: readonly string[],
  budget: Budget,
): Set<number> {
  let positions = new Set(from);
  for (let count = 0; count < min && positions.size > 0; count++) {
    const next = advance(node, positions, text, budget);
    // A repetition of a node that can be empty reaches a fixed point.
    if (next.size === positions.size && [...next].every((at) => positions.has(at))) break;
    positions = next;
  }
  const reached = new Set(positions);
  for (let count = min; count < max && positions.size > 0; count++) {
    positions = new Set(filter(advance(node, positions, text, budget), (at) => !reached.has(at)));
    for (const at of positions) reached.add(at);
  }
  return reached;
}

function filter(positions: ReadonlySet<number>, keep: (at: number) => boolean): number[] {
  return [...positions].filter(keep);
}

function isBoundary(text: readonly string[], at: number): boolean {
  return isWord(text[at - 1] ?? '') !== isWord(text[at] ?? '');
}

function generate(node: Node, random: Random, extra: () => number, budget: Budget): string {
  budget.spend();
  switch (node.kind) {
    case 'set':
      return sample(node, random);
    case 'all':
      return node.parts.map((part) => generate(part, random, extra, budget)).join('');
    case 'any':
      return generate(random.pick(node.options), random, extra, budget);
    case 'repeat': {
      const count = Math.min(node.max, node.min + extra());
      let text = '';
      for (let i = 0; i < count; i++) text += generate(node.node, random, extra, budget);
      return text;
    }
    default:
      return '';
  }
}

function sample(node: SetNode, random: Random): string {
  if (node.samples.length > 0) return random.pick(node.samples);
  throw new SchemaError('a pattern asks for characters that the simulator does not know');
}
