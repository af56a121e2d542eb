import type { Origins } from './origins.ts';
import { type ConfigPath, formatPath } from './path.ts';
import type { Config } from './schema.ts';

/** Where a value of the active configuration comes from, when it is not a default. */
export interface ValueSource {
  readonly from: 'file' | 'environment' | 'admin';
  /** Line in the file, from 1. */
  readonly line: number | null;
  /** Environment variables: the one that sets the value, or those that the file names in it. */
  readonly variables: readonly string[];
}

/** As interpolation accepts them. */
const VARIABLE = /\$\{([A-Za-z_][A-Za-z0-9_]*)/g;

/**
 * @param config the active configuration with all defaults
 * @returns the source of each value that is not a default, by its path such as `server.port` or `models[0].id`
 */
export function sourcesOf(config: Config, origins: Origins): ReadonlyMap<string, ValueSource> {
  const sources = new Map<string, ValueSource>();
  const visit = (value: unknown, path: ConfigPath): void => {
    if (typeof value === 'object' && value !== null && Object.keys(value).length > 0) {
      if (Array.isArray(value)) for (const [index, item] of value.entries()) visit(item, [...path, index]);
      else for (const [name, item] of Object.entries(value)) visit(item, [...path, name]);
      return;
    }
    const origin = origins.sourceOf(path);
    if (!origin) return;
    const key = formatPath(path);
    if (origin.kind === 'overlay') sources.set(key, { from: 'admin', line: null, variables: [] });
    else if (origin.kind === 'environment') {
      sources.set(key, { from: 'environment', line: null, variables: origin.variable.split(', ') });
    } else {
      const variables = Array.from((origin.template ?? '').matchAll(VARIABLE), ([, name = '']) => name);
      sources.set(key, { from: 'file', line: origin.value.line, variables });
    }
  };
  visit(config, []);
  return sources;
}
