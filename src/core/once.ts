/**
 * Makes a value at the first call and keeps it.
 * @param make called again after it has thrown
 */
export function once<T>(make: () => T): () => T {
  let made: { readonly value: T } | undefined;
  return () => {
    made ??= { value: make() };
    return made.value;
  };
}
