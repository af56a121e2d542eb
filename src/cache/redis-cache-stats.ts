import type { Clock } from '../core/clock.ts';
import { parseJsonText } from '../core/json.ts';
import { fieldsOf, type RedisClient } from '../platform/redis-client.ts';
import { RedisScript } from '../storage/kv/redis-script.ts';
import { CACHE_COUNTS, type CacheCounts, CacheReport, noCounts } from './cache-counts.ts';
import { HOUR_MS, HOURS, type HourCounts } from './cache-stats.ts';

/** Milliseconds until counts are sent to Redis, with all that were counted meanwhile. */
const SEND_MS = 1_000;
/** A report is made once in this time, however often it is asked for. Milliseconds. */
const REPORT_MS = 1_000;
/** Changed counts that wait for Redis; further ones are not shared. */
const MAX_PENDING = 20_000;

export interface RedisCacheStatsOptions {
  readonly client: RedisClient;
  readonly clock: Clock;
  /** Of all keys. */
  readonly prefix: string;
  readonly onError: (error: unknown) => void;
}

/** Adds up the counts of all gateways in Redis: one hash for each hour, which expires a day later. */
export class RedisCacheStats {
  readonly #script: RedisScript;
  /** What changed, and how much of it was sent. */
  readonly #pending = new Map<HourCounts, CacheCounts>();
  readonly #sent = new WeakMap<HourCounts, CacheCounts>();
  #timer: ReturnType<typeof setTimeout> | undefined;
  #report: { readonly at: number; readonly report: Promise<CacheReport> } | undefined;

  constructor(private readonly options: RedisCacheStatsOptions) {
    this.#script = new RedisScript(options.client, 'cache-stats');
  }

  /** Call when counts are about to change. */
  changing(counts: HourCounts): void {
    if (this.#pending.has(counts) || this.#pending.size >= MAX_PENDING) return;
    this.#pending.set(counts, this.#sent.get(counts) ?? noCounts());
    if (this.#timer) return;
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      this.send().catch(this.options.onError);
    }, SEND_MS);
    this.#timer.unref();
  }

  /**
   * Sends what changed.
   * @throws when Redis is unreachable; what was not sent is sent the next time
   */
  async send(): Promise<void> {
    const { client, prefix } = this.options;
    if (this.#pending.size === 0 || !client.ready) return;
    const pending = [...this.#pending];
    this.#pending.clear();
    const hours = Map.groupBy(pending, ([{ hour }]) => hour);
    for (const [hour, changed] of hours) {
      const parameters: (string | number)[] = [(HOURS + 1) * HOUR_MS];
      for (const [slot, before] of changed) {
        const { tenant, model, counts } = slot;
        for (const [place, name] of CACHE_COUNTS.entries()) {
          const added = Math.round(counts[name]) - Math.round(before[name]);
          if (added !== 0) parameters.push(JSON.stringify([tenant, model, place]), String(added));
        }
        this.#sent.set(slot, { ...counts });
      }
      try {
        await this.#script.run([`${prefix}:cache:stats:${hour}`], parameters);
      } catch (error) {
        for (const [slot, before] of changed) {
          this.#sent.set(slot, before);
          this.#pending.set(slot, before);
        }
        throw error;
      }
    }
  }

  /**
   * @returns the counts of all gateways over the last 24 hours; those of another one up to a second later
   * @throws when Redis is unreachable
   */
  report(): Promise<CacheReport> {
    const now = this.options.clock.now();
    if (this.#report && now - this.#report.at < REPORT_MS) return this.#report.report;
    const report = this.#read();
    const made = { at: now, report };
    this.#report = made;
    report.catch(() => {
      if (this.#report === made) this.#report = undefined;
    });
    return report;
  }

  /** Sends what is left, as far as Redis takes it. */
  async close(): Promise<void> {
    clearTimeout(this.#timer);
    await this.send().catch(this.options.onError);
  }

  async #read(): Promise<CacheReport> {
    const { client, clock, prefix } = this.options;
    await this.send();
    const hour = Math.floor(clock.wallTime() / HOUR_MS);
    const names = Array.from({ length: HOURS }, (_, back) => `${prefix}:cache:stats:${hour - back}`);
    const report = new CacheReport();
    for (const reply of await Promise.all(names.map((name) => client.call('HGETALL', [name])))) {
      for (const [field, value] of fieldsOf(reply)) addField(report, field, Number(value));
    }
    return report;
  }
}

function addField(report: CacheReport, field: string, value: number): void {
  const parts = parseJsonText(field);
  const [tenant, model, place]: unknown[] = Array.isArray(parts) ? parts : [];
  const name = typeof place === 'number' ? CACHE_COUNTS[place] : undefined;
  if (typeof tenant !== 'string' || typeof model !== 'string' || name === undefined) return;
  if (Number.isSafeInteger(value)) report.add(tenant, model, { ...noCounts(), [name]: value });
}
