import { Cluster, Redis } from 'ioredis';
import { type RedisClient, type RedisSettings, reconnectDelay } from '../../platform/redis-client.ts';

/**
 * Connects with ioredis: to a cluster, to the server that Sentinel names, or to a single server. Unlike the runtime's
 * client it reports why a server is unreachable. Commands fail at once while it is not connected.
 */
export function connectIoredis({ url, ca, timeoutMs, onError }: RedisSettings): RedisClient {
  const { scheme, nodes, name, login } = parse(url);
  const common = {
    commandTimeout: timeoutMs,
    connectTimeout: Math.max(timeoutMs, 1_000),
    maxRetriesPerRequest: 0,
    autoResendUnfulfilledCommands: false,
    ...login,
    ...(scheme.startsWith('rediss') ? { tls: ca === undefined ? {} : { ca } } : {}),
  };
  let client: Redis | Cluster;
  if (scheme.endsWith('+cluster')) {
    client = new Cluster(nodes, {
      enableOfflineQueue: false,
      redisOptions: common,
      clusterRetryStrategy: reconnectDelay,
      slotsRefreshTimeout: 5_000,
    });
  } else {
    const options = { enableOfflineQueue: false, ...common, retryStrategy: reconnectDelay };
    client = scheme.endsWith('+sentinel')
      ? new Redis({ ...options, sentinels: nodes, name })
      : new Redis(url, options);
  }
  client.on('error', onError);
  const ready = new Promise<void>((resolve) => client.once('ready', () => resolve()));
  return {
    get ready() {
      return client.status === 'ready';
    },
    call: (command, args) => client.call(command, ...args),
    connected: () => ready,
    disconnect: () => client.disconnect(),
  };
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
