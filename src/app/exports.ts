import type { Config } from '../config/schema.ts';
import type { Clock } from '../core/clock.ts';
import type { EventSink } from '../events/event-bus.ts';
import type { Export, ExportRun } from '../exports/export-run.ts';
import { guardedPost } from '../platform/guarded-post.ts';
import { homeTenants } from './first-start.ts';
import type { Stores } from './stores.ts';

export interface ExportJobsOptions {
  readonly stores: Pick<Stores, 'control' | 'databases' | 'access'>;
  readonly config: () => Config;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly clock: Clock;
  readonly events: EventSink;
  /** Names this process, and no other. */
  readonly instance: string;
}

/** Allows receivers within the network of the gateway, as for webhooks. */
const ALLOW_PRIVATE_VARIABLE = 'WEIR_WEBHOOKS_ALLOW_PRIVATE';

interface Opened {
  readonly settings: Config['exports'];
  readonly exports: readonly Export[];
  readonly run: ExportRun;
}

/** Runs the exports of the configuration, each on its own: one that waits for its receiver delays no other. */
export class ExportJobs {
  readonly #end = new AbortController();
  readonly #visits = new Map<string, Promise<void>>();
  /** When exports were visited last, by id; only configured ones. */
  readonly #visitedAt = new Map<string, number>();
  #opened: Opened | undefined;
  /** Requests may arrive before the first visit. */
  #beginsAt: number;

  constructor(private readonly options: ExportJobsOptions) {
    this.#beginsAt = options.clock.wallTime();
  }

  /** Starts the exports that are due; to be called every second. */
  async run(): Promise<void> {
    const { config, clock } = this.options;
    const settings = config().exports;
    if (settings.length === 0 && !this.#opened) {
      this.#beginsAt = clock.wallTime();
      return;
    }
    const { exports, run } = await this.#open(settings);
    for (const one of exports) {
      const last = this.#visitedAt.get(one.id);
      if (this.#end.signal.aborted || this.#visits.has(one.id)) continue;
      if (last !== undefined && clock.now() - last < one.every) continue;
      this.#visitedAt.set(one.id, clock.now());
      const visit = this.#visit(run, one).finally(() => this.#visits.delete(one.id));
      this.#visits.set(one.id, visit);
    }
  }

  /** Resolves when nothing is being sent. */
  async idle(): Promise<void> {
    await Promise.all(this.#visits.values());
  }

  /** Cancels requests under way, whose records are sent again, and ends. */
  async close(): Promise<void> {
    this.#end.abort(new Error('the gateway stops'));
    await this.idle();
  }

  async #visit(run: ExportRun, one: Export): Promise<void> {
    try {
      await run.visit(one, this.#end.signal);
    } catch (error) {
      this.options.events.emit('job.failed', {
        ...{ job: `export ${one.id}`, error },
        impact: 'usage waits in the database until the next visit',
      });
    }
  }

  /** Loads its code with the first export: starts do not wait for it. */
  async #open(settings: Config['exports']): Promise<Opened> {
    if (this.#opened?.settings === settings) return this.#opened;
    const { stores, env, clock, events, instance, config } = this.options;
    const { createSink } = await import('../exports/create-sink.ts');
    const { ExportRun: Run } = await import('../exports/export-run.ts');
    const allowPrivate = env[ALLOW_PRIVATE_VARIABLE] === '1';
    const services = { env, post: guardedPost, allowPrivate, now: () => clock.wallTime() };
    const beginsAt = this.#opened ? clock.wallTime() : this.#beginsAt;
    const exports = settings.map((one) => ({
      beginsAt,
      ...{ id: one.id, type: one.type, tenants: one.tenants, every: one.every },
      ...{ maxRecords: one.max_records, maxBytes: one.max_bytes, sink: createSink(one, services) },
    }));
    for (const id of this.#visitedAt.keys()) {
      if (!settings.some((one) => one.id === id)) this.#visitedAt.delete(id);
    }
    const run = new Run({
      ...{ control: stores.control, databases: stores.databases, clock, events },
      ...{ owner: instance, random: Math.random },
      tenants: () => homeTenants(stores.access, config().region).map(({ id }) => id),
    });
    this.#opened = { settings, exports, run };
    return this.#opened;
  }
}
