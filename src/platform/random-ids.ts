import { randomBytes } from 'node:crypto';

const BYTES = 16;
/** Random bytes are drawn in blocks: one call for each id costs ten times as much. */
const IDS_AT_ONCE = 256;

/** Generates ids of 128 random bits, in lower-case hex. */
export function randomIds(prefix: string): () => string {
  let hex = '';
  let at = 0;
  return () => {
    if (at === hex.length) {
      hex = randomBytes(BYTES * IDS_AT_ONCE).toString('hex');
      at = 0;
    }
    at += 2 * BYTES;
    return prefix + hex.slice(at - 2 * BYTES, at);
  };
}
