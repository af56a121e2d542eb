/** A published type, reduced to its JSON form. */
export type Shape =
  | { readonly kind: 'text' | 'number' | 'boolean' | 'null' | 'any' }
  /** One value of a fixed set. */
  | { readonly kind: 'literal'; readonly values: readonly (string | number | boolean)[] }
  | { readonly kind: 'list'; readonly of: Shape }
  /** Any names, with values of one shape. */
  | { readonly kind: 'record'; readonly of: Shape }
  | { readonly kind: 'object'; readonly type: ObjectType }
  | { readonly kind: 'choice'; readonly of: readonly Shape[] };

export type ObjectShape = Extract<Shape, { readonly kind: 'object' }>;

/** An object type. Its members are read when they are first needed, because types contain themselves. */
export interface ObjectType {
  /** Unique among the types of one reader. */
  readonly id: number;
  readonly members: () => readonly Member[];
}

export interface Member {
  readonly name: string;
  readonly optional: boolean;
  readonly shape: Shape;
}

/** @returns the alternatives of a choice; the shape itself otherwise */
export function alternatives(shape: Shape): readonly Shape[] {
  return shape.kind === 'choice' ? shape.of : [shape];
}

/** @returns the members with a single possible value, which tell an object from its alternatives */
export function discriminators(
  shape: ObjectShape,
): readonly { readonly name: string; readonly value: unknown }[] {
  return shape.type
    .members()
    .flatMap(({ name, shape: of, optional }) =>
      of.kind === 'literal' && of.values.length === 1 && (!optional || name === 'type')
        ? [{ name, value: of.values[0] }]
        : [],
    );
}
