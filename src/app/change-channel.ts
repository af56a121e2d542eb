import type { Config } from '../config/schema.ts';
import { isRecord, listOf, parseJsonText } from '../core/json.ts';
import type { EventSink } from '../events/event-bus.ts';
import type { RedisClient, RedisSubscription } from '../platform/redis-client.ts';
import { subscribeRedis } from '../storage/kv/connect-redis.ts';
import { RedisConnection, redisSettings } from './redis-connection.ts';

/** What has changed. */
export type ChangedArea = 'access' | 'config' | 'overlay';

/** Reloads what another gateway has changed. */
export type ChangeListener = () => Promise<unknown>;

/** Longer messages come from something else. */
const MAX_NOTICE = 64 * 1024;
/** Tenants that a notice names. */
const MAX_TENANTS = 100;

export interface ChangeChannelOptions {
  /** Names this process, and no other. */
  readonly self: string;
  readonly channel: string;
  readonly events: EventSink;
  /** Opens the connection that publishes; called once. */
  readonly connect: () => Promise<RedisClient>;
  /** Opens the subscription; called once, by `listen`. */
  readonly subscribe: (
    channel: string,
    onMessage: (text: string) => void,
    onSubscribed: () => void,
    onError: (error: Error) => void,
  ) => Promise<RedisSubscription>;
}

/**
 * Tells the other gateways of an installation that something changed, so that they reload at once what they would
 * otherwise find by polling. Nothing depends on it: a notice that is lost costs the polling interval.
 *
 * Changes made while a notice is being published share the next one, and notices that arrive during a reload share the
 * next reload: a flood of changes costs one of each at a time.
 */
export class ChangeChannel {
  readonly #listeners = new Map<ChangedArea, Reload>();
  readonly #areas = new Set<ChangedArea>();
  readonly #tenants = new Set<string>();
  #client: Promise<RedisClient> | undefined;
  #publishing: Promise<void> | undefined;
  #subscription: RedisSubscription | undefined;
  #isLost = false;
  #closed = false;

  constructor(private readonly options: ChangeChannelOptions) {}

  /** Publishes a change that is committed. Returns at once; a failure is left to the pollers. */
  publish(area: ChangedArea, tenant?: string): void {
    if (this.#closed) return;
    this.#areas.add(area);
    if (tenant !== undefined && this.#tenants.size <= MAX_TENANTS) this.#tenants.add(tenant);
    this.#publishing ??= this.#publishAll().finally(() => {
      this.#publishing = undefined;
    });
  }

  /** Reloads this area when another gateway has changed it, and after each connection, before which notices were lost. */
  onChange(area: ChangedArea, listener: ChangeListener): void {
    const { events } = this.options;
    this.#listeners.set(area, new Reload(listener, area, events));
  }

  /** Starts to receive notices. */
  async listen(): Promise<void> {
    const { channel, events, subscribe } = this.options;
    const subscription = await subscribe(
      channel,
      (text) => this.#receive(text),
      () => {
        if (this.#isLost) events.emit('change_channel.restored', {});
        this.#isLost = false;
        for (const reload of this.#listeners.values()) reload.run();
      },
      (error) => {
        if (!this.#isLost) events.emit('change_channel.lost', { error });
        this.#isLost = true;
      },
    );
    if (this.#closed) subscription.close();
    this.#subscription = subscription;
  }

  /** Resolves when notices and reloads under way have ended. */
  async idle(): Promise<void> {
    await this.#publishing;
    await Promise.all([...this.#listeners.values()].map((reload) => reload.idle()));
  }

  /** Publishes what is pending, then disconnects. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#subscription?.close();
    await this.idle();
    (await this.#client?.catch(() => undefined))?.disconnect();
  }

  async #publishAll(): Promise<void> {
    const { self, channel, connect } = this.options;
    while (this.#areas.size > 0) {
      const areas = [...this.#areas];
      const tenants = this.#tenants.size > MAX_TENANTS ? null : [...this.#tenants];
      this.#areas.clear();
      this.#tenants.clear();
      try {
        this.#client ??= connect();
        const client = await this.#client;
        // Names what changed, and holds no value and no secret. No tenants: more than a notice names.
        await client.call('PUBLISH', [channel, JSON.stringify({ from: self, areas, tenants })]);
      } catch (error) {
        this.options.events.emit('change_channel.publish_failed', { error });
      }
    }
  }

  #receive(text: string): void {
    const notice = text.length > MAX_NOTICE ? undefined : parseJsonText(text);
    // A gateway's own change is in its memory already.
    if (!isRecord(notice) || notice.from === this.options.self) return;
    const areas = listOf(notice.areas);
    for (const [area, reload] of this.#listeners) if (areas.includes(area)) reload.run();
  }
}

/** Runs one reload at a time, and one more for all requests that came during it. */
class Reload {
  #running: Promise<void> | undefined;
  #again = false;

  constructor(
    private readonly listener: ChangeListener,
    private readonly area: ChangedArea,
    private readonly events: EventSink,
  ) {}

  run(): void {
    this.#again = true;
    this.#running ??= this.#runAll().finally(() => {
      this.#running = undefined;
    });
  }

  async idle(): Promise<void> {
    await this.#running;
  }

  async #runAll(): Promise<void> {
    while (this.#again) {
      this.#again = false;
      try {
        await this.listener();
      } catch (error) {
        const impact = 'a change by another gateway is read with the next poll';
        this.events.emit('job.failed', { job: `reload ${this.area} after a notice`, impact, error });
      }
    }
  }
}

/** @param self names this process, and no other @returns undefined without `storage.redis_url` */
export function createChangeChannel(
  config: Config,
  self: string,
  events: EventSink,
): ChangeChannel | undefined {
  const settings = redisSettings(config);
  if (!settings) return undefined;
  const connection = new RedisConnection(settings);
  return new ChangeChannel({
    ...{ self, events, channel: `${config.storage.redis_prefix}:changes` },
    connect: () => connection.open(),
    subscribe: (channel, onMessage, onSubscribed, onError) =>
      subscribeRedis({ ...settings, channel, onMessage, onSubscribed, onError }),
  });
}
