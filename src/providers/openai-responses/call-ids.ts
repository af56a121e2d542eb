import { shortenedId } from '../shortened-ids.ts';

const MAX_LENGTH = 64;

/** Shortens ids of other providers that are longer than the API accepts. Equal ids give equal results. */
export function callId(id: string): string {
  return shortenedId(id, MAX_LENGTH);
}
