import { fnv1a } from './hash.ts';

/** UTF-16 units of one block: about 64 tokens, the size of four KV-cache blocks of common engines. */
const BLOCK = 256;
/** Only this many blocks of a prompt are compared. */
const MAX_BLOCKS = 512;
/** Blocks in the index, over all models: about 100 bytes each. */
const MAX_INDEXED = 200_000;

/**
 * Hashes a prompt block by block, each hash over all text up to the end of its block, so that equal hashes mean equal
 * prefixes. An incomplete last block is not hashed.
 * @returns at most 512 hashes of 32 bits
 */
export function prefixChain(parts: readonly string[]): number[] {
  const chain: number[] = [];
  let hash = 0x811c9dc5;
  let block = '';
  for (const part of parts) {
    for (let at = 0; at < part.length; ) {
      const room = BLOCK - block.length;
      block += part.slice(at, at + room);
      at += room;
      if (block.length < BLOCK) break;
      hash = fnv1a(block, hash);
      chain.push(hash);
      if (chain.length === MAX_BLOCKS) return chain;
      block = '';
    }
  }
  return chain;
}

/** Maps prompt prefixes to the targets that processed them; drops the least recently used first. */
export class PrefixIndex {
  /**
   * By block: targets, and when they processed it last, in monotonic milliseconds. A map keeps its insertion order, so the
   * first entry is the oldest.
   */
  readonly #blocks = new Map<string, Map<string, number>>();

  constructor(private readonly most = MAX_INDEXED) {}

  get size(): number {
    return this.#blocks.size;
  }

  /** @param scope keeps prompts of different models and tenants apart */
  add(scope: string, chain: readonly number[], target: string, now = 0): void {
    for (const hash of chain) {
      const key = `${scope} ${hash}`;
      const seen = this.#blocks.get(key);
      if (seen) {
        // Inserted again, so that it is the most recent entry.
        this.#blocks.delete(key);
        this.#blocks.set(key, seen.set(target, now));
      } else this.#blocks.set(key, new Map([[target, now]]));
    }
    for (const oldest of this.#blocks.keys()) {
      if (this.#blocks.size <= this.most) break;
      this.#blocks.delete(oldest);
    }
  }

  /**
   * @param since monotonic milliseconds: blocks that were processed before do not count
   * @returns how many leading blocks of the chain a target has processed
   */
  seen(scope: string, chain: readonly number[], target: string, since = Number.NEGATIVE_INFINITY): number {
    let count = 0;
    for (const hash of chain) {
      const at = this.#blocks.get(`${scope} ${hash}`)?.get(target);
      if (at === undefined || at < since) break;
      count += 1;
    }
    return count;
  }

  /** Removes a target that has lost its cache. */
  forget(target: string): void {
    for (const [key, seen] of this.#blocks) {
      if (seen.delete(target) && seen.size === 0) this.#blocks.delete(key);
    }
  }
}
