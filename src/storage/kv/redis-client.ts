import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { Cluster, Redis } from 'ioredis';

export interface RedisSettings {
  /** `redis://`, `rediss://`, `redis+sentinel://host:port,.../name` or `redis+cluster://host:port,...`. */
  readonly url: string;
  /** What takes longer counts as lost. */
  readonly timeoutMs: number;
  readonly onError: (error: Error) => void;
}

export type RedisClient = Redis | Cluster;

/** What is tried again, and how soon: for as long as it takes. */
const retryStrategy = (times: number) => Math.min(2_000, 50 * 2 ** Math.min(times, 6));

/** Connects to Redis or Valkey: a single server, one behind Sentinel, or a cluster. */
export function connectRedis({ url, timeoutMs, onError }: RedisSettings): RedisClient {
  const { scheme, nodes, name, login } = parse(url);
  const common = {
    commandTimeout: timeoutMs,
    connectTimeout: Math.max(timeoutMs, 1_000),
    maxRetriesPerRequest: 0,
    autoResendUnfulfilledCommands: false,
    ...login,
    ...(scheme.startsWith('rediss') ? { tls: {} } : {}),
  };
  // What can't be sent now fails now: nobody waits for a server that may not come back.
  const queue = { enableOfflineQueue: false };
  let client: RedisClient;
  if (scheme.endsWith('+cluster')) {
    client = new Cluster(nodes, {
      ...queue,
      redisOptions: common,
      clusterRetryStrategy: retryStrategy,
      slotsRefreshTimeout: 5_000,
    });
  } else if (scheme.endsWith('+sentinel')) {
    client = new Redis({ ...queue, ...common, retryStrategy, sentinels: nodes, name });
  } else client = new Redis(url, { ...queue, ...common, retryStrategy });
  client.on('error', onError);
  return client;
}

interface ParsedUrl {
  readonly scheme: string;
  readonly nodes: { host: string; port: number }[];
  readonly name: string;
  readonly login: { username?: string; password?: string };
}

const DEFAULT_PORT = 6_379;

function parse(url: string): ParsedUrl {
  const match = /^([a-z+]+):\/\/(?:([^@/]*)@)?([^/?]+)(?:\/([^/?]*))?/i.exec(url);
  const [, scheme = 'redis', credentials, hosts = '', name = ''] = match ?? [];
  const [username, password] =
    credentials === undefined ? [] : credentials.split(':').map(decodeURIComponent);
  return {
    scheme: scheme.toLowerCase(),
    nodes: hosts.split(',').map((entry) => {
      const at = entry.lastIndexOf(':');
      return at < 0
        ? { host: entry, port: DEFAULT_PORT }
        : { host: entry.slice(0, at), port: Number(entry.slice(at + 1)) };
    }),
    name,
    login: { ...(username ? { username } : {}), ...(password ? { password } : {}) },
  };
}

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

  /** @param parameters what the script is told, as JSON: the client takes about a microsecond for every argument */
  async run(keys: readonly string[], parameters: readonly unknown[]): Promise<unknown> {
    const rest = [keys.length, ...keys, JSON.stringify(parameters)];
    try {
      return await this.client.call('EVALSHA', this.#digest, ...rest);
    } catch (error) {
      // A server that has begun anew knows no scripts.
      if (error instanceof Error && error.message.startsWith('NOSCRIPT')) {
        return this.client.call('EVAL', this.#text, ...rest);
      }
      throw error;
    }
  }
}
