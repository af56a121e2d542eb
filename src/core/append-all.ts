/**
 * Appends items to a list.
 * `list.push(...items)` throws for more items than the engine accepts as arguments, which is about 65,000.
 */
export function appendAll<T>(list: T[], items: readonly T[]): void {
  for (const item of items) list.push(item);
}
