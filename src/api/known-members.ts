import type { z } from 'zod';

/**
 * @param path of an object in a value of the schema
 * @returns the names of its members; empty where the schema does not say
 */
export function knownMembers(schema: z.core.$ZodType, path: readonly PropertyKey[]): readonly string[] {
  const { def } = (schema as z.core.$ZodTypes)._zod;
  const [next, ...rest] = path;
  switch (def.type) {
    case 'object': {
      if (next === undefined) return Object.keys(def.shape);
      const member = Object.hasOwn(def.shape, next) ? def.shape[String(next)] : undefined;
      return member ? knownMembers(member, rest) : [];
    }
    case 'array':
      return next === undefined ? [] : knownMembers(def.element, rest);
    case 'record':
      return next === undefined ? [] : knownMembers(def.valueType, rest);
    case 'union': {
      // Alternatives that allow different members name none of them: the value may be meant for any.
      const found = def.options
        .map((option) => knownMembers(option, path))
        .filter(({ length }) => length > 0);
      return found.length === 1 ? (found[0] ?? []) : [];
    }
    case 'intersection':
      return [...new Set([...knownMembers(def.left, path), ...knownMembers(def.right, path)])];
    case 'pipe':
      return knownMembers(def.in, path);
    case 'lazy':
      return knownMembers(def.getter(), path);
    case 'optional':
    case 'nullable':
    case 'default':
    case 'prefault':
    case 'nonoptional':
    case 'catch':
    case 'readonly':
      return knownMembers(def.innerType, path);
    default:
      return [];
  }
}
