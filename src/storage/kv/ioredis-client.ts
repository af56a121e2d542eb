import { Cluster, Redis } from 'ioredis';
import {
  type RedisClient,
  type RedisSettings,
  type RedisSubscription,
  reconnectDelay,
  redisTlsOptions,
  SUBSCRIPTION_PING_MS,
  type SubscriptionSettings,
} from '../../platform/redis-client.ts';

/**
 * Connects with ioredis: to a cluster, to the server that Sentinel names, or to a single server. Unlike the runtime's
 * client it reports why a server is unreachable. Commands fail at once while it is not connected.
 */
export function connectIoredis(settings: RedisSettings): RedisClient {
  const client = open(settings);
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

/** Subscribes at the server that Sentinel names, on a connection that sends nothing else. */
export function subscribeIoredis(settings: SubscriptionSettings): RedisSubscription {
  const { channel, onMessage, onSubscribed, onError } = settings;
  const client = open(settings);
  client.on('message', (_channel, text) => onMessage(text));
  client.on('ready', () => {
    client.subscribe(channel).then(onSubscribed, onError);
  });
  const ping = setInterval(() => {
    if (client.status !== 'ready') return;
    // A server that is gone without a word: only a command detects it.
    client.ping().catch(() => client.disconnect(true));
  }, SUBSCRIPTION_PING_MS);
  ping.unref();
  return {
    close: () => {
      clearInterval(ping);
      client.disconnect();
    },
  };
}

function open({ url, timeoutMs, isReplica = false, onError, ...tls }: RedisSettings): Redis | Cluster {
  const { scheme, nodes, name, login } = parse(url);
  const common = {
    commandTimeout: timeoutMs,
    connectTimeout: Math.max(timeoutMs, 1_000),
    maxRetriesPerRequest: 0,
    // Subscriptions are renewed by their owner, who then knows that messages were missed.
    autoResubscribe: false,
    autoResendUnfulfilledCommands: false,
    ...login,
    ...(scheme.startsWith('rediss') ? { tls: redisTlsOptions(tls) ?? {} } : {}),
  };
  let client: Redis | Cluster;
  if (scheme.endsWith('+cluster')) {
    client = new Cluster(nodes, {
      enableOfflineQueue: false,
      redisOptions: common,
      clusterRetryStrategy: reconnectDelay,
      slotsRefreshTimeout: 5_000,
      // Slots without a replica are read from their primary.
      scaleReads: isReplica ? 'slave' : 'master',
    });
  } else {
    const options = { enableOfflineQueue: false, ...common, retryStrategy: reconnectDelay };
    client = scheme.endsWith('+sentinel')
      ? new Redis({ ...options, sentinels: nodes, name, role: isReplica ? 'slave' : 'master' })
      : UNIX.test(url)
        ? new Redis({ ...options, path: url.replace(UNIX, '') })
        : new Redis(url, options);
  }
  client.on('error', onError);
  return client;
}

/** A server at a Unix socket. */
const UNIX = /^redis\+unix:\/\//i;

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
