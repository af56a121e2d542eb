/**
 * Makes a value at the first call and keeps it. Use it with `import()` for modules that few requests need.
 * @param load called once; called again after it has failed
 * @returns a function that gives a promise while the value loads, and from then on the value itself, so that a caller
 * on the request path can do without a promise
 */
export function lazy<T>(load: () => Promise<T>): () => T | Promise<T> {
  let loaded: { readonly value: T } | undefined;
  let loading: Promise<T> | undefined;
  return () => {
    if (loaded) return loaded.value;
    loading ??= load().then(
      (value) => {
        loaded = { value };
        return value;
      },
      (error: unknown) => {
        loading = undefined;
        throw error;
      },
    );
    return loading;
  };
}
