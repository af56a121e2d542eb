export type Environment = Readonly<Record<string, string | undefined>>;

export interface Interpolation {
  readonly text: string;
  /** True when a variable or its default was substituted; false for plain text and for `$${`. */
  readonly substituted: boolean;
  readonly problems: readonly string[];
}

/** A `$${`, the escape of `${`; or `${`, its content, and its closing brace if there is one. */
const REFERENCE = /\$\$\{|\$\{([^}]*)(\}?)/g;
const INSIDE = /^([A-Za-z_][A-Za-z0-9_]*)(?::-([\s\S]*))?$/;

/**
 * Substitutes variables in one scalar: `${NAME}`, `${NAME:-default}`, and `$${` for a literal `${`. As in a shell, a
 * variable that is set but empty takes the default. The content of a variable is not substituted again.
 */
export function interpolate(template: string, env: Environment): Interpolation {
  if (!template.includes('${')) return { text: template, substituted: false, problems: [] };
  const problems: string[] = [];
  let substituted = false;
  const text = template.replace(REFERENCE, (reference, inside: string | undefined, close: string) => {
    if (inside === undefined) return '${';
    const match = INSIDE.exec(inside);
    const name = match?.[1];
    if (close === '' || name === undefined || inside.includes('${')) {
      problems.push(malformed(inside, close));
      return reference;
    }
    const value = Object.hasOwn(env, name) ? env[name] : undefined;
    const fallback = match?.[2];
    if (value === undefined && fallback === undefined) {
      problems.push(`the environment variable ${name} is not set (\${${name}:-default} sets a default)`);
      return reference;
    }
    substituted = true;
    return value === undefined || value === '' ? (fallback ?? '') : value;
  });
  return { text, substituted, problems };
}

function malformed(inside: string, close: string): string {
  const literal = 'write $${ for a literal ${';
  if (close === '') return `"\${" is never closed; ${literal}`;
  if (inside.includes('${')) return `a default cannot contain another "\${...}"; ${literal}`;
  return `"\${...}" needs the name of an environment variable; ${literal}`;
}
