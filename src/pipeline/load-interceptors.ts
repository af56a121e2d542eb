import type { AnyInterceptorDefinition } from './interceptor.ts';

/** A file of `interceptors/`. */
interface InterceptorModule {
  readonly interceptor: AnyInterceptorDefinition;
}

/**
 * @returns the definitions in the order of the arguments
 * @throws Error where two have the same name: they would share one key of the configuration
 */
export async function loadInterceptors(
  ...modules: readonly Promise<InterceptorModule>[]
): Promise<readonly AnyInterceptorDefinition[]> {
  const definitions = (await Promise.all(modules)).map(({ interceptor }) => interceptor);
  const names = new Set<string>();
  for (const { name } of definitions) {
    if (names.has(name)) throw new Error(`two interceptors have the name "${name}"`);
    names.add(name);
  }
  return definitions;
}
