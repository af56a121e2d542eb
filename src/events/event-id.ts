import { createHash } from 'node:crypto';

/** An id that is derived from content, so that the same content is one event. */
export function derivedEventId(...content: readonly (string | number)[]): string {
  return `evt_${createHash('sha256').update(JSON.stringify(content)).digest('hex').slice(0, 32)}`;
}
