import { alternatives, discriminators, type ObjectShape, type Shape } from './shape.ts';
import type { Json, Values } from './values.ts';

/** Completes a message around one value. Without a value, the message has everything else. */
export type Hole<Message> = (value: unknown) => Message;

/** One member of a published type, in messages that differ by its value only. */
export interface Visit<Message> {
  /** Path for people, with the alternatives that lead to it: `messages[role=user].content[type=text].text`. */
  readonly label: string;
  readonly name: string;
  readonly values: readonly unknown[];
  /** One message for each value. */
  readonly variants: () => readonly Message[];
  /** The message without it; undefined for a required member. */
  readonly without: Message | undefined;
}

export type Visitor<Message> = (visit: Visit<Message>) => void;

export interface WalkOptions {
  readonly values: Values;
  /** Members that are not walked, by label. */
  readonly skipped: readonly RegExp[];
  /** Lists that need other entries beside the one that is tried. */
  readonly lists: readonly (readonly [
    label: RegExp,
    entries: (entry: Json | undefined) => readonly unknown[],
  ])[];
}

/** Walks every member of an object type. */
export class Walk<Message> {
  constructor(
    private readonly options: WalkOptions,
    private readonly visitor: Visitor<Message>,
  ) {}

  /** Walks the members of each object type of a choice. */
  alternatives(types: readonly Shape[], hole: Hole<Message>): void {
    const objects = types.flatMap((type) => (type.kind === 'choice' ? type.of : [type]));
    for (const [index, one] of objects.entries()) {
      if (one.kind === 'object') this.members(one, hole, objects.length === 1 ? '' : tagOf(one, index));
    }
  }

  members(shape: ObjectShape, hole: Hole<Message>, label = '', stack: readonly number[] = []): void {
    const { values, skipped } = this.options;
    if (stack.includes(shape.type.id)) return;
    const inside = [...stack, shape.type.id];
    const least = values.least(shape, label);
    const rest: Json = typeof least === 'object' && least !== null ? { ...least } : {};
    const fixed = new Set(discriminators(shape).map(({ name }) => name));
    for (const member of shape.type.members()) {
      const { name, optional } = member;
      const path = label === '' ? name : `${label}.${name}`;
      if (fixed.has(name) || skipped.some((pattern) => pattern.test(path))) continue;
      const { [name]: _, ...others } = rest;
      const without = optional ? hole(others) : undefined;
      this.#visit(member.shape, name, (value) => hole({ ...rest, [name]: value }), without, path, inside);
    }
  }

  #visit(
    shape: Shape,
    name: string,
    hole: Hole<Message>,
    without: Message | undefined,
    label: string,
    stack: readonly number[],
  ): void {
    const { values } = this.options;
    const report = (given: readonly unknown[], path = label) =>
      this.visitor({ label: path, name, values: given, variants: () => given.map(hole), without });
    const objects: ObjectShape[] = [];
    for (const one of alternatives(shape)) {
      if (one.kind === 'object') objects.push(one);
      else if (one.kind === 'list') {
        if (hasObject(one.of)) this.#list(one.of, name, hole, label, stack);
        else report(values.variants(one, label), alternatives(shape).length > 1 ? `${label}[]` : label);
      } else if (one.kind === 'record' && hasObject(one.of)) {
        this.#visit(one.of, name, (value) => hole({ zqkey: value }), without, `${label}{}`, stack);
      } else report(values.variants(one, label));
    }
    const isOne = alternatives(shape).length === 1;
    for (const [index, object] of objects.entries()) {
      const tag = isOne && discriminators(object).length === 0 ? '' : tagOf(object, index);
      this.#object(object, name, hole, without, `${label}${tag}`, stack);
    }
  }

  #list(of: Shape, name: string, hole: Hole<Message>, label: string, stack: readonly number[]): void {
    const rule = this.options.lists.find(([pattern]) => pattern.test(label));
    const entries = rule ? rule[1] : (entry: Json | undefined) => (entry === undefined ? [] : [entry]);
    const around: Hole<Message> = (value) => hole(entries(value as Json | undefined));
    this.#visit(of, name, around, around(undefined), `${label}[]`, stack);
  }

  #object(
    object: ObjectShape,
    name: string,
    hole: Hole<Message>,
    without: Message | undefined,
    label: string,
    stack: readonly number[],
  ): void {
    if (stack.includes(object.type.id)) return;
    const least = this.options.values.least(object, label);
    const isEmpty = typeof least === 'object' && least !== null && Object.keys(least).length === 0;
    if (!isEmpty && without !== undefined) {
      this.visitor({ label, name, values: [least], variants: () => [hole(least)], without });
    }
    this.members(object, hole, label, stack);
  }
}

function hasObject(shape: Shape): boolean {
  return alternatives(shape).some(
    (one) => one.kind === 'object' || ((one.kind === 'list' || one.kind === 'record') && hasObject(one.of)),
  );
}

/** @returns a name of one alternative: its discriminator, else its first required member */
function tagOf(object: ObjectShape, index: number): string {
  const [found] = discriminators(object);
  if (found) return `(${found.name}=${String(found.value)})`;
  const required = object.type.members().find(({ optional }) => !optional) ?? object.type.members()[0];
  return `(${required?.name ?? index})`;
}
