import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import type { RedisClient } from '../../platform/redis-client.ts';

/** A Lua script of this folder, which runs as one step. */
export class RedisScript {
  readonly #text: string;
  readonly #digest: string;

  constructor(
    private readonly client: RedisClient,
    name: string,
  ) {
    this.#text = readFileSync(new URL(`./${name}.lua`, import.meta.url), 'utf8');
    this.#digest = createHash('sha1').update(this.#text).digest('hex');
  }

  /** @param parameters what the script is told, as JSON: clients take long for many arguments */
  async run(keys: readonly string[], parameters: readonly unknown[]): Promise<unknown> {
    const rest = [String(keys.length), ...keys, JSON.stringify(parameters)];
    try {
      return await this.client.call('EVALSHA', [this.#digest, ...rest]);
    } catch (error) {
      // A server that has begun anew knows no scripts.
      if (error instanceof Error && error.message.startsWith('NOSCRIPT')) {
        return this.client.call('EVAL', [this.#text, ...rest]);
      }
      throw error;
    }
  }
}
