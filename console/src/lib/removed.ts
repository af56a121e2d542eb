import type { QueryClient } from '@tanstack/react-query';

/** Reads everything again but what was removed: it would be an error. @param path of the removed object */
export function readOthersAgain(client: QueryClient, path: string): Promise<void> {
  return client.invalidateQueries({ predicate: ({ queryKey }) => !JSON.stringify(queryKey).includes(path) });
}
