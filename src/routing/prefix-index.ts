import { fnv1a } from './hash.ts';

/** Characters of one block: about 64 tokens, and four of vLLM's blocks. */
const BLOCK = 256;
/** Longer prompts are told apart by their first blocks. */
const MAX_BLOCKS = 512;
/** Remembered blocks, over all models: about 100 bytes each. */
const MAX_REMEMBERED = 200_000;

/**
 * The blocks of a prompt as a chain of hashes: each stands for all the text up to its end, so that equal hashes mean
 * equal beginnings. The last block counts only when it is full.
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

/** Remembers which targets saw which beginnings of prompts, the least recent ones forgotten first. */
export class PrefixIndex {
  /** By block, the targets that saw it. A map keeps its order, so the first is the oldest. */
  readonly #blocks = new Map<string, Set<string>>();

  constructor(private readonly most = MAX_REMEMBERED) {}

  get size(): number {
    return this.#blocks.size;
  }

  /** @param scope what keeps prompts apart that must not be told from each other, such as model and tenant */
  add(scope: string, chain: readonly number[], target: string): void {
    for (const hash of chain) {
      const key = `${scope} ${hash}`;
      const seen = this.#blocks.get(key);
      if (seen) {
        // Read again, so it is young again.
        this.#blocks.delete(key);
        this.#blocks.set(key, seen.add(target));
      } else this.#blocks.set(key, new Set([target]));
    }
    for (const oldest of this.#blocks.keys()) {
      if (this.#blocks.size <= this.most) break;
      this.#blocks.delete(oldest);
    }
  }

  /** How many leading blocks a target has seen. */
  seen(scope: string, chain: readonly number[], target: string): number {
    let count = 0;
    for (const hash of chain) {
      if (!this.#blocks.get(`${scope} ${hash}`)?.has(target)) break;
      count += 1;
    }
    return count;
  }

  /** A target has lost its cache. */
  forget(target: string): void {
    for (const [key, seen] of this.#blocks) {
      if (seen.delete(target) && seen.size === 0) this.#blocks.delete(key);
    }
  }
}
