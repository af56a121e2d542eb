import { mkdirSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import type { Clock } from '../../core/clock.ts';
import type { Logger } from '../../observability/log.ts';
import { findProgram } from '../../platform/child-process.ts';
import { type GuardedProgram, startGuardedProgram } from '../../platform/guarded-program.ts';
import type { RedisClient } from '../../platform/redis-client.ts';
import { connectRedis } from '../../storage/kv/connect-redis.ts';
import { PrivateSocket } from './private-socket.ts';
import { NoRedisError } from './worker-errors.ts';

export interface PrivateRedisOptions {
  readonly folder: string;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly clock: Clock;
  readonly logger: Logger;
}

const PROGRAMS = ['redis-server', 'valkey-server'] as const;

/** @returns the program that counts limits for workers where no Redis is configured; undefined when none is installed */
export function redisProgram(searchPath: string | undefined): string | undefined {
  return PROGRAMS.map((name) => findProgram(name, searchPath)).find((path) => path !== undefined);
}

const START_MS = 10_000;
const FIRST_PAUSE_MS = 100;
const MAX_PAUSE_MS = 5_000;
/** One that ran for so long has not failed at its start. */
const STABLE_MS = 30_000;

/**
 * Counts limits for the workers of one machine: a Redis without a TCP port, which keeps nothing on disk, because the databases
 * have what must outlive it. It ends with this process, and is started again when it dies.
 */
export class PrivateRedis {
  readonly #socket: PrivateSocket;
  readonly #program: string;
  readonly #config: string;
  readonly #folder: string;
  #running: GuardedProgram | undefined;
  #startedAt = 0;
  #pauseMs = FIRST_PAUSE_MS;
  #isStopping = false;

  /** @throws NoRedisError when neither Redis nor Valkey is installed */
  constructor(private readonly options: PrivateRedisOptions) {
    const { env } = options;
    const found = redisProgram(env.PATH);
    if (found === undefined) {
      throw new NoRedisError(
        'Workers share limits through Redis, and there is none: "storage.redis_url" is not set, and neither redis-server nor valkey-server is in PATH. Install one (apt-get install redis-server), set REDIS_URL, or start Weir without --workers.',
      );
    }
    this.#program = found;
    this.#folder = resolve(options.folder, 'redis');
    mkdirSync(this.#folder, { recursive: true, mode: 0o700 });
    this.#socket = new PrivateSocket(this.#folder, 'redis.sock');
    this.#config = join(this.#folder, 'redis.conf');
  }

  /** For `storage.redis_url`. */
  get url(): string {
    return `redis+unix://${this.#socket.path}`;
  }

  get pid(): number | undefined {
    return this.#running?.pid;
  }

  /** Starts it. Resolves when it responds. @throws NoRedisError when it does not */
  async start(): Promise<void> {
    await this.#endLeftover();
    writeFileSync(this.#config, configText(this.#folder, this.#socket.path), { mode: 0o600 });
    const failed = Promise.withResolvers<never>();
    failed.promise.catch(() => undefined);
    this.#run((how) => failed.reject(new NoRedisError(`${this.#program} ${how}`)));
    const late = new AbortController();
    const timeout = this.options.clock.sleep(START_MS, late.signal).then(
      () => {
        throw new NoRedisError(`${this.#program} does not respond at ${this.#socket.path}`);
      },
      () => undefined,
    );
    const client = await this.#client();
    try {
      await Promise.race([client.connected(), failed.promise, timeout]);
    } finally {
      late.abort();
      client.disconnect();
    }
  }

  async stop(): Promise<void> {
    this.#isStopping = true;
    await this.#running?.stop();
    this.#socket.remove();
  }

  #run(onEarlyExit?: (how: string) => void): void {
    const { clock, logger, env } = this.options;
    this.#startedAt = clock.now();
    this.#running = startGuardedProgram(
      [this.#program, this.#config],
      { cwd: this.#folder, env: { PATH: env.PATH ?? '', LC_ALL: 'C' } },
      {
        onExit: (how) => {
          this.#running = undefined;
          onEarlyExit?.(how);
          if (this.#isStopping) return;
          logger.error(
            { reason: how },
            'the private Redis ended: limits are counted by each worker until it is back',
          );
          void this.#restart();
        },
      },
    );
  }

  async #restart(): Promise<void> {
    const { clock } = this.options;
    if (clock.now() - this.#startedAt > STABLE_MS) this.#pauseMs = FIRST_PAUSE_MS;
    const pause = this.#pauseMs;
    this.#pauseMs = Math.min(2 * pause, MAX_PAUSE_MS);
    await clock.sleep(pause);
    if (!this.#isStopping) this.#run();
  }

  /** One that a killed Weir left, before its guard ended it. */
  async #endLeftover(): Promise<void> {
    const client = await this.#client();
    const timer = new AbortController();
    const late = this.options.clock.sleep(LEFTOVER_MS, timer.signal).catch(() => undefined);
    const connected = client.connected().then(async () => {
      // It closes the connection instead of a response.
      await client.call('SHUTDOWN', ['NOSAVE']).catch(() => undefined);
    });
    await Promise.race([connected, late]);
    timer.abort();
    client.disconnect();
    this.#socket.clear();
  }

  #client(): Promise<RedisClient> {
    return connectRedis({ url: this.url, timeoutMs: 1_000, onError: () => undefined });
  }
}

/** A Redis that runs accepts a connection in this time. Milliseconds. */
const LEFTOVER_MS = 200;

/** No port, no files but the socket, and no eviction: a counter that is evicted would allow more than its limit. */
function configText(folder: string, socket: string): string {
  const settings = [
    ['port', '0'],
    ['unixsocket', quoted(socket)],
    ['unixsocketperm', '700'],
    ['dir', quoted(folder)],
    ['daemonize', 'no'],
    ['save', '""'],
    ['appendonly', 'no'],
    ['maxmemory-policy', 'noeviction'],
    ['timeout', '0'],
    ['loglevel', 'warning'],
  ];
  return settings.map((setting) => `${setting.join(' ')}\n`).join('');
}

function quoted(text: string): string {
  return `"${text.replaceAll('\\', '\\\\').replaceAll('"', '\\"')}"`;
}
