import { alternatives, type Shape } from './shape.ts';

export type Json = Readonly<Record<string, unknown>>;

/** Values for members whose type alone says too little: the first pattern that matches the member's label counts. */
export type ValueRules = readonly (readonly [
  label: RegExp,
  make: (mark: string, count: number) => unknown,
])[];

const MAX_DEPTH = 12;

/** Makes values that can be recognised wherever they arrive. */
export class Values {
  #count = 0;

  constructor(private readonly rules: ValueRules) {}

  /** @returns the least value of a shape: required members only */
  least(shape: Shape, label: string, depth = 0): unknown {
    this.#count += 1;
    const rule = this.rules.find(([pattern]) => pattern.test(label));
    if (rule) return rule[1](`zq${this.#count}`, this.#count);
    switch (shape.kind) {
      case 'text':
        return `zq${this.#count}`;
      case 'number':
        return 1000 + this.#count;
      case 'boolean':
        return this.#count % 2 === 0;
      case 'literal':
        return shape.values[0];
      case 'null':
        return null;
      case 'any':
        return { [`zq${this.#count}`]: `zq${this.#count}` };
      case 'record':
        return { [`zq${this.#count}`]: this.least(shape.of, label, depth + 1) };
      case 'list':
        return [this.least(shape.of, label, depth + 1)];
      case 'choice':
        return this.least(shape.of.find(({ kind }) => kind === 'text') ?? first(shape), label, depth);
      case 'object': {
        if (depth > MAX_DEPTH) return {};
        const required = shape.type.members().filter(({ optional }) => !optional);
        return Object.fromEntries(
          required.map((one) => [one.name, this.least(one.shape, `${label}.${one.name}`, depth + 1)]),
        );
      }
    }
  }

  /** @returns different values of a shape: each of a fixed set, else two */
  variants(shape: Shape, label: string): unknown[] {
    if (shape.kind === 'literal') return [...shape.values];
    if (shape.kind === 'boolean') return [true, false];
    if (shape.kind === 'null') return [null];
    if (shape.kind === 'list' && !this.rules.some(([pattern]) => pattern.test(label)))
      return this.variants(shape.of, label).map((value) => [value]);
    return [this.least(shape, label), this.least(shape, label)];
  }
}

function first(shape: Shape): Shape {
  return alternatives(shape)[0] ?? { kind: 'null' };
}
