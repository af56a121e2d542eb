import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import type { RedisClient } from '../../platform/redis-client.ts';

/** A Lua script of this folder. Redis runs it atomically. */
export class RedisScript {
  readonly #text: string;
  readonly #digest: string;

  constructor(
    private readonly client: RedisClient,
    /** File name without `.lua`. */
    name: string,
  ) {
    this.#text = readFileSync(new URL(`./${name}.lua`, import.meta.url), 'utf8');
    this.#digest = createHash('sha1').update(this.#text).digest('hex');
  }

  /**
   * @param keys the keys that the script accesses; in a cluster, all in one hash slot
   * @param parameters passed as one JSON list, because clients are slow with many arguments
   * @returns the script's reply
   * @throws Error when the server is unreachable or the script fails
   */
  async run(keys: readonly string[], parameters: readonly unknown[]): Promise<unknown> {
    const rest = [String(keys.length), ...keys, JSON.stringify(parameters)];
    try {
      return await this.client.call('EVALSHA', [this.#digest, ...rest]);
    } catch (error) {
      // A restarted server has no scripts; EVAL loads it again.
      if (error instanceof Error && error.message.startsWith('NOSCRIPT')) {
        return this.client.call('EVAL', [this.#text, ...rest]);
      }
      throw error;
    }
  }
}
